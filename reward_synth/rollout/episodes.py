"""Held-out episodes of trained policies: what happened, step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.files import atomic_write, save_arrays
from reward_synth.looks.steps import Looks, Watched
from reward_synth.records import Violation
from reward_synth.reward.rewards import Reward
from reward_synth.reward.screen.episodes import Episodes
from reward_synth.reward.transitions import Transitions, batches, measure
from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import batched
from reward_synth.task.task import Task
from reward_synth.train.policy import Policy

ENDS = ("terminated", "time limit", "diverged")


@dataclass(frozen=True, slots=True, eq=False)
class Rollouts:
    """E episodes of one policy; the time axis is as long as the longest of them, L steps.

    Beyond an episode's length its state stands still, and rewards and fitness are zero.

    Attributes:
      length: (E,) steps of each episode.
      end: (E,) index into ``ENDS``.
      success: (E,) bool, the goal held in the last state.
      state: (L + 1, E, S) the states.
      action: (L, E, A) in [-1, 1].
      fitness: (L, E) per step.
      reward: (L, E) per step, of the reward that the policy was trained on.
      terms: (L, E, T) its terms.
      qpos: (L + 1, E, nq) MuJoCo's positions, for videos.
      excess: (L, E, M) by how much each of the task's M limits was exceeded; None where the
        task declares none.
    """

    length: np.ndarray
    end: np.ndarray
    success: np.ndarray
    state: np.ndarray
    action: np.ndarray
    fitness: np.ndarray
    reward: np.ndarray
    terms: np.ndarray
    qpos: np.ndarray
    excess: np.ndarray | None = None

    @property
    def episode_fitness(self) -> np.ndarray:
        """(E,) each episode's fitness."""
        return self.fitness.sum(0)

    @property
    def episode_return(self) -> np.ndarray:
        """(E,) each episode's undiscounted sum of rewards."""
        return self.reward.sum(0)

    @property
    def typical(self) -> int:
        """The episode of median length, and among equals of median return: the one to show.

        Whatever is shown of a policy is this one, so that people and models judge the same.
        Fitness is not asked, which they are not to know.
        """
        return int(np.lexsort((self.episode_return, self.length))[len(self.length) // 2])

    @property
    def transitions(self) -> Transitions:
        """All steps of all episodes, those of the first episode first."""
        return Transitions(*map(self._joined, (self.state[:-1], self.action, self.state[1:])))

    @property
    def step_fitness(self) -> np.ndarray:
        """(b,) the fitness of each of these steps."""
        return self._joined(self.fitness)

    def _joined(self, values: np.ndarray) -> np.ndarray:
        """Return what happened, (b, ...), of (L, E, ...), an episode after the other."""
        happened = np.arange(len(self.action))[:, None] < self.length
        return np.swapaxes(values, 0, 1)[happened.T]

    @property
    def episodes(self) -> Episodes:
        """The same steps as rewards are screened on."""
        return Episodes.whole(
            self.transitions,
            self.length,
            terminated=self.end == ENDS.index("terminated"),
            success=self.success,
            fitness=self.episode_fitness,
        )

    def save(self, path: Path) -> None:
        """Write a compressed npz, in one piece or not at all."""
        arrays = {
            name: found for name in self.__slots__ if (found := getattr(self, name)) is not None
        }
        with atomic_write(path) as file:
            save_arrays(file, arrays, compressed=True)

    @classmethod
    def load(cls, path: Path) -> Rollouts:
        """Read what ``save`` wrote."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in cls.__slots__ if name in arrays})


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One control step of n simulations.

    Attributes:
      state: (n, S) before it.
      action: (n, A).
      next_state: (n, S).
      running: (n,) bool, the episode was not over before it; else it stands still.
      terminated: (n,) bool, the task ends the episode in ``next_state``.
      diverged: (n,) bool, MuJoCo could not continue.
    """

    state: np.ndarray
    action: np.ndarray
    next_state: np.ndarray
    running: np.ndarray
    terminated: np.ndarray
    diverged: np.ndarray


def first_episodes(
    task: Task,
    backend: CpuBackend,
    state: np.ndarray,
    act: Callable[[np.ndarray], np.ndarray],
) -> Iterator[Moment]:
    """Run the episode that each simulation has begun, until the last is over, step by step.

    Args:
      task: the task.
      backend: its simulations; each is stepped no further than its episode lasts.
      state: (n, S) in which the episodes begin, of the backend's reset.
      act: from states, (n, S), to actions, (n, A) in [-1, 1].
    """
    running = np.ones(backend.n, bool)
    for _ in range(task.description.episode_steps):
        action = act(state)
        after, diverged = backend.step(action)
        after = after.copy()
        terminated = np.asarray(batched.terminated(task, after)) & ~diverged
        yield Moment(state, action, after, running.copy(), terminated, diverged)
        over = running & (terminated | diverged)
        if over.any():
            backend.retire(np.flatnonzero(over))
            running &= ~over
        if not running.any():
            break
        state = after


def evaluate(
    task: Task,
    policies: Sequence[Policy],
    rewards: Sequence[Reward],
    seeds: Sequence[int],
    episodes: int,
    *,
    threads: int = 0,
    looks: Looks | None = None,
) -> list[Rollouts]:
    """Run ``episodes`` episodes of each policy, without noise, all in one batch.

    Args:
      task: the task.
      policies: K policies.
      rewards: the K rewards that they were trained on.
      seeds: K seeds of the initial states; the same seed gives the same initial states.
      episodes: E, for each policy.
      threads: physics threads; 0 for all cores.
      looks: who scores pictures, if anybody does.

    Returns:
      K rollouts.
    """
    count = len(policies)
    keys = [jax.random.split(jax.random.key(seed), episodes) for seed in seeds]
    backend = CpuBackend(task, jnp.concatenate(keys), threads=threads)
    measured = [(limit, backend.measured(limit.block)) for limit in task.limits]
    states, positions, actions, excesses = [backend.reset().copy()], [_positions(backend)], [], []
    length = np.zeros(backend.n, np.int64)
    end = np.full(backend.n, ENDS.index("time limit"))

    def act(state: np.ndarray) -> np.ndarray:
        apart = state.reshape(count, episodes, -1)
        return np.asarray(_act(task, tuple(policies), apart)).reshape(backend.n, -1)

    for moment in first_episodes(task, backend, states[0], act):
        length += moment.running
        end[moment.running & moment.terminated] = ENDS.index("terminated")
        end[moment.running & moment.diverged] = ENDS.index("diverged")
        states.append(moment.next_state)
        actions.append(moment.action)
        positions.append(_positions(backend))
        beyond = [limit.excess(values) for limit, values in measured]
        beyond = np.array(beyond, np.float32).reshape(-1, backend.n).T
        beyond[moment.diverged] = 0.0  # what it measures then means nothing
        excesses.append(beyond)
    state, action, qpos = np.stack(states), np.stack(actions), np.stack(positions)
    if looks is not None:
        for k in range(count):
            mine = slice(k * episodes, (k + 1) * episodes)
            _look(looks, state[:, mine], qpos[:, mine], length[mine])
    excess = np.stack(excesses)
    last = np.take_along_axis(state, length[None, :, None], axis=0)[0]
    success = np.asarray(batched.success(task, last)) > 0.5
    found = []
    for k, reward in enumerate(rewards):
        mine = slice(k * episodes, (k + 1) * episodes)
        happened = np.arange(len(action))[:, None] < length[mine]
        steps = Transitions(
            *(x[happened] for x in (state[:-1, mine], action[:, mine], state[1:, mine]))
        )
        values, terms = measure(reward, steps)
        found.append(
            Rollouts(
                length=length[mine],
                end=end[mine],
                success=success[mine],
                state=state[:, mine],
                action=action[:, mine],
                fitness=_spread(step_fitness(task, steps), happened),
                reward=_spread(values, happened),
                terms=_spread(terms, happened),
                qpos=qpos[:, mine],
                excess=np.where(happened[..., None], excess[:, mine], 0.0) if measured else None,
            )
        )
    return found


def fitness_of(task: Task, rollouts: Rollouts) -> np.ndarray:
    """Return the (L, E) fitness of recorded steps by a task's own measure; 0 after the end."""
    happened = np.arange(len(rollouts.action))[:, None] < rollouts.length
    steps = (x[happened] for x in (rollouts.state[:-1], rollouts.action, rollouts.state[1:]))
    return _spread(step_fitness(task, Transitions(*steps)), happened)


def _look(looks: Looks, state: np.ndarray, qpos: np.ndarray, length: np.ndarray) -> None:
    """Fill in the last entry of E episodes' states, (L + 1, E, S), from their postures."""
    steps = np.tile(np.arange(1, len(qpos))[:, None], len(length))
    ended = steps == length
    # Beyond its length an episode stands still, and nothing of it is drawn again.
    steps[steps > length] = 0
    qpos = qpos.copy()
    for before, after in itertools.pairwise(qpos):  # what diverged shows its last finite posture
        lost = ~np.isfinite(after).all(-1)
        after[lost] = before[lost]
    watched = Watched(qpos[:-1], qpos[1:], steps, ended)
    first, last = looks.of_steps(watched, np.zeros(len(length), np.float32))
    state[0, :, -1], state[1:, :, -1] = first[0], last


def violations(task: Task, rollouts: Sequence[Rollouts]) -> tuple[Violation, ...]:
    """Return how far episodes of one or more policies kept to the task's limits, one for each."""
    steps = sum(int(one.length.sum()) for one in rollouts)
    found = []
    for i, limit in enumerate(task.limits):
        beyond = [one.excess[..., i] for one in rollouts if one.excess is not None]
        share = sum(int((x > 0.0).sum()) for x in beyond) / steps
        worst = max((float(x.max()) for x in beyond), default=0.0)
        found.append(Violation(limit.name, limit.unit, share, worst))
    return tuple(found)


def step_fitness(task: Task, transitions: Transitions) -> np.ndarray:
    """Return the fitness, (b,), of b steps."""
    values = [
        np.asarray(batched.fitness(task, some.state, some.action, some.next_state))[:count]
        for some, count in batches(transitions)
    ]
    return np.concatenate(values)


def _spread(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return an array, (L, E, ...), of the values, (b, ...), where ``where``, (L, E), and zeros."""
    out = np.zeros((*where.shape, *values.shape[1:]), values.dtype)
    out[where] = values
    return out


def _positions(backend: CpuBackend) -> np.ndarray:
    return backend.qpos.astype(np.float32)


@partial(jax.jit, static_argnums=0)
def _act(task: Task, policies: tuple[Policy, ...], state: jax.Array) -> jax.Array:
    observed = [batched.observe(task, states) for states in state]
    return jnp.stack([policy.act(o) for policy, o in zip(policies, observed, strict=True)])
