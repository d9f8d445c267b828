"""A real bundle of a robot with three joints, whose policy was never trained."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp

from reward_synth.deploy.bundle import Trained, write_bundle
from reward_synth.deploy.torch_reward import traced_expert
from reward_synth.report.card import write_card
from reward_synth.task import load_task
from reward_synth.train.networks import init_network
from reward_synth.train.normalize import RunningStatistics
from reward_synth.train.policy import Policy

# The robot's names of the hopper's joints, in its order.
ROBOT = {"knee": "leg_joint", "ankle": "foot_joint", "hip": "thigh_joint"}
PROVENANCE = {
    "run": "a test's",
    "candidate": "g00c00",
    "author": "offline",
    "training": "none",
    "steps": 1,
    "trainer": "jax",
    "transform": "none",
    "seed": 0,
    "rationale": "",
    "reward": "# the expert's\n",
    "notes": "",
}


def untrained(task_folder: str | Path) -> Trained:
    """A policy of random weights, strong enough that what it does depends on what it sees."""
    task = load_task(task_folder)
    size, actions = task.observe(task.view(jnp.zeros(task.description.state_size))).shape[0], 0
    actions = task.description.action_size
    network = init_network(jax.random.key(3), size, actions, (16, 16), 0.0)
    last = network.actor[-1]
    network = network._replace(
        actor=(*network.actor[:-1], last._replace(weight=100.0 * last.weight))
    )
    policy = Policy(network, RunningStatistics.start((size,)))
    return Trained(task, policy, traced_expert(task), PROVENANCE, {}, None)


def make_bundle(folder: Path, task_folder: str | Path = "hopper", **options) -> Path:
    """Write it; the robot has its joints in another order."""
    write_bundle(untrained(task_folder), folder, 0, write_card, **options)
    return folder
