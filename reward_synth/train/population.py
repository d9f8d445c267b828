"""A population of candidates that train together in one batch of simulations.

Each member has its own policy, statistics, optimisers and random streams; they
share only the processor, so that a member learns what it would alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.looks.steps import Looks
from reward_synth.records import Rejection, Stage
from reward_synth.reward.rewards import Reward
from reward_synth.reward.transforms.caps import Caps
from reward_synth.task import batched
from reward_synth.task.task import Task
from reward_synth.train.collect import Collector, CpuCollector, Experience, stream
from reward_synth.train.config import PPOConfig
from reward_synth.train.memory import enough_memory, out_of_memory
from reward_synth.train.policy import Policy
from reward_synth.train.ppo import (
    Batch,
    Health,
    Learner,
    Samples,
    conclude,
    improve_actor,
    improve_critic,
    init_learner,
    learn_together,
    prepare,
    shuffle,
)
from reward_synth.train.progress import Progress, Tally, reward_problem, update_problem

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One training in the population.

    Attributes:
      reward: that is maximised.
      seed: of all its randomness.
      caps: on the reward's terms, if any.
      start: the policy that it begins with, of the same task and sizes; None for from scratch.
    """

    reward: Reward
    seed: int
    caps: Caps | None = None
    start: Policy | None = None

    def learner(self, task: Task, config: PPOConfig) -> Learner:
        """Return what it begins with; optimisers and the scale of rewards begin anew."""
        observations, actions = batched.observation_size(task), task.description.action_size
        fresh = init_learner(stream(self.seed, "learner"), config, observations, actions)
        if self.start is None:
            return fresh
        return fresh._replace(network=self.start.network, observations=self.start.observations)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A member's batch with its rewards; the learner has seen it but not yet learned from it."""

    reward: np.ndarray  # (T, N) as the program has it, before caps
    terms: np.ndarray  # (T, N, terms)
    fitness: np.ndarray  # (T, N)
    samples: Samples
    learner: Learner


@dataclass(slots=True)
class Population:
    """K members in training; ``iterate`` collects a batch for each and updates each once.

    Attributes:
      backend: what simulates, "cpu" or "mjx".
      looks: who scores pictures for the rewards that read scores; on "cpu" only.
      iteration: updates done.
      rejections: for each member, why it was dropped, or None while it is well.
      stopped: members that were left behind: they keep what they learned and learn no more.
      learners: for each member, what it has learned.
      multipliers: for each member, (terms,) of its caps; zeros while there are none.
    """

    task: Task
    members: Sequence[Member]
    config: PPOConfig
    iterations: int
    threads: int = 0
    backend: str = "cpu"
    looks: Looks | None = None
    iteration: int = field(init=False, default=0)
    rejections: list[Rejection | None] = field(init=False)
    stopped: set[int] = field(init=False, default_factory=set)
    learners: list[Learner] = field(init=False)
    multipliers: list[np.ndarray] = field(init=False)
    _collector: Collector = field(init=False)
    _tallies: list[Tally] = field(init=False)
    _workers: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        task, config = self.task, self.config
        self.rejections = [None] * len(self.members)
        self.learners = [member.learner(task, config) for member in self.members]
        self.multipliers = [np.zeros(len(member.reward.terms)) for member in self.members]
        with enough_memory(len(self.members), config.envs):
            self._collector = self._make_collector()
        self._tallies = [Tally.start(config.envs) for _ in self.members]
        self._workers = ThreadPoolExecutor(self.threads or os.cpu_count() or 1)

    def _make_collector(self) -> Collector:
        seeds = [member.seed for member in self.members]
        if self.backend == "cpu":
            watched = [k for k, member in enumerate(self.members) if member.reward.looks]
            return CpuCollector(self.task, seeds, self.config, self.threads, self.looks, watched)
        # Imported here because MJX is an extra.
        from reward_synth.train.collect_mjx import MjxCollector

        return MjxCollector(self.task, seeds, self.config)

    def iterate(self) -> list[Progress | None]:
        """Collect one batch for each member and update each; None for those that do not run."""
        with enough_memory(len(self.members), self.config.envs):
            return self._iterate()

    def _iterate(self) -> list[Progress | None]:
        policies = [Policy.of(learner) for learner in self.learners]
        experience = self._collector.collect(policies, self.iteration)
        progress: list[Progress | None] = [None] * len(self.members)
        judged: dict[int, _Judged] = {}
        for k, batch in self._side_by_side(partial(self._judge, experience), self._well()):
            if isinstance(batch, Rejection):
                self._drop(k, batch)
            else:
                judged[k] = batch
        learned = self._learn(judged)
        self.iteration += 1
        for k, (learner, health) in learned.items():
            self._drop(k, update_problem(health))
            if self.rejections[k] is None:
                self.learners[k] = learner
                progress[k] = self._progress(k, experience, judged[k], health)
                self._step_multipliers(k, judged[k].terms)
        return progress

    def _judge(self, experience: Experience, k: int) -> _Judged | Rejection:
        """Compute member k's rewards and advantages, or say why they cannot be learned from."""
        member, shape = self.members[k], experience.terminated.shape[1:]
        state, next_state, unclipped = (
            x[k].reshape(self.config.batch, -1)
            for x in (experience.state, experience.next_state, experience.action)
        )
        action, observation, next_observation, fitness = _view(
            self.task, state, unclipped, next_state
        )
        try:
            values = member.reward.function(state, action, next_state, member.reward.weights)
            reward, terms = (np.asarray(x).reshape(*shape, *x.shape[1:]) for x in values)
        except Exception as error:  # a generated reward must not end the others
            if out_of_memory(error):
                raise
            return Rejection(
                Stage.TRAIN,
                f"the reward cannot be computed ({type(error).__name__}): make it simpler.",
            )
        caps, multipliers = member.caps, self.multipliers[k]
        paid = reward if caps is None else caps.paid(reward, terms, multipliers)
        problem = reward_problem(paid, terms, member.reward.terms)
        if problem is not None:
            return problem
        if experience.disturbance is not None:  # what was acted on is what is learned from
            observation = observation + experience.disturbance[k].reshape(observation.shape)
        batch = Batch(
            observation=observation.reshape(*shape, -1),
            next_observation=next_observation.reshape(*shape, -1),
            action=jnp.asarray(experience.action[k]),
            reward=jnp.asarray(paid),
            terminated=jnp.asarray(experience.terminated[k]),
            truncated=jnp.asarray(experience.truncated[k]),
        )
        samples, learner = prepare(self.learners[k], batch, self.config)
        return _Judged(
            reward=reward,
            terms=terms,
            fitness=np.asarray(fitness).reshape(shape),
            samples=samples,
            learner=learner,
        )

    def _learn(self, judged: dict[int, _Judged]) -> dict[int, tuple[Learner, Health]]:
        """Improve the policies and value functions of all members that are well."""
        if _accelerated():
            return self._learn_together(judged)
        config, iterations = self.config, jnp.asarray(self.iterations)
        orders = {
            k: jnp.asarray(shuffle(self.members[k].seed, self.iteration, config)) for k in judged
        }

        def improve(half: tuple[Callable[..., Any], int]) -> Any:  # noqa: ANN401
            function, k = half
            batch = judged[k]
            return jax.block_until_ready(
                function(batch.learner, batch.samples, orders[k], config, iterations)
            )

        halves = [(function, k) for function in (improve_actor, improve_critic) for k in orders]
        done = dict(self._side_by_side(improve, halves))
        return {
            k: conclude(
                judged[k].learner,
                judged[k].samples,
                done[improve_actor, k],
                done[improve_critic, k],
            )
            for k in orders
        }

    def _learn_together(self, judged: dict[int, _Judged]) -> dict[int, tuple[Learner, Health]]:
        """Do what ``_learn`` does, as one computation, whose shape no drop-out changes."""
        well = list(judged)
        if not well:
            return {}
        filled = well + [well[0]] * (len(self.members) - len(well))
        keys = [stream(self.members[k].seed, "shuffle") for k in filled]
        learned = learn_together(
            tuple(judged[k].learner for k in filled),
            tuple(judged[k].samples for k in filled),
            jax.vmap(jax.random.fold_in, (0, None))(jnp.stack(keys), self.iteration),
            self.config,
            jnp.asarray(self.iterations),
        )
        return dict(zip(well, learned, strict=False))

    def _side_by_side(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """Apply a function to each item, as many at a time as there are cores.

        JAX runs one computation at a time for each thread that asks: members that are to
        share the cores need threads of ours.
        """
        return zip(items, self._workers.map(function, items), strict=True)

    def _well(self) -> list[int]:
        well = (k for k, rejection in enumerate(self.rejections) if rejection is None)
        return [k for k in well if k not in self.stopped]

    @property
    def running(self) -> bool:
        """Whether any member still learns."""
        return bool(self._well())

    def stop(self, k: int) -> None:
        """Leave a member behind, as it is."""
        if k not in self.stopped:
            self.stopped.add(k)
            self._collector.retire(k)

    def _drop(self, k: int, rejection: Rejection | None) -> None:
        if rejection is not None:
            self.rejections[k] = rejection
            self._collector.retire(k)

    def _step_multipliers(self, k: int, terms: np.ndarray) -> None:
        caps = self.members[k].caps
        if caps is not None:
            self.multipliers[k] = caps.step(self.multipliers[k], terms.mean((0, 1)))

    def _progress(
        self, k: int, experience: Experience, judged: _Judged, health: Health
    ) -> Progress:
        member = self.members[k]
        progress = self._tallies[k].progress(
            steps=self.iteration * self.config.batch,
            reward=judged.reward,
            terms=judged.terms,
            names=member.reward.terms,
            fitness=judged.fitness,
            terminated=np.asarray(experience.terminated[k]),
            truncated=np.asarray(experience.truncated[k]),
            diverged=np.asarray(experience.diverged[k]),
            length=np.asarray(experience.length[k]),
            health=health,
        )
        if member.caps is None:
            return progress
        named = member.caps.named(member.reward.terms, self.multipliers[k])
        return replace(progress, multipliers=named)

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return everything needed to continue bit-identically with ``restore``."""
        leaves = jax.tree.leaves(self.learners)
        arrays = {f"learner_{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        saved = self._collector.checkpoint()
        arrays |= {f"collector_{name}": value for name, value in saved.items()}
        arrays["tallies"] = np.array([(t.fitness, t.reward) for t in self._tallies])
        arrays |= {f"multipliers_{k}": x for k, x in enumerate(self.multipliers)}
        arrays["iteration"] = np.array(self.iteration)
        arrays["rejections"] = np.array([r.reason if r else "" for r in self.rejections])
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Continue from ``checkpoint``'s arrays, made with the same task, members and config."""
        leaves, tree = jax.tree.flatten(self.learners)
        restored = [jnp.asarray(arrays[f"learner_{i}"]) for i in range(len(leaves))]
        self.learners = jax.tree.unflatten(tree, restored)
        prefix = "collector_"
        self._collector.restore(
            {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}
        )
        for tally, (fitness, reward) in zip(self._tallies, arrays["tallies"], strict=True):
            tally.fitness[:], tally.reward[:] = fitness, reward
        self.multipliers = [arrays[f"multipliers_{k}"] for k in range(len(self.members))]
        self.iteration = int(arrays["iteration"])
        for k, reason in enumerate(arrays["rejections"]):
            self._drop(k, Rejection(Stage.TRAIN, str(reason)) if reason else None)


def _accelerated() -> bool:
    """Whether JAX computes on something that many small computations keep waiting."""
    return jax.default_backend() != "cpu"


@partial(jax.jit, static_argnums=0)
def _view(
    task: Task, state: jax.Array, unclipped: jax.Array, next_state: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Return the clipped actions, both states' observations and each step's fitness."""
    action = jnp.clip(unclipped, -1.0, 1.0)
    fitness = batched.fitness(task, state, action, next_state)
    return action, batched.observe(task, state), batched.observe(task, next_state), fitness
