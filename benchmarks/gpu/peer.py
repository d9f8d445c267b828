"""The other side: Brax's PPO on MuJoCo Playground, in the same sizes."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.gpu.cell import Report, peak_memory
from benchmarks.gpu.plan import PLAYGROUND, Cell, Settings
from reward_synth.task import load_task

_TIMED = 4  # stretches of training, after the first two, which compile


def train_brax(cell: Cell, settings: Settings, report: Report) -> None:
    """Train one candidate and time it."""
    _let_brax_run()
    playground = _module("mujoco_playground")
    ours = load_task(cell.task)
    name = PLAYGROUND[ours.name]
    defaults = playground.registry.get_default_config(name)
    environment = playground.registry.load(
        name, config_overrides={"impl": cell.engine, "ctrl_dt": ours.frame_skip * defaults.sim_dt}
    )
    batch = cell.envs * settings.horizon
    iterations = max(1, settings.steps // batch)
    stretch = -(-iterations // (_TIMED + 2))  # iterations that Brax runs without coming back
    ends: list[float] = []
    started = time.perf_counter()

    _module("brax.training.agents.ppo.train").train(
        environment,
        num_timesteps=stretch * (_TIMED + 2) * batch,
        num_evals=_TIMED + 3,
        run_evals=False,
        progress_fn=lambda steps, metrics: ends.append(time.perf_counter()),
        wrap_env_fn=playground.wrapper.wrap_for_brax_training,
        episode_length=defaults.episode_length,
        num_envs=cell.envs,
        unroll_length=settings.horizon,
        batch_size=cell.envs // settings.minibatches,
        num_minibatches=settings.minibatches,
        num_updates_per_batch=settings.epochs,
        learning_rate=settings.learning_rate,
        normalize_observations=True,
        network_factory=partial(
            _module("brax.training.agents.ppo.networks").make_ppo_networks,
            policy_hidden_layer_sizes=settings.hidden,
            value_hidden_layer_sizes=settings.hidden,
            activation=jax.numpy.tanh,
        ),
    )
    seconds = time.perf_counter() - started
    steady = float(statistics.median(np.diff(ends[1:]))) / stretch
    overhead = seconds - steady * stretch * (_TIMED + 2)
    report(
        playground=name,
        iteration=steady,
        compile=overhead,
        seconds_for_steps=overhead + iterations * steady,
        steps_per_second=batch / steady,
        physics_steps_per_second=ours.frame_skip * batch / steady,
        memory=peak_memory(),
        observations=environment.observation_size,
        solver={
            "iterations": int(environment.mj_model.opt.iterations),
            "line_search_iterations": int(environment.mj_model.opt.ls_iterations),
            "timestep": float(environment.mj_model.opt.timestep),
        },
    )


def _module(name: str) -> Any:
    """Import a module that type checkers need not find."""
    return importlib.import_module(name)


def _let_brax_run() -> None:
    """Give JAX 0.10 the one function that it dropped and Brax 0.14 calls.

    As JAX's guide on leaving pmap has it: a leading axis with one copy for each device.
    """
    if hasattr(jax, "device_put_replicated"):
        return

    def device_put_replicated(tree: Any, devices: Sequence[Any]) -> Any:
        mesh = jax.sharding.Mesh(np.array(devices), ("copies",))
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("copies"))
        return jax.tree.map(lambda x: jax.device_put(jnp.stack([x] * len(devices)), sharding), tree)

    jax.device_put_replicated = device_put_replicated  # pyright: ignore[reportAttributeAccessIssue]
