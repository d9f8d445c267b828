"""What training compiles, and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax

from reward_synth.reward.rewards import expert_reward, sparse_reward
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.population import Member, Population


def config(envs: int) -> PPOConfig:
    """Sizes that no other test has, or what it compiled would be found."""
    return PPOConfig(envs=envs, horizon=10, epochs=1, minibatches=2, hidden=(8, 8))


@contextmanager
def compilations() -> Iterator[list[str]]:
    """Names of the programs that XLA compiles meanwhile."""
    names: list[str] = []

    def listen(event: str, duration_secs: float, **about: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(str(about.get("fun_name")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_all_is_compiled_in_the_first_iteration(point_task_folder):
    task = load_task(point_task_folder)
    population = Population(task, [Member(expert_reward(task), 0)], config(6), iterations=3)
    with compilations() as first:
        population.iterate()
    assert any("improve_actor" in name for name in first)
    with compilations() as later:
        population.iterate()
        population.iterate()
    assert later == []


def test_trainings_of_any_length_share_what_is_compiled(point_task_folder):
    task = load_task(point_task_folder)
    members = [Member(expert_reward(task), 0)]
    Population(task, members, config(14), iterations=3).iterate()
    longer = Population(task, members, config(14), iterations=5)
    with compilations() as programs:
        longer.iterate()
    assert programs == []


def test_a_new_reward_compiles_itself_only(point_task_folder):
    task = load_task(point_task_folder)
    Population(task, [Member(expert_reward(task), 0)], config(10), iterations=3).iterate()
    population = Population(task, [Member(sparse_reward(task), 1)], config(10), iterations=3)
    with compilations() as programs:
        population.iterate()
    assert programs == ["jit(batched)"]
