"""A bundle's card, from what deploy.json says and what else lies in the folder."""

from __future__ import annotations

import json
import re

import pytest

from reward_synth.report.card import write_card

HOSTILE = "</script><img src=x onerror=alert(1)> | `rm`\n\n# not a heading"


def described(**changes):
    joint = {
        "name": "hip",
        "kind": "effort",
        "unit": "N m",
        "scale": 200.0,
        "offset": 0.0,
        "stiffness": 0.0,
        "damping": 0.0,
        "limits": {"position": None, "velocity": None, "effort": 200.0},
    }
    term = {"name": "cos(angle)", "size": 1, "unit": "1", "frame": "world", "history": 1}
    evidence = {
        "episodes": 100,
        "fitness": {"mean": 3.25, "low": 3.0, "high": 3.5},
        "success": {"mean": 0.75, "low": 0.66, "high": 0.82},
        "length": 400.0,
        "worst_fitness": -1.5,
        "comparison": {
            "found": {"mean": 3.0, "low": 2.0, "high": 4.0, "trainings": 5},
            "expert": {"mean": 9.0, "trainings": 1},
        },
    }
    return {
        "task": {"name": "hopper", "sentence": "Hop."},
        "timing": {"period": 0.008, "episode_steps": 1000},
        "joints": [joint],
        "fields": [
            {"name": "seen", "source": "robot", "observed": True},
            {"name": "unseen", "source": "robot", "observed": False},
            {"name": "own", "source": "joint position", "observed": True},
        ],
        "observation": {"terms": [{**term, "scale": 1.0, "clip": [None, 10.0]}]},
        "evidence": {**evidence, **changes.pop("evidence", {})},
        "provenance": {
            "rationale": "Because.",
            "reward": "def reward(state):\n    return 1\n",
            "author": "offline",
            "candidate": "g00c01",
            "run": "today",
            "training": "seed_0",
            "steps": 70_000,
            "notes": "",
            "versions": {"reward-synth": "0.1.0"},
            **changes.pop("provenance", {}),
        },
        **changes,
    }


def cards(folder, **changes) -> tuple[str, str]:
    write_card(folder, described(**changes))
    return tuple((folder / f"card.{kind}").read_text(encoding="utf-8") for kind in ("md", "html"))


def test_both_say_how_well_it_does_and_what_was_not_tested(tmp_path):
    for text in cards(tmp_path):
        for words in ("3.25", "[3.00, 3.50]", "75%", "66% to 82%", "[2.00, 4.00]", "to 10.00"):
            assert words in text, words
        assert "the human-written reward" in text
        assert "Not tested: the bundle holds no stress test." in text
        assert "It has not run on hardware." in text
        assert "it is told seen without error" in text
        assert "it is no solution of the task" not in text
        assert "<video" not in text
        assert "video.mp4" not in text


def test_a_policy_that_fails_is_called_that(tmp_path):
    failing = {"success": {"mean": 0.02, "low": 0.0, "high": 0.07}, "comparison": {}}
    for text in cards(tmp_path, evidence=failing):
        assert "It succeeds in 2% of episodes: it is no solution of the task." in text
        assert "No final comparison was made with this reward" in text


def test_what_exceeds_limits_is_said_before_all_that_is_well(tmp_path):
    stops = {"limit": "stops of the joints", "unit": "rad", "share": 0.25, "worst": 0.125}
    speed = {"limit": "joint speed", "unit": "rad/s", "share": 0.0, "worst": 0.0}
    for text in cards(tmp_path, evidence={"limits": [stops, speed]}):
        beyond = "exceeds limits that the task declares: stops of the joints in 25% of steps, by up"
        assert 0 < text.index(beyond) < text.index("It was trained and tested in MuJoCo alone")
        assert "joint speed" not in text
    for text in cards(tmp_path, evidence={"limits": [speed]}):
        assert "It keeps to the limits that the task declares: joint speed." in text
    for text in cards(tmp_path):
        assert "limits that the task declares" not in text


def test_worlds_that_differed_in_training_are_said(tmp_path):
    for text in cards(tmp_path, provenance={"worlds": "mass 0.8 to 1.2"}):
        assert "It was trained in worlds that differ (mass 0.8 to 1.2) and tested in" in text
        assert "did not differ" not in text


def test_a_stress_test_and_a_video_are_shown_if_they_are_there(tmp_path):
    (tmp_path / "stress.json").write_text(json.dumps({"summary": ["Worst: friction at 0.4."]}))
    (tmp_path / "stress_mass.svg").write_text("<svg/>")
    (tmp_path / "video.mp4").write_bytes(b"")
    for text in cards(tmp_path):
        assert "Worst: friction at 0.4." in text
        assert "stress_mass.svg" in text
        assert "video.mp4" in text
        assert "holds no stress test" not in text


def test_what_a_model_wrote_is_text(tmp_path):
    markdown, page = cards(
        tmp_path,
        task={"name": "hopper", "sentence": HOSTILE},
        provenance={"rationale": HOSTILE, "reward": f"# {HOSTILE}\n"},
    )
    assert "<img" not in page
    assert "</script>" not in page
    assert not re.search(r"^# not a heading", markdown.split("````")[0], re.MULTILINE)


@pytest.mark.parametrize("kind", ["script", "link", "iframe"])
def test_the_page_loads_nothing(tmp_path, kind):
    page = cards(tmp_path)[1]
    assert f"<{kind}" not in page
    assert "default-src 'none'" in page
