"""One training with Stable-Baselines3's PPO, timed: on our simulations, or on Gymnasium's.

    from sb3_runner import train_sb3
    run = train_sb3("hopper", "expert", seed=0, steps=100_000, envs="native")
    run.seconds, run.policy

Needs the sb3 extra. As a program it prints the steps per second of each kind of environment:

    .venv/bin/python benchmarks/sb3_runner.py [--task hopper] [--steps 40960]
"""

import argparse
import time
from dataclasses import dataclass, replace
from typing import Literal

import gymnasium
import jax
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

import reward_synth.gym
from reward_synth.gym.resolve import resolve_reward, resolve_task
from reward_synth.reward.rewards import Reward
from reward_synth.task import Task
from reward_synth.task.models import tolerate_old_models
from reward_synth.train.config import PPOConfig
from reward_synth.train.policy import Policy
from reward_synth.train.sb3.model import make_ppo, one_thread, to_policy
from reward_synth.train.sb3.vec_env import SimVecEnv
from reward_synth.train.setup import configure_jax

# Gymnasium's own, whose model, observation and reward the tasks' experts have.
GYMNASIUM = {
    "hopper": ("Hopper-v5", {}),
    "half_cheetah": ("HalfCheetah-v5", {}),
    "ant": ("Ant-v5", {"include_cfrc_ext_in_observation": False, "contact_cost_weight": 0.0}),
    "reacher": ("Reacher-v5", {}),
    "pusher": ("Pusher-v5", {}),
}

Envs = Literal["native", "task", "gymnasium"]


@dataclass(frozen=True, slots=True)
class Run:
    """A training that is done.

    Attributes:
      steps: environment steps taken; whole iterations.
      seconds: of wall-clock time in ``learn``.
      policy: what it learned; of "gymnasium" too, where actions are scaled alike.
    """

    steps: int
    seconds: float
    policy: Policy


def train_sb3(
    task: str | Task,
    reward: str | Reward = "expert",
    *,
    seed: int = 0,
    steps: int,
    config: PPOConfig | None = None,
    envs: Envs = "native",
    threads: int = 0,
) -> Run:
    """Train one policy.

    Args:
      task, reward: as for ``gymnasium.make("reward_synth/Task-v0")``.
      seed: of everything random.
      steps: environment steps, rounded down to whole iterations.
      config: hyperparameters, the number of environments among them; ours by default.
      envs: "native" is one VecEnv of ``config.envs`` simulations on native threads; "task" as
        many single environments of ours in a DummyVecEnv; "gymnasium" Gymnasium's own in one,
        for the expert's reward.
      threads: physics threads of "native"; 0 for all cores. torch always has one.
    """
    config = config or PPOConfig()
    iterations = config.iterations(steps)
    env = _environments(resolve_task(task), reward, seed, config, envs, threads)
    with one_thread():
        model = make_ppo(env, config, iterations, seed)
        began = time.perf_counter()
        model.learn(iterations * config.batch, log_interval=None)
        seconds = time.perf_counter() - began
    env.close()
    return Run(iterations * config.batch, seconds, to_policy(model))


def _environments(
    task: Task, reward: str | Reward, seed: int, config: PPOConfig, envs: Envs, threads: int
) -> VecEnv:
    if envs == "native":
        keys = jax.random.split(jax.random.key(seed), config.envs)
        return SimVecEnv(task, resolve_reward(reward, task), keys, threads=threads)
    if envs == "task":

        def make() -> gymnasium.Env:
            return gymnasium.make(reward_synth.gym.ENV_ID, task=task, reward=reward)

    else:
        if reward != "expert" or task.name not in GYMNASIUM:
            raise SystemExit(f"Gymnasium has the expert's reward only, of {', '.join(GYMNASIUM)}.")
        name, options = GYMNASIUM[task.name]

        def make() -> gymnasium.Env:
            # Actions in [-1, 1], as ours are; the bounds of Hopper and others already are.
            with tolerate_old_models():
                env = gymnasium.make(name, **options)
            return gymnasium.wrappers.RescaleAction(env, np.float32(-1.0), np.float32(1.0))

    env = DummyVecEnv([lambda: Monitor(make())] * config.envs)
    env.seed(seed)
    return env


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", default="hopper")
    parser.add_argument("--steps", type=int, default=40_960)
    parser.add_argument("--n-envs", type=int, default=PPOConfig().envs)
    options = parser.parse_args()
    configure_jax(cache=None)
    config = replace(PPOConfig(), envs=options.n_envs)
    for envs in ("native", "task", "gymnasium"):
        train_sb3(options.task, steps=1, config=config, envs=envs)  # compiles
        run = train_sb3(options.task, steps=options.steps, config=config, envs=envs)
        print(f"{options.task:18} {envs:10} {run.steps / run.seconds:8,.0f} steps/s", flush=True)


if __name__ == "__main__":
    main()
