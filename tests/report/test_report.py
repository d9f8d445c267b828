import base64
import hashlib
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from page import Page
from synthetic_run import REJECTIONS, begin, candidates, finish, program, trained

from reward_synth.errors import RunError
from reward_synth.feedback.scores import Score, difference, score
from reward_synth.records import Finding, Rejection, Stage
from reward_synth.report import programs, words
from reward_synth.report.build import build_report
from reward_synth.report.run import read_curve
from reward_synth.search.store import Spent, Store
from reward_synth.train.history import write_history


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    finish(folder)
    video = folder / "gen_00" / "cand_00" / "rollout.mp4"
    video.write_bytes(b"a video")
    return folder


@pytest.fixture(scope="module")
def page(finished) -> Page:
    return Page(finished)


def test_contains_every_candidate(page):
    ids = {attributes.get("id") for _, attributes in page.tags}
    for candidate in candidates():
        assert candidate.id in ids
        assert page.source.count(f'href="#{candidate.id}"') >= 1
    for rejection in REJECTIONS.values():
        assert rejection.reason in page.text


def test_loads_nothing_and_runs_only_its_own_script(page):
    assert not {"link", "iframe", "object", "embed", "img", "base", "form"} & {
        name for name, _ in page.tags
    }
    data, script = page.scripts
    assert json.loads(data) == {}  # the sections of a small run hold everything
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv")]
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; media-src data:; "
        f"script-src 'sha256-{digest}'"
    )
    for name, attributes in page.tags:
        for key in ("src", "href", "xlink:href", "srcset", "poster", "action", "data"):
            value = attributes.get(key) or "#"
            assert value.startswith(("#", "data:video/mp4;base64,")), (name, key, value[:80])
        assert not [key for key in attributes if key.startswith("on")]
    assert not re.search(r"https?://|@import", page.source)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page.source))


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    used = re.findall(r'(?:href="|url\()#([^")]+)', page.source)
    assert set(used) <= set(ids)
    assert len(ids) == len(set(ids))


def test_headline_compares_and_says_what(page):
    text = " ".join(page.text.split())
    assert "mean fitness of 3 policies trained from scratch for 65 000 steps" in text
    assert "20 held-out episodes" in text
    assert "is better than the success-only reward" in text
    assert "human-normalised" in text
    assert text.count("Best so far") == 0


def test_ledger_settings_and_versions_are_shown(page):
    for words_ in ("propose", "$0.0213", "390\u2009000", "mujoco", "4.0.0", "search.candidates"):
        assert words_ in page.text


def test_video_is_embedded(page):
    (video,) = page.all("video")
    assert video["src"] == "data:video/mp4;base64,YSB2aWRlbw==#t=0.001"
    assert "controls" in video


def test_captions_name_the_fitness_of_the_training_that_is_shown(tmp_path):
    finish(tmp_path)
    with Store.open(tmp_path) as store:
        result = store.get("result")
        result["scores"]["expert"]["trainings"] = [30.0, 10.0, 20.0]
        store.put("result", result)
    (tmp_path / "final" / "expert").mkdir(parents=True)
    (tmp_path / "final" / "expert" / "rollout.mp4").write_bytes(b"a video")
    assert "human-written reward: fitness 20.0" in Page(tmp_path).text


def test_videos_beyond_the_limit_are_named_instead(tmp_path, monkeypatch):
    finish(tmp_path)
    for place in ("gen_00/cand_00", "gen_02/cand_04"):
        (tmp_path / place / "rollout.mp4").write_bytes(b"12345")
    monkeypatch.setattr("reward_synth.report.build._VIDEO_BYTES", 8)
    page = Page(tmp_path)
    assert len(page.all("video")) == 1
    assert "gen_00/cand_00/rollout.mp4" in page.text  # the less fit of the two


def test_plots_take_their_colours_from_the_page(page):
    plots = [svg for svg in page.all("svg") if svg["class"] == "plot"]
    assert len(plots) == 5
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in plots)
    assert not re.search("#010[23]", page.source)


def test_is_the_same_when_built_again(finished, page):
    assert Page(finished).source == page.source


ATTACK = '</code></pre><script>alert(1)</script><img src=x onerror="alert(2)">'


def test_what_a_model_wrote_is_escaped(tmp_path, monkeypatch):
    bad = "<b>$x</b>\ud800"
    with Store.open(tmp_path) as store:
        begin(store)
        first, second, *_ = candidates(1)
        first = replace(first, author=ATTACK, program=program(1.0, ATTACK), reflection=ATTACK)
        first = replace(trained(first, tmp_path), operator=ATTACK)
        second = second.rejected(Rejection(Stage.PARSE, ATTACK))
        child = replace(second, generation=1, parents=(first.id, ATTACK), program=program(2.0))
        store.save_candidates([first, second, child])
        store.charge("x", ATTACK, store.spent())
        store.put("versions", {ATTACK: ATTACK})
    metrics = tmp_path / first.folder / "metrics.jsonl"
    metrics.write_text(json.dumps({"steps": 1, "fitness": 1.0, "terms": {ATTACK: 1.0, bad: 2.0}}))
    store_finding(tmp_path, first.id)
    page = Page(tmp_path)
    assert len(page.all("script")) == 2
    assert not page.all("img")
    assert ATTACK in page.text
    monkeypatch.setattr("reward_synth.report.build._WHOLE", 0)
    page = Page(tmp_path)
    assert len(page.all("script")) == 2
    assert not page.all("img")
    data, _ = page.scripts
    assert "<" not in data
    for body in json.loads(data).values():
        inside = Page.of(body)
        assert not inside.all("script")
        assert not inside.all("img")
    assert ATTACK in Page.of(json.loads(data)[first.id]).text


def store_finding(folder: Path, id: str) -> None:
    """Have a screen object in an attacker's words."""
    with Store.open(folder) as store:
        (candidate,) = [c for c in store.candidates() if c.id == id]
        store.save_candidates([replace(candidate, findings=(Finding(ATTACK, False, ATTACK),))])


def make_beginning(store: Store, folder: Path) -> None:
    begin(store)


def make_empty(store: Store, folder: Path) -> None:
    pass


def make_proposed(store: Store, folder: Path) -> None:
    begin(store)
    store.save_candidates(candidates(1))


def make_unfinished(store: Store, folder: Path) -> None:
    begin(store)
    store.save_candidates([*(trained(c, folder) for c in candidates(1)), *candidates(2)[6:]])


def make_paid_only(store: Store, folder: Path) -> None:
    begin(store)
    store.charge("a", "language model", Spent(10, 20, 0.5))
    store.charge("b", "language model", Spent(10, 20, 0.5))


def make_all_rejected(store: Store, folder: Path) -> None:
    begin(store)
    rejection = Rejection(Stage.LINT, "imports are not allowed.")
    store.save_candidates([c.rejected(rejection) for c in candidates(1)])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_empty, "The run has only begun"),
        (make_beginning, "The run has only begun"),
        (make_paid_only, "The run has only begun"),
        (make_proposed, "6 candidates wait"),
        (make_unfinished, "There is no final comparison yet; 2 of 3 generations"),
        (make_all_rejected, "Of 6 candidates, 6 were turned down: 6 at lint"),
    ],
)
def test_runs_that_are_not_finished(tmp_path, make, says):
    with Store.open(tmp_path) as store:
        make(store, tmp_path)
        page = Page(tmp_path)  # also while the run goes on
    assert says in " ".join(page.text.split())


def test_single_training_and_no_expert(tmp_path):
    finish(tmp_path)
    with Store.open(tmp_path) as store:
        result = store.get("result")
        del result["scores"]["expert"]
        for name in ("found", "sparse"):
            values = result["scores"][name]
            values.update(trainings=values["trainings"][:1], low=-math.inf, high=math.inf)
        store.put("result", {**result, "normalized": math.nan})
    text = " ".join(Page(tmp_path).text.split())
    assert "say nothing about how another training would end" in text
    assert "interval unknown" in text
    assert "human-written" not in text


def test_without_a_fitness_estimates_are_called_what_they_are(tmp_path):
    finish(tmp_path)
    with Store.open(tmp_path) as store:
        config = store.get("config")
        store.put("config", {**config, "feedback": {**config["feedback"], "fitness": False}})
        store.put("result", None)
    text = Page(tmp_path).text
    assert "with a preference of" in text
    assert "preference, estimated" in text
    assert "fitness, estimated" not in text
    assert "measured, 95% over" not in text
    assert "Numbers are estimates of preference" in text


def test_no_run_there(tmp_path):
    with pytest.raises(RunError, match=r"run\.db"):
        build_report(tmp_path)


def test_needs_no_jax():
    script = (
        "import sys, reward_synth.report.build, reward_synth.rollout.video; "
        "sys.exit(bool({'jax', 'mujoco'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_curve_is_what_was_written_down(tmp_path):
    assert read_curve(tmp_path) is None
    write_history(tmp_path, [{"steps": 1, "fitness": None, "terms": {"a": 2.0}}])
    curve = read_curve(tmp_path)
    assert curve is not None
    assert curve.steps.tolist() == [1.0]
    assert np.isnan(curve.fitness).all()
    assert curve.terms["a"].tolist() == [2.0]
    write_history(tmp_path, [])
    assert read_curve(tmp_path) is None


def test_difference_is_welchs():
    def of(*trainings: float) -> Score:
        ones = [np.ones(2)] * len(trainings)
        return score([np.full(2, t) for t in trainings], ones, ones)

    mean, low, high = difference(of(3.0, 5.0), of(0.0, 2.0)) or (0.0, 0.0, 0.0)
    # standard error sqrt(2/2 + 2/2); 2 degrees of freedom, for which t is 4.3027
    assert mean == pytest.approx(3.0)
    assert (low, high) == pytest.approx((3.0 - 4.3027 * 2**0.5, 3.0 + 4.3027 * 2**0.5), abs=1e-3)
    assert difference(of(1.0), of(2.0, 3.0)) is None
    assert difference(of(1.0, 1.0), of(2.0, 2.0)) is None


def test_diff_escapes_and_marks():
    assert programs.difference("a\n", "a\n") == ""
    changes = programs.difference("a\n<b>\n", "a\n<i>\n")
    assert '<span class="removed">-&lt;b&gt;</span>' in changes
    assert '<span class="added">+&lt;i&gt;</span>' in changes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (-1.234, "\u22121.23"),
        (0.01234, "0.012"),
        (123.45, "123.5"),
        (12345.6, "12,346"),
        (1e-5, "1.00e\u221205"),
        (math.nan, "\u2013"),
        (math.inf, "\u2013"),
        (None, "\u2013"),
    ],
)
def test_number(value, text):
    assert words.number(value) == text


def test_durations():
    assert [words.duration(s) for s in (4.23, 59.96, 200, 3720)] == [
        "4.2 s",
        "60.0 s",
        "3 min 20 s",
        "1 h 02 min",
    ]
