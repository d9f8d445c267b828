"""A task as a Gymnasium environment: the interface, seeds, ends, and where rewards come from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import reward_synth.gym
from reward_synth.errors import ConfigError, RewardSynthError, TaskError
from reward_synth.gym.env import TaskEnv
from reward_synth.records import TracedReward
from reward_synth.reward.parse import parse_source
from reward_synth.reward.rewards import expert_reward, sparse_reward
from reward_synth.reward.sandbox import Sandbox
from reward_synth.task import bundled_tasks, load_task

PROGRAM = '''"""Be near."""

WEIGHTS = {"near": 2.0, "effort": 0.5}


def reward(state, action, next_state, w):
    terms = {
        "near": -w["near"] * jnp.abs(next_state.position - 1.0),
        "effort": -w["effort"] * jnp.sum(action**2),
    }
    return sum(terms.values()), terms
'''


@pytest.fixture(scope="module")
def task(point_task_folder: Path):
    return load_task(point_task_folder)


def make(**options: Any) -> TaskEnv:
    return gymnasium.make(reward_synth.gym.ENV_ID, **options).unwrapped  # type: ignore[return-value]


# Bounds on observations are not known: MuJoCo's environments have none either.
@pytest.mark.filterwarnings("ignore:.*A Box observation space m.* value is -?infinity")
@pytest.mark.parametrize("name", bundled_tasks())
def test_every_task_is_a_gymnasium_environment(name: str) -> None:
    check_env(make(task=name), skip_render_check=True)


def test_the_module_in_the_id_registers_without_jax_or_mujoco() -> None:
    code = (
        "import sys, gymnasium, reward_synth.gym; heavy = {'jax', 'mujoco'} & set(sys.modules); "
        "gymnasium.spec('reward_synth/Task-v0'); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert gymnasium.make("reward_synth.gym:reward_synth/Task-v0", task="reacher").spec


def test_a_seed_gives_the_same_episodes_and_another_seed_others(task) -> None:
    env, other = make(task=task), make(task=task)
    firsts = [env.reset(seed=5)[0], *(env.reset()[0] for _ in range(20))]
    again = [other.reset(seed=5)[0], *(other.reset()[0] for _ in range(20))]
    np.testing.assert_array_equal(firsts, again)
    assert len({tuple(first) for first in firsts}) == 21
    assert not np.array_equal(env.reset(seed=6)[0], firsts[0])
    huge = 2**80  # as Gymnasium draws them itself
    np.testing.assert_array_equal(env.reset(seed=huge)[0], other.reset(seed=huge)[0])


def test_unseeded_environments_differ(task) -> None:
    assert not np.array_equal(make(task=task).reset()[0], make(task=task).reset()[0])


def test_numbers_of_a_step(task) -> None:
    env = make(task=task)
    before, info = env.reset(seed=0)
    assert info == {}
    observation, reward, terminated, truncated, info = env.step(np.array([3.0]))
    # Semi-implicit Euler, 2 x 0.05 s: force 1 (cut off; ctrlrange +-2 makes it 2 N) on 1 kg.
    speed = before[1] + 0.1 * 2.0
    position = before[0] + 0.05 * ((before[1] + 0.1) + speed)
    np.testing.assert_allclose(observation, [position, speed], rtol=1e-5)
    near, effort = -abs(position - 1.0), -0.01
    assert reward == pytest.approx(near + effort, rel=1e-5)
    assert info["reward_terms"] == pytest.approx({"near": near, "effort": effort}, rel=1e-5)
    assert info["fitness"] == pytest.approx(near / 20, rel=1e-5)
    assert (info["success"], info["diverged"]) == (False, False)
    assert (terminated, truncated) == (False, False)


def test_the_time_limit_truncates_once(task) -> None:
    env = gymnasium.make(reward_synth.gym.ENV_ID, task=task)
    assert "TimeLimit" not in str(env)
    env.reset(seed=0)
    ends = [env.step(np.zeros(1, np.float32))[2:4] for _ in range(20)]
    assert ends[-1] == (False, True)
    assert not any(terminated or truncated for terminated, truncated in ends[:-1])


def test_termination_is_not_truncation_even_in_the_last_step(task) -> None:
    env = make(task=task)
    env.reset(seed=0)
    for _ in range(19):
        env.step(np.zeros(1, np.float32))
    assert env._backend is not None
    env._backend.qpos[0] = 5.0
    assert env.step(np.zeros(1, np.float32))[2:4] == (True, False)


def test_divergence_truncates_and_says_so(task) -> None:
    env = make(task=task)
    env.reset(seed=0)
    observation, _, terminated, truncated, info = env.step(np.array([np.nan]))
    assert (terminated, truncated, info["diverged"]) == (False, True, True)
    assert np.isfinite(observation).all()
    env.reset()
    assert not env.step(np.zeros(1))[4]["diverged"]


def test_a_reward_by_any_of_its_names(task, tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(PROGRAM)
    program = parse_source(PROGRAM)
    with Sandbox.start() as sandbox:
        traced = sandbox.trace(program, task.description)  # type: ignore[arg-type]
    assert isinstance(traced, TracedReward)
    candidate = tmp_path / "cand_00"
    candidate.mkdir()
    (candidate / "reward.py").write_text(PROGRAM + "\nraise SystemExit('this never runs')\n")
    (candidate / "reward.arrays.json").write_bytes(traced.arrays)
    (candidate / "metrics.jsonl").write_text('{"terms": {"near": 0.0, "effort": 0.0}}\n')

    def after_a_step(reward: Any) -> tuple[float, dict[str, float]]:
        env = make(task=task, reward=reward)
        env.reset(seed=1)
        _, value, _, _, info = env.step(np.array([1.0]))
        return value, info["reward_terms"]

    total, terms = after_a_step(path)
    expert, expert_terms = after_a_step("expert")
    assert terms["near"] == pytest.approx(2 * expert_terms["near"])
    assert terms["effort"] == pytest.approx(-0.5)
    assert total == pytest.approx(sum(terms.values()))
    assert after_a_step(candidate) == (total, terms)
    assert after_a_step(str(path)) == (total, terms)
    assert after_a_step(expert_reward(task)) == (expert, expert_terms)
    assert after_a_step("sparse") == after_a_step(sparse_reward(task)) == (0.0, {"success": 0.0})
    with pytest.raises(ConfigError, match="is no reward for reacher: "):
        make(task="reacher", reward=candidate)
    path.write_text(PROGRAM.replace('"near": 2.0', '"near": 3.0'))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert after_a_step(path)[1]["near"] == pytest.approx(3 * expert_terms["near"])


def test_environments_of_a_folder_share_what_is_compiled(tmp_path: Path, task) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(task.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    one, other = make(task=folder), make(task=str(folder))
    assert one.task is other.task
    assert one.reward is other.reward
    (folder / "task.md").write_text("# Copy\n\nGo left.\n")
    os.utime(folder / "task.md", ns=(0, time.time_ns() + 10**9))
    assert make(task=folder).task.description.sentence == "Go left."


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"task": "hoper"}, TaskError, "Did you mean 'hopper'?"),
        ({"task": "reacher", "reward": "experts"}, ConfigError, "Did you mean 'expert'?"),
        ({"task": "reacher", "reward": "."}, ConfigError, "has no reward.py"),
        ({"task": "reacher", "reward": "bad.py"}, ConfigError, "no field 'speed'"),
        ({"task": "reacher", "reward": "no.py"}, ConfigError, "reward(state, action, next_state"),
    ],
)
def test_mistakes_are_in_words(
    options: dict[str, str],
    error: type[RewardSynthError],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.py").write_text(PROGRAM.replace("next_state.position", "next_state.speed"))
    Path("no.py").write_text("x = 1\n")
    with pytest.raises(error, match=words.replace("(", r"\(").replace("?", r"\?")):
        make(**options)


def test_step_before_reset_says_so(task) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        make(task=task).step(np.zeros(1))


PICTURES = """
import gymnasium, reward_synth.gym
from reward_synth.errors import RewardSynthError
options = {"task": "hopper", "render_mode": "rgb_array", "width": 64, "height": 48}
env = gymnasium.make("reward_synth/Task-v0", **options)
env.reset(seed=0)
envs = gymnasium.make_vec("reward_synth/Task-v0", num_envs=2, **options)
envs.reset(seed=0)
try:
    first = env.render().copy()
except RewardSynthError as error:
    print(error)
    raise SystemExit(7)
for _ in range(30):
    _, _, over, _, _ = env.step([1, 1, 1])
second = env.render()
assert first.shape == second.shape == (48, 64, 3) and first.dtype == "uint8"
assert (first != second).mean() > 0.01
assert (envs.render()[0] == first).all() and len(envs.render()) == 2
env.close(); env.close(); envs.close()
"""


def draws(gl: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PICTURES],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MUJOCO_GL": gl},
    )


def test_pictures() -> None:
    done = draws("egl")
    if done.returncode == 7:
        assert "libegl1" in done.stdout  # EGL is optional
    else:
        assert done.returncode == 0, done.stderr


def test_without_gl_the_error_names_the_remedy() -> None:
    done = draws("off")
    assert done.returncode == 7, done.stderr
    assert "libegl1" in done.stdout
    assert "MUJOCO_GL=egl" in done.stdout
