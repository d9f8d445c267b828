"""Our hyperparameters as Stable-Baselines3's PPO takes them, and its policy as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from reward_synth.train.config import PPOConfig
from reward_synth.train.networks import Layer, Network
from reward_synth.train.normalize import RunningStatistics
from reward_synth.train.policy import Policy


def make_ppo(env: VecEnv, config: PPOConfig, iterations: int, seed: int) -> PPO:
    """Return Stable-Baselines3's PPO with a config's hyperparameters, ready for ``learn``.

    Two numbers are not taken over as they stand. Our value loss is half of the mean square,
    Stable-Baselines3's all of it, so the coefficient is halved. And it takes one learning rate
    for all of an iteration's gradient steps, that of the iteration's end, which is zero in
    the last; here it is that of the iteration's middle, the mean of ours.

    Args:
      env: of ``config.envs`` environments; observations and rewards are normalised here.
      config: hyperparameters.
      iterations: updates that the learning rate is annealed over.
      seed: of the initial parameters, actions and shuffling; also seeds Python's, NumPy's and
        torch's global generators, as Stable-Baselines3 does.
    """

    def learning_rate(remaining: float) -> float:
        return config.learning_rate * (remaining + 0.5 / iterations)

    hidden = list(config.hidden)
    return PPO(
        "MlpPolicy",
        VecNormalize(env, gamma=config.discount, clip_obs=10.0, clip_reward=10.0),
        learning_rate=learning_rate,
        n_steps=config.horizon,
        batch_size=config.batch // config.minibatches,
        n_epochs=config.epochs,
        gamma=config.discount,
        gae_lambda=config.smoothing,
        clip_range=config.clip,
        clip_range_vf=None,
        normalize_advantage=True,
        ent_coef=config.entropy_coefficient,
        vf_coef=config.value_coefficient / 2,
        max_grad_norm=config.max_gradient_norm,
        policy_kwargs={
            "net_arch": {"pi": hidden, "vf": hidden},
            "activation_fn": torch.nn.Tanh,
            "ortho_init": True,
            "log_std_init": config.log_std,
        },
        seed=seed,
        device="cpu",
    )


def to_policy(model: PPO) -> Policy:
    """Return the policy of a model from ``make_ppo``: its network and observation statistics."""
    policy, normalize = model.policy, model.get_vec_normalize_env()
    assert normalize is not None
    statistics = normalize.obs_rms
    return Policy(
        Network(
            actor=_layers(policy.mlp_extractor.policy_net, policy.action_net),
            critic=_layers(policy.mlp_extractor.value_net, policy.value_net),
            log_std=_array(policy.log_std),
        ),
        RunningStatistics(
            *(
                jnp.asarray(value, jnp.float32)
                for value in (statistics.mean, statistics.var, statistics.count)
            )
        ),
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: networks this small are faster on it, and physics has the rest."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _layers(hidden: Any, last: Any) -> tuple[Layer, ...]:  # noqa: ANN401 (torch modules)
    linear = [module for module in hidden if isinstance(module, torch.nn.Linear)]
    return tuple(Layer(_array(m.weight).T, _array(m.bias)) for m in (*linear, last))


def _array(tensor: torch.Tensor) -> jnp.ndarray:
    return jnp.asarray(tensor.detach().numpy().copy())
