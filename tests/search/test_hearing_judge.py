"""A run that a vision-language model steers: it sees real pictures, and is paid for once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reward_synth.errors import ModelError
from reward_synth.feedback.annotations import Kind
from reward_synth.feedback.judge.settings import JudgeSettings
from reward_synth.search.config import FeedbackSettings, FinalSettings, VideoSettings
from reward_synth.search.loop import resume, start
from reward_synth.search.store import Store
from tests.feedback.judge import eyes
from tests.propose.conftest import quick_and_direct, server  # noqa: F401 (fixtures)
from tests.search.test_loop import Ear, config, results  # noqa: F401 (a fixture)


def looks(handler, body):
    """Prefer the brighter last picture: on no account an opinion, but one about pixels."""
    asked = eyes.text_of(body)
    if "COLOURS: X" in asked:
        eyes.reply(handler, f"COLOURS: {', '.join(eyes.bands(body))}")
        return
    light = {letter: float(np.mean(shown[-1])) for letter, shown in eyes.pictures(body).items()}
    if "VERDICT: A" in asked:
        better = "A" if light["A"] > light["B"] else "B"
        eyes.reply(handler, f"A {light['A']:.1f}, B {light['B']:.1f}.\nVERDICT: {better}")
    else:
        eyes.reply(handler, "DIAGNOSIS: It drifts to one side.\nIt should stay.")


@pytest.fixture
def judged(config, server):  # noqa: F811
    judge = JudgeSettings(
        model="eyes", base_url=server.url, timeout_s=10.0, width=96, height=72, instants=2
    )
    return replace(
        config,
        search=replace(config.search, candidates=2, generations=2, rungs=(), keep=()),
        feedback=FeedbackSettings(source="vlm", fitness=False, answers=2, judge=judge),
        final=FinalSettings(trainings=0),
        video=VideoSettings(enabled=False),
    )


def test_a_judge_decides_by_pixels_and_is_asked_once(judged, server, tmp_path):  # noqa: F811
    server.plays(looks)
    start(judged, tmp_path / "run", Ear())
    asked = len(server.bodies)
    with Store.read(tmp_path / "run") as store:
        said, best, told = store.journal.read(), store.get("best"), store.job("gen_00/hear")
        purposes = [entry.purpose for entry in store.expenses()]
    pairs = [one for one in said if one.kind is Kind.PAIR]
    assert len([one for one in pairs if one.answer]) == 4  # both ways round they agree
    assert all(one.who == "eyes" and one.prompt and one.text for one in pairs)
    assert all(clip.digest and clip.rollout for one in pairs for clip in one.shown)
    assert best in {id for one in pairs for id in one.answer}
    assert "It drifts to one side" in next(iter(told["remarks"].values()))
    assert purposes.count("language model") == asked
    before = results(tmp_path / "run")
    resume(tmp_path / "run", Ear())
    assert len(server.bodies) == asked
    assert results(tmp_path / "run") == before


def test_a_judge_that_sees_nothing_stops_the_run_which_is_kept(judged, server, tmp_path):  # noqa: F811
    server.plays(eyes.says("COLOURS: red, red, red"))
    with pytest.raises(ModelError, match="does not see what it is shown"):
        start(judged, tmp_path / "run", Ear())
    server.plays(looks)
    resume(tmp_path / "run", Ear())
    with Store.read(tmp_path / "run") as store:
        assert store.get("best")


def test_a_judge_that_answers_in_prose_costs_nothing_but_its_say(judged, server, tmp_path):  # noqa: F811
    def prose(handler, body):
        if "COLOURS: X" in eyes.text_of(body):
            looks(handler, body)
        else:
            eyes.reply(handler, "Both have their charms.")

    server.plays(prose)
    start(judged, tmp_path / "run", Ear())
    with Store.read(tmp_path / "run") as store:
        said = store.journal.read()
        assert {one.kind for one in said if one.kind is not Kind.TEXT} == {Kind.SKIP}
        assert store.get("best")  # nobody is preferred, and somebody is chosen all the same
