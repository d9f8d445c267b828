"""Five of the bundled tasks are gymnasium's, to the last digit that can be compared.

After ``mj_step`` gymnasium reads positions of bodies that MuJoCo computed before the last
of its physics steps, so that what it derives from them (Reacher's and Pusher's vectors,
Ant's forward velocity) is one physics step late. Ours are those of the state itself. So
gymnasium's own functions are evaluated here after ``mj_forward`` on a copy of its MjData,
which leaves its simulation undisturbed; ``test_what_gymnasium_reads_late`` shows that
nothing else differs.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import jax
import mujoco
import numpy as np
import pytest
import scipy.stats

from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import load_task
from reward_synth.task.task import Task

STEPS = 200


@dataclass(frozen=True)
class Case:
    """Gymnasium's environment, and what it reads late: observation entries and reward terms."""

    id: str
    options: tuple[tuple[str, Any], ...] = ()
    late_entries: tuple[int, ...] = ()
    late_terms: tuple[str, ...] = ()


CASES = {
    "hopper": Case("Hopper-v5"),
    "half_cheetah": Case("HalfCheetah-v5"),
    "ant": Case(
        "Ant-v5",
        (("include_cfrc_ext_in_observation", False), ("contact_cost_weight", 0.0)),
        late_terms=("forward",),
    ),
    "reacher": Case("Reacher-v5", late_entries=(8, 9), late_terms=("dist",)),
    "pusher": Case("Pusher-v5", late_entries=(14, 15, 16, 17, 18), late_terms=("near", "dist")),
}
every_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(autouse=True)
def double_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)  # gymnasium's models make MuJoCo write a log file
    with jax.enable_x64(True):
        yield


def make(name: str) -> Any:
    """Gymnasium's environment without wrappers."""
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*deprecated.*", category=UserWarning)
        return gymnasium.make(case.id, **dict(case.options)).unwrapped


def put(env: Any, qpos: np.ndarray, qvel: np.ndarray) -> None:
    """Start gymnasium's environment from a state, as its own reset does."""
    mujoco.mj_resetData(env.model, env.data)
    env.set_state(qpos, qvel)


@contextmanager
def refreshed(env: Any) -> Iterator[None]:
    """Let gymnasium's functions read a copy of its MjData in which everything is current."""
    original = env.data
    env.data = copy.copy(original)
    mujoco.mj_forward(env.model, env.data)
    yield
    env.data = original


def torso_x(env: Any) -> float:
    return env.data.body(1).xpos[0].copy()


def gymnasium_reward(env: Any, before: float, control: np.ndarray) -> tuple[float, dict[str, Any]]:
    """Gymnasium's reward and its terms, with names as in ours."""
    if "x_velocity" in inspect.signature(env._get_rew).parameters:
        reward, terms = env._get_rew((torso_x(env) - before) / env.dt, control)
    else:
        reward, terms = env._get_rew(control)
    return reward, named(terms)


def named(info: dict[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix("reward_"): value
        for name, value in info.items()
        if name.startswith("reward_") and name != "reward_contact"
    }


class Ours:
    """One simulation of our task in double precision."""

    def __init__(self, task: Task, seed: int = 0) -> None:
        self.backend = CpuBackend(
            task, jax.random.split(jax.random.key(seed), 1), threads=1, dtype=np.float64
        )
        self.state = self.backend.reset()[0].copy()
        self._evaluate = jax.jit(
            lambda state, action, after: (
                task.observe(task.view(after)),
                task.terminated(task.view(after)),
                task.expert_reward(task.view(state), action, task.view(after)),  # type: ignore
            )
        )

    def step(self, action: np.ndarray) -> tuple[np.ndarray, bool, float, dict[str, float]]:
        after = self.backend.step(action[None])[0][0].copy()
        observation, terminated, (reward, terms) = self._evaluate(self.state, action, after)
        self.state = after
        return np.asarray(observation), bool(terminated), float(reward), terms

    def reset(self) -> None:
        self.state = self.backend.reset()[0].copy()


@every_case
def test_same_observations_rewards_and_ends(name: str):
    task, env = load_task(name), make(name)
    ours = Ours(task)
    rng = np.random.default_rng(0)
    # more motion than a reset gives, so that Pusher's cylinder and Reacher's target move too
    ours.backend.qvel[0] += 0.2 * rng.normal(size=env.model.nv)
    put(env, ours.backend.qpos[0], ours.backend.qvel[0])
    ends = 0
    for _ in range(STEPS):
        action = rng.uniform(-1, 1, task.model.nu)
        control = task.action_offset + task.action_scale * action
        with refreshed(env):
            before = torso_x(env)
        _, _, terminated, _, _ = env.step(control)
        with refreshed(env):
            observation = env._get_obs()
            reward, terms = gymnasium_reward(env, before, control)
        seen, ended, rewarded, ours_terms = ours.step(action)

        np.testing.assert_array_equal(ours.backend.qpos[0], env.data.qpos)
        np.testing.assert_array_equal(ours.backend.qvel[0], env.data.qvel)
        np.testing.assert_allclose(seen, observation, rtol=0, atol=1e-9)
        np.testing.assert_allclose(rewarded, reward, rtol=0, atol=1e-6)
        assert ours_terms.keys() == terms.keys()
        for term, value in terms.items():
            np.testing.assert_allclose(ours_terms[term], value, rtol=0, atol=1e-6)
        assert ended == terminated
        if ended:
            ends += 1
            ours.reset()
            put(env, ours.backend.qpos[0], ours.backend.qvel[0])
    assert ends >= (3 if name == "hopper" else 0)


@every_case
def test_what_gymnasium_reads_late(name: str):
    """Without the refresh, gymnasium's values differ in what it derives, and in nothing else."""
    task, env, case = load_task(name), make(name), CASES[name]
    ours = Ours(task)
    rng = np.random.default_rng(1)
    put(env, ours.backend.qpos[0], ours.backend.qvel[0])
    entries, terms = set(), set()
    for _ in range(20):
        action = rng.uniform(-1, 1, task.model.nu)
        observation, _, terminated, _, info = env.step(
            task.action_offset + task.action_scale * action
        )
        seen, _, _, ours_terms = ours.step(action)
        entries |= set(np.flatnonzero(np.abs(seen - observation) > 1e-9))
        late = named(info)
        terms |= {term for term, value in ours_terms.items() if abs(value - late[term]) > 1e-9}
        if terminated:
            break
    assert entries <= set(case.late_entries)
    assert terms <= set(case.late_terms)
    assert bool(entries) == bool(case.late_entries)
    assert bool(terms) == bool(case.late_terms)


@pytest.mark.parametrize("name", ["hopper", "ant"])
def test_same_limits(name: str):
    """Termination in states around and far outside of the healthy ones."""
    task, env = load_task(name), make(name)
    terminated = jax.jit(lambda vector: task.terminated(task.view(vector)))
    ours = Ours(task)
    rng = np.random.default_rng(2)
    verdicts = []
    for i in range(200):
        qpos = env.init_qpos + rng.uniform(-1, 1, env.model.nq) * 0.3
        qvel = rng.uniform(-1, 1, env.model.nv) * (60.0 if i % 2 else 120.0)
        put(env, qpos, qvel)
        ours.backend.qpos[0], ours.backend.qvel[0] = qpos, qvel
        vector = task.layout.read(ours.backend._arrays, np.empty((1, task.layout.size)))[0]
        verdicts.append(bool(terminated(vector)))
        assert verdicts[-1] == (not env.is_healthy)
    assert 10 < sum(verdicts) < 190


@every_case
def test_same_distribution_of_initial_states(name: str):
    """Kolmogorov-Smirnov tests of each coordinate, and of Reacher's and Pusher's radius."""
    task, env = load_task(name), make(name)
    draws = 500
    env.reset(seed=0)
    starts = []
    for _ in range(draws):
        env.reset()
        starts.append(np.concatenate([env.data.qpos, env.data.qvel]))
    theirs = np.stack(starts)
    backend = CpuBackend(task, jax.random.split(jax.random.key(0), draws), threads=1)
    backend.reset()
    mine = np.concatenate([backend.qpos, backend.qvel], axis=1)

    # positions that are drawn in two dimensions at once: the target, the cylinder
    pair = {"reacher": slice(2, 4), "pusher": slice(7, 9)}.get(name, slice(0, 2))

    def with_radius(states: np.ndarray) -> np.ndarray:
        return np.column_stack([states, np.linalg.norm(states[:, pair], axis=1)])

    for a, b in zip(with_radius(theirs).T, with_radius(mine).T, strict=True):
        if np.ptp(a) == 0:
            np.testing.assert_allclose(b, a, atol=1e-9)
        else:
            assert scipy.stats.ks_2samp(a, b).pvalue > 1e-4


@every_case
def test_same_clock_and_sizes(name: str):
    task, env = load_task(name), make(name)
    assert task.description.timestep == pytest.approx(env.dt)
    assert task.description.episode_steps == gymnasium.spec(CASES[name].id).max_episode_steps
    np.testing.assert_allclose(task.action_offset + task.action_scale, env.action_space.high)
    np.testing.assert_allclose(task.action_offset - task.action_scale, env.action_space.low)
    vector = np.zeros(task.layout.size)
    assert task.observe(task.view(vector)).shape == env.observation_space.shape
