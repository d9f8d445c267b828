"""Pictures drawn and scored in a process of their own, with an encoder that needs no torch."""

import ctypes.util
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from reward_synth.content import content_folder
from reward_synth.errors import ConfigError, RewardSynthError
from reward_synth.looks import LooksConfig
from reward_synth.looks.encoders import load_encoder
from reward_synth.looks.score import Goal
from reward_synth.looks.scorer import Scorer, choose_gl, make_scorer
from reward_synth.search.failure import WorkerError
from reward_synth.search.worker import Worker
from reward_synth.task import load_task

CARTPOLE = content_folder("envs") / "cartpole_swingup"
CONFIG = LooksConfig("benchmarks.colours:WarmHeight", "high", "low", size=48)
PATIENT_S = 120.0
needs_gl = pytest.mark.skipif(
    not (ctypes.util.find_library("EGL") or ctypes.util.find_library("OSMesa")),
    reason="no GL library: install libegl1 with libgl1-mesa-dri, or libosmesa6",
)

# Cart position and pole angle: hanging, level, upright.
POSTURES = np.array([[0.0, np.pi], [0.3, np.pi / 2], [-0.5, 0.0]], np.float32)


def worker(folder, config=CONFIG):
    log = folder / "looks.log"
    return Worker(make_scorer, (CARTPOLE, config, 1), stall_s=PATIENT_S, log=log)


@needs_gl
def test_a_pole_that_stands_higher_scores_higher_and_the_same_each_time(tmp_path):
    alive = []
    with worker(tmp_path) as there:
        scores = there.call("score", POSTURES, on_progress=lambda: alive.append(1))
        assert scores.dtype == np.float32
        assert (np.diff(scores) > 0.03).all()
        # More than one batch, the last of them not full: all as before, whatever is around them.
        many = np.tile(POSTURES[::-1], (23, 1))
        np.testing.assert_array_equal(there.call("score", many), np.tile(scores[::-1], 23))
        assert len(alive) == 1
        os.kill(there.pid, signal.SIGKILL)
        with pytest.raises(WorkerError, match="SIGKILL"):
            while True:  # the system may take a moment
                there.call("score", POSTURES)
        np.testing.assert_array_equal(there.call("score", POSTURES), scores)


@needs_gl
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera": "sid"}, "looks.camera=sid is not in the model.*Did you mean 'side'"),
        ({"model": "benchmarks.nowhere:Eye"}, r"benchmarks\.nowhere:Eye cannot be imported"),
        ({"model": "benchmarks.colours:Eye"}, "colours:Eye cannot be imported"),
        ({"goal": "down"}, "cannot tell looks.goal from looks.baseline"),
    ],
)
def test_what_cannot_be_scored_is_one_line(tmp_path, changes, words):
    with (
        worker(tmp_path, replace(CONFIG, **changes)) as there,
        pytest.raises(ConfigError, match=words) as info,
    ):
        there.call("score", POSTURES)
    assert "\n" not in str(info.value)


def test_without_gl_the_packages_are_named(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("reward_synth.looks.scorer._GL_PROBE", "raise SystemExit(1)")
    for library in (None, "egl"):
        if library is None:
            monkeypatch.delenv("MUJOCO_GL", raising=False)
        else:
            monkeypatch.setenv("MUJOCO_GL", library)
        with pytest.raises(RewardSynthError, match="install the system package libegl1"):
            choose_gl()
        assert os.environ.get("MUJOCO_GL") == library


def test_osmesa_takes_over_where_egl_fails(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    probe = "import os; raise SystemExit(os.environ['MUJOCO_GL'] != 'osmesa')"
    monkeypatch.setattr("reward_synth.looks.scorer._GL_PROBE", probe)
    monkeypatch.setenv("MUJOCO_GL", "placeholder")  # restored at the end
    monkeypatch.delenv("MUJOCO_GL")
    choose_gl()
    assert os.environ["MUJOCO_GL"] == "osmesa"


def test_an_encoder_that_gives_nothing_is_named(monkeypatch):
    class Blind:
        def pictures(self, pictures):
            return np.zeros((len(pictures), 2))

    monkeypatch.setattr("reward_synth.rollout.picture.draw", lambda *_: iter([np.zeros((4, 4, 3))]))
    scorer = Scorer(load_task(CARTPOLE), Blind(), Goal.of(np.ones(2), None, 0.0), None, 4)
    with pytest.raises(RewardSynthError, match=r"looks\.model cannot score a picture"):
        scorer.score(POSTURES[:1])


def test_the_stand_in_knows_high_from_low():
    encoder = load_encoder("benchmarks.colours:WarmHeight", 0)
    pictures = np.full((3, 10, 10, 3), 200, np.uint8)
    pictures[0, 0, 5], pictures[1, 9, 5] = (255, 100, 0), (255, 100, 0)
    high, low = encoder.sentences(["it is high", "it is low"])
    np.testing.assert_allclose(encoder.pictures(pictures)[:2], [high, low], atol=1e-12)
    np.testing.assert_allclose(encoder.pictures(pictures)[2], low)  # nothing warm
