"""Runs that ask: what is waited for, what is decided by it, and that nothing else leaks in."""

from __future__ import annotations

import math
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from reward_synth.errors import ConfigError, RunError
from reward_synth.feedback.annotations import Annotation, Clip, Kind
from reward_synth.feedback.journal import Journal
from reward_synth.search.asking import inquiry
from reward_synth.search.config import FeedbackSettings, FinalSettings, RunConfig, SearchSettings
from reward_synth.search.loop import resume, start
from reward_synth.search.store import INCUMBENT, Store
from tests.search.test_loop import PLAIN, Ear, config, results  # noqa: F401 (a fixture)

TASTE = FeedbackSettings(source="teacher", fitness=False, answers=4)


@pytest.fixture
def blind(config):  # noqa: F811
    """A search that knows no fitness: a teacher is asked instead."""
    return replace(
        config,
        search=replace(config.search, candidates=3, generations=2, rungs=(0.5,), keep=(0.5,)),
        feedback=TASTE,
        final=FinalSettings(trainings=0),
    )


def decided(folder):
    """What a run made of its answers."""
    with Store.read(folder) as store:
        incumbents = [d["best"] for _, kind, d in store.events() if kind == INCUMBENT]
        programs = [(c.id, c.operator, c.parents, c.program.source) for c in store.candidates()]
        return incumbents, programs, store.get("best")


def test_a_teacher_alone_decides(blind, tmp_path):
    start(blind, tmp_path / "run", Ear())
    with Store.read(tmp_path / "run") as store:
        said, candidates = store.journal.read(), store.candidates()
        best, asked = store.get("best"), inquiry(store)
        expenses = {id for id, _, _ in store.ledger()}
    assert len(said) == 8
    assert {one.who for one in said} == {"oracle"}
    assert {"gen_00/hear", "gen_01/hear"} <= expenses
    scored = [c for c in candidates if c.score]
    assert all(math.isnan(c.score.fitness) for c in scored)  # the search never learns of it
    assert not any(c.standings for c in candidates)  # and cannot race by it
    assert "fitness" not in " ".join(c.reflection for c in scored).lower()
    skill = asked.archive.preferred.estimates
    assert skill[best].cautious == max(skill[c.id].cautious for c in scored)
    assert asked.done
    assert not asked.waiting


FORBIDDEN = """
def success(state):
    raise AssertionError("somebody looked at the success")


def fitness(state, action, next_state):
    raise AssertionError("somebody looked at the fitness")


def expert_reward(state, action, next_state):
    raise AssertionError("somebody looked at the expert's reward")
"""


def answer_all(folder, who="ann", likes=None):
    """Answer like a person, in a thread, until the run has ended; return the thread."""

    def answer_one():
        with Store.read(folder) as store, Journal.open(folder) as journal:
            asked = inquiry(store)
            question = asked.next(who) if asked and asked.waiting and not asked.done else None
            if question is None:
                return
            best = sorted(question.candidates, key=likes or (lambda id: id))
            chosen = best[0] if question.kind is Kind.WORST else best[-1]
            clips = tuple(Clip(id) for id in question.candidates)
            journal.append([Annotation(who, question.kind, clips, (chosen,))])

    def answer():
        while not (folder / "stop").exists():
            with suppress(RunError):  # it has not begun yet
                answer_one()
            time.sleep(0.05)

    thread = threading.Thread(target=answer, daemon=True)
    folder.mkdir(parents=True, exist_ok=True)
    thread.start()
    return thread


def run_with_people(config, folder, **more):  # noqa: F811
    thread = answer_all(folder, **more)
    try:
        start(config, folder, Ear())
    finally:
        (folder / "stop").touch()
        thread.join()


@pytest.fixture
def watched(blind, monkeypatch):
    """The same with people, who see no videos in tests."""
    monkeypatch.setattr(RunConfig, "_check_feedback", lambda self: None)
    return replace(blind, feedback=replace(TASTE, source="people"))


@pytest.mark.parametrize("strategy", ["evolve", "icpl", "iid"])
def test_no_ground_truth_is_there_to_leak(strategy, watched, point_task_folder, tmp_path):
    """A task whose measures cannot even be computed is searched to the end, and just the same."""
    shy = tmp_path / "point"
    shutil.copytree(point_task_folder, shy)
    with (shy / "task.py").open("a") as file:
        file.write(FORBIDDEN)
    search = replace(watched.search, strategy=strategy)
    run_with_people(replace(watched, search=search), tmp_path / "with")
    run_with_people(replace(watched, search=search, task=str(shy)), tmp_path / "without")
    assert decided(tmp_path / "with") == decided(tmp_path / "without")
    assert decided(tmp_path / "with")[2]


def test_other_answers_make_another_run(watched, tmp_path):
    run_with_people(watched, tmp_path / "one")
    run_with_people(watched, tmp_path / "other", likes=lambda id: [-ord(c) for c in id])
    assert decided(tmp_path / "one") != decided(tmp_path / "other")


def test_a_run_waits_stops_and_is_continued_another_day(watched, tmp_path):
    folder, ear = tmp_path / "run", Ear()
    patient = replace(watched, feedback=replace(watched.feedback, patience_s=0.0))
    with pytest.raises(RunError, match="reward-synth label"):
        start(patient, folder, ear)
    assert any("4 comparisons are wanted" in text for text in ear.heard if "label" in text)
    with Store.read(folder) as store:
        asked = inquiry(store)
        assert asked.waiting
        assert (asked.given, asked.wanted) == (0, 4)
        assert store.get("seconds") is not None
    with pytest.raises(RunError, match="nobody has answered"):
        resume(folder, ear)
    with Journal.open(folder) as journal:
        journal.append([Annotation("ann", Kind.ENOUGH)])
    with pytest.raises(RunError, match="nobody has answered"):
        resume(folder, ear)  # and waits after the next generation
    with Store.read(folder) as store:
        assert inquiry(store).generation == 1
        assert not inquiry(store).fresh  # that it is enough is said once for each


def test_what_is_said_later_changes_nothing_that_is_decided(blind, tmp_path):
    start(blind, tmp_path / "run", Ear())
    before = results(tmp_path / "run")
    with Journal.open(tmp_path / "run") as journal:
        scored = [Clip("g00c00"), Clip("g00c01")]
        journal.append([Annotation("ann", Kind.PAIR, tuple(scored), ("g00c01",))])
    resume(tmp_path / "run", Ear())
    assert results(tmp_path / "run") == before


def test_where_fitness_counts_too_preference_decides_among_the_fittest(config, tmp_path):  # noqa: F811
    """All are equally fit to a tolerance that one training has: people's favourite is taken."""
    plain = replace(
        config,
        search=replace(PLAIN, strategy="evolve", generations=1, candidates=4),
        feedback=FeedbackSettings(source="teacher", answers=15),
        final=FinalSettings(trainings=0),
    )
    start(plain, tmp_path / "run", Ear())
    with Store.read(tmp_path / "run") as store:
        archive, best = inquiry(store).archive, store.get("best")
    estimates = archive.estimates
    floor = max(e.cautious for e in estimates.values())
    hopeful = [id for id, e in estimates.items() if e.mean + e.deviation >= floor]
    assert len(hopeful) > 1
    preferred = archive.preferred.estimates
    assert best == max(hopeful, key=lambda id: preferred[id].cautious)


def test_words_reach_the_next_generation(blind, tmp_path):
    folder = tmp_path / "run"
    people = replace(blind, feedback=replace(TASTE, source="people", patience_s=0.0))
    people = replace(people, video=replace(people.video, enabled=True))
    with pytest.raises(RunError, match="nobody has answered"):
        start(people, folder, Ear())
    with Store.read(folder) as store:
        ids = [c.id for c in store.candidates() if c.score]
        terms = next(c.terms for c in store.candidates() if c.id == ids[0])
    stretch = Clip(ids[0], begin=0.1, end=0.5)
    with Journal.open(folder) as journal:
        journal.append(
            [
                Annotation("ann", Kind.TEXT, text="arms should not flail"),
                Annotation("ann", Kind.SEGMENT, (stretch,), value=-1.0, category="jitter"),
                Annotation("ann", Kind.ENOUGH),
            ]
        )
    with pytest.raises(RunError, match="nobody has answered"):
        resume(folder, Ear())
    with Store.read(folder) as store:
        remarks = store.job("gen_00/hear")["remarks"]
    assert remarks[""] == "- ann: arms should not flail"
    assert remarks[ids[0]].startswith("- ann marked 0.1 s to 0.5 s as bad (jitter): there ")
    assert all(f"{term} paid" in remarks[ids[0]] for term in terms)
    assert (folder / "gen_00/cand_00/rollout.mp4").is_file() or ids[0] != "g00c00"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"search": SearchSettings(strategy="icpl")}, "say whose"),
        ({"feedback": FeedbackSettings(fitness=False)}, "nothing to go by"),
        (
            {"feedback": TASTE, "search": SearchSettings(strategy="eureka")},
            "goes by the fitness in training",
        ),
        ({"feedback": FeedbackSettings(source="people")}, "video.enabled"),
        ({"feedback": FeedbackSettings(source="peopel")}, "Did you mean 'people'"),
        ({"feedback": FeedbackSettings(answers=0)}, "at least 1"),
    ],
)
def test_settings_that_make_no_sense(config, settings, reason):  # noqa: F811
    with pytest.raises(ConfigError, match=reason):
        replace(config, **settings).check()
