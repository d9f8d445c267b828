"""A run with a reward from pixels, from the first picture to the comparison."""

import ctypes.util
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reward_synth.looks import LooksConfig
from reward_synth.records import CLIP_SCORE, TaskDescription
from reward_synth.report.build import build_report
from reward_synth.rollout.episodes import Rollouts
from reward_synth.search.config import (
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    VideoSettings,
)
from reward_synth.search.listener import Silence
from reward_synth.search.looks import Eyes
from reward_synth.search.loop import start
from reward_synth.search.store import Store
from reward_synth.search.worker import Worker
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from tests.search.test_training_process import children

pytestmark = pytest.mark.skipif(
    not (ctypes.util.find_library("EGL") or ctypes.util.find_library("OSMesa")),
    reason="no GL library: install libegl1 with libgl1-mesa-dri, or libosmesa6",
)

EVERY = 25
CONFIG = RunConfig(
    task="cartpole_swingup",
    llm=LLMSettings("offline"),
    search=SearchSettings(
        strategy="iid", generations=1, candidates=3, steps=512, episodes=2, reruns=0, remember=False
    ),
    final=FinalSettings(trainings=1, episodes=2),
    train=PPOConfig(envs=4, horizon=32, epochs=1, minibatches=2, hidden=(8,)),
    video=VideoSettings(enabled=False),
    isolate=False,
    looks=LooksConfig("benchmarks.colours:WarmHeight", "high", "low", every=EVERY, size=32),
)


def candidates(folder):
    with Store.read(folder) as store:
        return store.candidates(), TaskDescription.from_json(store.get("task"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looks") / "run"
    before = set(children())
    comparison = start(CONFIG, folder, Silence())
    assert set(children()) <= before  # nobody draws any more
    return folder, comparison


def test_pictures_alone_are_proposed_trained_and_compared(finished):
    folder, comparison = finished
    found, description = candidates(folder)
    field = description.fields[-1]
    assert field.name == CLIP_SCORE
    assert 0.5 < field.home[0] < 0.75  # the pole hangs
    assert '"looks": w["looks"] * looks' in found[0].program.source
    assert f"next_state.{CLIP_SCORE} - {field.home[0]}" in found[0].program.source
    assert found[0].terms == ("looks",)
    assert found[0].score is not None, found[0]
    assert list(comparison.scores) == ["found", "expert", "looks", "sparse"]
    assert (folder / "final" / "looks" / "seed_0" / "policy.npz").is_file()
    build_report(folder)
    assert "reward from pictures alone" in (folder / "report.html").read_text(encoding="utf-8")


def test_every_state_that_is_kept_has_its_score(finished):
    folder, _ = finished
    with np.load(folder / "explored.npz") as explored:
        assert np.unique(explored["next_state"][:, -1]).size > 20
    rollouts = Rollouts.load(folder / candidates(folder)[0][0].folder / "rollout.npz")
    eyes = Eyes(load_task(CONFIG.task), CONFIG, folder, lambda *_: None)
    try:
        shown = np.arange(0, len(rollouts.state), EVERY)
        for episode in range(2):
            scores = eyes.looks.score(rollouts.qpos[shown, episode])
            np.testing.assert_array_equal(rollouts.state[shown, episode, -1], scores)
            between = rollouts.state[shown[:-1] + EVERY - 1, episode, -1]
            np.testing.assert_array_equal(between, scores[:-1])
    finally:
        eyes.close()
    # and the reward that is written down was paid for them
    level = eyes.task.description.fields[-1].home[0]
    np.testing.assert_allclose(rollouts.reward, rollouts.state[1:, :, -1] - level, atol=1e-6)


def test_a_training_stays_alive_while_pictures_are_scored(tmp_path):
    heard = []
    eyes = Eyes(load_task(CONFIG.task), CONFIG, tmp_path, lambda *told: heard.append(told))
    try:
        postures = np.zeros((40, 2), np.float32)  # two batches
        eyes.looks.score(postures)
        assert heard == []  # nothing trains yet, and nobody could say how far it is
        eyes.progress(64, 0.5)
        eyes.looks.score(postures)
        assert heard == [(64, 0.5)] * 3
    finally:
        eyes.close()


class Saboteur(Silence):
    """Stops whoever draws, once, in the middle of a training, to be killed at the next request.

    Who is dead before anything is asked of them is replaced without a word.
    """

    def __init__(self, before):
        self.before = before
        self.killed = []
        self.notices = []

    def notice(self, text):
        self.notices.append(text)

    def tick(self, tick):
        if tick.done and not self.killed:
            self.killed = sorted(_drawing() - self.before)
            for pid in self.killed:
                os.kill(pid, signal.SIGSTOP)


def _drawing():
    """Workers that this process has started: it trains here, so they draw."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children()}
    return {pid for pid, command in commands.items() if b"worker_child" in command}


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_a_run_ends_the_same_although_who_draws_is_killed(finished, tmp_path, monkeypatch):
    folder, comparison = finished
    ear, send = Saboteur(_drawing()), Worker._send

    def send_and_kill(worker, message, during):
        send(worker, message, during)
        if worker.pid in ear.killed:
            os.kill(worker.pid, signal.SIGKILL)

    monkeypatch.setattr(Worker, "_send", send_and_kill)
    again = start(replace(CONFIG, checkpoint_s=0.0), tmp_path / "run", ear)
    assert len(ear.killed) == 1
    assert any("SIGKILL" in text for text in ear.notices)
    assert again == comparison
    for policy in sorted(folder.rglob("policy.npz")):
        other = tmp_path / "run" / policy.relative_to(folder)
        assert policy.read_bytes() == other.read_bytes(), policy
