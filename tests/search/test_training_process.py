"""The real trainer in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace

import pytest

from reward_synth.errors import TaskError
from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context
from reward_synth.reward.sandbox import Sandbox
from reward_synth.search.failure import WorkerError
from reward_synth.search.proposals import propose_generation
from reward_synth.search.rungs import Ladder
from reward_synth.search.training_process import LOG, make_trainer, training_for
from reward_synth.task import load_task
from tests.search.test_loop import config  # noqa: F401 (a fixture)

PATIENT_S = 600.0


@pytest.fixture(scope="module")
def proposed(config, tmp_path_factory):  # noqa: F811
    """A run folder with a generation that is traced and not yet trained."""
    folder = tmp_path_factory.mktemp("proposed")
    context = Context(load_task(config.task).description, 0, 0)
    with Sandbox.start() as sandbox:
        candidates = propose_generation(
            OfflineProposer(), sandbox, context, [Brief(Operator.INITIAL)] * 2, 0, folder
        )
    return folder, candidates


@pytest.fixture(scope="module")
def trained_here(config, proposed):  # noqa: F811
    """What a trainer in this process makes of it: candidates, progress, policies."""
    folder, candidates = proposed
    heard = []
    trainer = make_trainer(config, folder, None, lambda done, _: heard.append(done))
    done, _ = trainer.generation(candidates, Ladder(), "gen_00/checkpoint.npz")
    return done, heard, policies(folder, done)


def policies(folder, candidates):
    return [(folder / c.folder / "policy.npz").read_bytes() for c in candidates]


def test_it_trains_there_as_it_does_here_even_if_it_is_killed(
    config,  # noqa: F811
    proposed,
    trained_here,
):
    folder, candidates = proposed
    heard, killed = [], []

    def listen(done, _):
        heard.append(done)
        if not killed:
            killed.append(done)
            (child,) = children()
            os.kill(child, signal.SIGKILL)

    there = replace(config, isolate=True, stall_s=PATIENT_S)
    with training_for(there, folder, listen) as training:
        assert training.facts().description == load_task(config.task).description
        with pytest.raises(WorkerError, match="SIGKILL") as info:
            training.generation(candidates, Ladder(), "gen_00/checkpoint.npz")
        assert info.value.failure.during == "generation"
        heard.clear()  # of what was on its way when it was killed
        done, _ = training.generation(candidates, Ladder(), "gen_00/checkpoint.npz")
    expected, told, learned = trained_here
    assert (done, policies(folder, done)) == (expected, learned)
    assert heard == told[len(told) - len(heard) :]  # from the last checkpoint on
    assert (folder / LOG).is_file()


def children():
    """The processes that lead a group of their own and were started by this one."""
    listed = subprocess.check_output(["ps", "-eo", "pid=,ppid=,pgid="], text=True)
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return [pid for pid, parent, group in rows if parent == os.getpid() and pid == group]


def test_a_task_that_is_not_there(config, tmp_path):  # noqa: F811
    wrong = replace(config, task=str(tmp_path / "nowhere"), isolate=True, stall_s=PATIENT_S)
    with (
        training_for(wrong, tmp_path / "run", lambda *_: None) as training,
        pytest.raises(TaskError, match="nowhere"),
    ):
        training.facts()
