"""Stable-Baselines3 as a trainer: the same files, words and places; its policy as ours."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO, TD3
from stable_baselines3.common.env_checker import check_env

import reward_synth.gym
from reward_synth.errors import ConfigError
from reward_synth.records import Rejection
from reward_synth.reward.rewards import Reward, expert_reward, sparse_reward
from reward_synth.reward.transforms import transformed
from reward_synth.reward.transforms.caps import Caps
from reward_synth.rollout.episodes import evaluate
from reward_synth.rollout.explore import explore
from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import bundled_tasks, load_task
from reward_synth.train import sb3
from reward_synth.train.collect import reset_keys
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train as train_with_jax
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member
from reward_synth.train.sb3.job import train
from reward_synth.train.sb3.model import make_ppo, to_policy
from reward_synth.train.sb3.vec_env import SimVecEnv

CONFIG = PPOConfig(envs=8, horizon=16, epochs=2, minibatches=2, hidden=(16, 16))
STEPS = CONFIG.batch * 4


@pytest.fixture(scope="module")
def task(point_task_folder: Path):
    return load_task(point_task_folder)


def keys(n: int, seed: int = 0) -> jax.Array:
    return jax.random.split(jax.random.key(seed), n)


def run(task: Any, members: list[Member], folder: Path, **options: Any) -> list[Any]:
    folders = [folder / str(k) for k in range(len(members))]
    options = {"checkpoint": folder / "checkpoint", "config": CONFIG} | options
    return train(task, members, folders, steps=STEPS, **options)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", bundled_tasks())
def test_every_task_passes_their_check(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(reward_synth.gym.ENV_ID, task=name).unwrapped)


def test_the_converted_policy_acts_as_theirs(task) -> None:
    config = replace(CONFIG, hidden=(24, 16, 8), log_std=-0.5)
    model = make_ppo(SimVecEnv(task, expert_reward(task), keys(8)), config, 4, seed=3)
    model.learn(4 * config.batch, log_interval=None)
    policy, normalize = to_policy(model), model.get_vec_normalize_env()
    observation = np.random.default_rng(0).normal(0.0, 3.0, (200, 2)).astype(np.float32)
    theirs, _ = model.predict(normalize.normalize_obs(observation), deterministic=True)
    ours = np.asarray(policy.act(jnp.asarray(observation)))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert (np.abs(theirs) < 1.0).any()  # not clipped everywhere
    assert float(policy.observations.count) == pytest.approx(4 * config.batch + 8, rel=1e-3)
    values = model.policy.predict_values(torch.as_tensor(normalize.normalize_obs(observation)))
    from reward_synth.train import networks

    mine = networks.value(policy.network, policy.observations.normalize(jnp.asarray(observation)))
    np.testing.assert_allclose(mine, values.detach().numpy()[:, 0], atol=1e-5)


def test_hyperparameters_are_translated(task) -> None:
    config = PPOConfig(
        envs=4, horizon=32, epochs=3, minibatches=4, learning_rate=2e-3, discount=0.9,
        smoothing=0.8, clip=0.3, value_coefficient=0.6, entropy_coefficient=0.01,
        max_gradient_norm=0.7, hidden=(8, 4), log_std=-1.0,
    )  # fmt: skip
    model = make_ppo(SimVecEnv(task, expert_reward(task), keys(4)), config, 10, seed=0)
    assert (model.n_steps, model.batch_size, model.n_epochs) == (32, 32, 3)
    assert (model.gamma, model.gae_lambda, model.ent_coef) == (0.9, 0.8, 0.01)
    assert (model.vf_coef, model.max_grad_norm) == (0.3, 0.7)
    assert (model.clip_range(1.0), model.clip_range_vf) == (0.3, None)
    # remaining is that after the iteration's steps; ours anneals within iterations
    rates = [model.lr_schedule(1 - (i + 1) / 10) for i in range(10)]
    np.testing.assert_allclose(rates, [2e-3 * (1 - (i + 0.5) / 10) for i in range(10)])
    assert model.get_vec_normalize_env().gamma == 0.9
    assert model.policy.optimizer.defaults["eps"] == 1e-5
    np.testing.assert_allclose(model.policy.log_std.detach(), -1.0)
    network = to_policy(model).network
    assert [layer.weight.shape for layer in network.actor] == [(2, 8), (8, 4), (4, 1)]
    assert [layer.weight.shape for layer in network.critic] == [(2, 8), (8, 4), (4, 1)]
    for layer, gain in zip(network.actor, (2**0.5, 2**0.5, 0.01), strict=True):
        singular = np.linalg.svd(layer.weight, compute_uv=False)
        np.testing.assert_allclose(singular, gain, rtol=1e-4)


def test_ends_are_as_they_look_for_them(task) -> None:
    env = SimVecEnv(task, expert_reward(task), keys(4))
    env.reset()
    for t in range(1, 21):
        action = np.zeros((4, 1), np.float32)
        if t == 20:  # the last step of an episode; one of them ends beyond the rail's end
            env._backend.qpos[2] = 5.0
        observation, _, done, infos = env.step(action)
        assert done.all() == (t == 20)
    assert [info["TimeLimit.truncated"] for info in infos] == [True, True, False, True]
    assert infos[2]["terminal_observation"][0] == pytest.approx(5.0, abs=0.1)
    assert abs(observation[2, 0]) <= 0.5  # the new episode's start
    assert not any(env.step(action)[3])


def test_same_initial_states_as_our_trainer(task) -> None:
    member = Member(expert_reward(task), 11)
    stream = reset_keys([member.seed], 8)
    backend = CpuBackend(task, stream)
    np.testing.assert_array_equal(
        SimVecEnv(task, member.reward, stream).reset()[:, 0], backend.reset()[:, 0]
    )


def test_same_files_and_keys_as_our_trainer(task, tmp_path: Path) -> None:
    members = [Member(expert_reward(task), 0), Member(sparse_reward(task), 1)]
    heard = []
    policies = run(
        task, members, tmp_path / "sb3", on_iteration=lambda d, p: heard.append((d, list(p)))
    )
    assert all(isinstance(policy, Policy) for policy in policies)
    assert [done for done, _ in heard] == [CONFIG.batch * i for i in range(1, 9)]
    assert [[p is not None for p in ps] for _, ps in heard] == [[True, False]] * 4 + [
        [False, True]
    ] * 4
    folders = [tmp_path / "jax" / k for k in "01"]
    train_with_jax(task, members, folders, CONFIG, STEPS, checkpoint=tmp_path / "c.npz")
    assert files(tmp_path / "sb3").keys() == files(tmp_path / "jax").keys()
    for k in "01":
        theirs, ours = (
            [json.loads(s) for s in (tmp_path / t / k / "metrics.jsonl").read_text().splitlines()]
            for t in ("sb3", "jax")
        )
        assert [line["steps"] for line in theirs] == [line["steps"] for line in ours]
        for a, b in zip(theirs, ours, strict=True):
            assert a.keys() == b.keys()
            assert a["terms"].keys() == b["terms"].keys()
            assert a["ends"].keys() == b["ends"].keys()
        # the same starts, and episodes of 20 steps: as many ends
        assert sum(a["episodes"] for a in theirs) == sum(b["episodes"] for b in ours)
        assert theirs[0]["entropy"] == pytest.approx(ours[0]["entropy"], abs=0.05)
    loaded = Policy.load(tmp_path / "sb3" / "0" / "policy.npz")
    (rollouts,) = evaluate(task, [loaded], [members[0].reward], [5], 3)
    assert np.isfinite(rollouts.episode_fitness).all()


def test_killed_it_goes_on_at_the_member_and_ends_the_same(task, tmp_path: Path) -> None:
    def bad(state, action, next_state, weights):
        return next_state[:, 0] * jnp.nan, next_state[:, :1] * jnp.nan

    dropped = Reward(("only",), np.zeros(0, np.float32), jax.jit(bad))
    members = [
        Member(dropped, 2),
        Member(expert_reward(task), 0),
        Member(expert_reward(task), 1),
    ]
    whole = run(task, members, tmp_path / "whole")
    trained: list[int] = []

    class PulledPlugError(Exception):
        pass

    def pull_plug(done: int, progress: Any) -> None:
        trained.append([p is not None for p in progress].index(True))
        if len(trained) == 6:
            raise PulledPlugError

    with pytest.raises(PulledPlugError):
        run(task, members, tmp_path / "cut", on_iteration=pull_plug)
    assert trained == [1, 1, 1, 1, 2, 2]
    again = run(task, members, tmp_path / "cut", on_iteration=pull_plug)
    assert trained[6:] == [2, 2, 2, 2]
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    assert isinstance(again[0], Rejection)
    assert again[0] == whole[0]
    for one, other in zip(jax.tree.leaves(again[1:]), jax.tree.leaves(whole[1:]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "function",
    [
        lambda s, a, n, w: n[:, 0] / jnp.zeros(()),
        lambda s, a, n, w: n[:, 0] * 1e30,
        lambda s, a, n, w: jnp.where(n[:, 0] > 0.0, jnp.nan, 1.0),
    ],
)
def test_a_bad_reward_is_dropped_with_the_words_of_our_trainer(
    task, tmp_path: Path, function: Any
) -> None:
    def batched(state, action, next_state, weights):
        values = function(state, action, next_state, weights)
        return values, values[:, None]

    members = [Member(Reward(("only",), np.zeros(0, np.float32), jax.jit(batched)), 0)]
    (theirs,) = run(task, members, tmp_path / "sb3")
    (ours,) = train_with_jax(
        task, members, [tmp_path / "0"], CONFIG, STEPS, checkpoint=tmp_path / "c.npz"
    )
    assert isinstance(theirs, Rejection)
    assert isinstance(ours, Rejection)
    numberless = [
        " ".join(word for word in r.reason.split() if "e+" not in word) for r in (theirs, ours)
    ]
    assert numberless[0] == numberless[1]


def test_a_policy_that_diverges_is_dropped_in_words(task, tmp_path: Path) -> None:
    members = [Member(expert_reward(task), 0)]
    (dropped,) = run(task, members, tmp_path, config=replace(CONFIG, learning_rate=1e30))
    assert isinstance(dropped, Rejection)
    assert "infinite or NaN" in dropped.reason
    assert not (tmp_path / "0" / "policy.npz").exists()


def test_it_learns(task, tmp_path: Path) -> None:
    config = PPOConfig(envs=8, horizon=32, epochs=4, minibatches=4, hidden=(32, 32))
    reward = expert_reward(task)
    members = [Member(reward, 0)]
    options = {"config": config, "checkpoint": tmp_path / "c"}
    (policy,) = train(task, members, [tmp_path / "0"], steps=config.batch * 30, **options)
    untrained = to_policy(make_ppo(SimVecEnv(task, reward, keys(8)), config, 1, seed=0))
    after, before = evaluate(task, [policy, untrained], [reward] * 2, [7, 7], 10)
    assert after.episode_fitness.mean() > before.episode_fitness.mean() + 0.2


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reward_synth.train.sb3.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'reward-synth\[sb3\]'"):
        sb3.require()


@pytest.mark.parametrize("algorithm", [PPO, TD3])
def test_their_other_algorithms_train_through_gymnasium(
    algorithm: Any, point_task_folder: Path
) -> None:
    env = gymnasium.make(reward_synth.gym.ENV_ID, task=point_task_folder)
    options = {"n_steps": 32, "batch_size": 32} if algorithm is PPO else {"learning_starts": 32}
    model = algorithm("MlpPolicy", env, device="cpu", **options)
    model.learn(64)
    assert model.num_timesteps == 64


@pytest.mark.parametrize("transform", ["par", "carl"])
def test_transformed_rewards_are_trained_on_as_any(task, tmp_path: Path, transform: str) -> None:
    reward = transformed(expert_reward(task), transform, explore(task, 0, 8, 32), 0)
    (policy,) = run(task, [Member(reward, 0)], tmp_path)
    assert isinstance(policy, Policy)
    metrics = (tmp_path / "0" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in metrics.splitlines()]
    returns = [line["episode_return"] for line in lines if line["episodes"]]
    assert returns
    assert all(0.0 < value < 20.0 for value in returns)  # 20 steps, 0 to 1 each
    assert all(line["terms"]["near"] < 0.0 for line in lines)  # as it was written


def test_caps_are_refused_and_not_ignored(task, tmp_path: Path) -> None:
    caps = Caps(limits=np.zeros(2), spans=np.ones(2))
    with pytest.raises(ConfigError, match="use trainer=jax"):
        run(task, [Member(expert_reward(task), 0, caps)], tmp_path)
