"""A reward learned from preferences between stretches of behaviour: B-Pref's PrefPPO, in JAX.

After Lee et al. (2021), "B-Pref", and PEBBLE, Lee, Smith & Abbeel (2021): an ensemble of networks
from observation and action to a reward in (-1, 1), by Bradley-Terry on segments of 50 steps, pairs
chosen where the networks disagree most, all answers learned from anew at each session. PEBBLE
relabels the experience that its off-policy learner has stored. PPO stores none: each batch is paid
by the model as it is then, and what of PEBBLE is left is PrefPPO.

What differs from their code:

- Networks have two layers of 64, as the policies here, and not three of 256; inputs are
  standardised.
- A segment is 50 steps of one environment in a row, through a fall and the new start after it.
  Early hoppers fall after 20: whoever compares whole segments alone never sees a fall.
- There is no unsupervised pre-training. Eight iterations of their novelty reward before the first
  answers made it worse, with 150 queries and two seeds each: 68 and 65 m instead of 87 and 247 m
  on half_cheetah after 393,216 steps.

Rewards that are lifted by 1 where an episode can end early, so that it does not pay to fall, were
tried too: hoppers then stood still, 0.6 and 1.4 m instead of 2.2 and 1.2 m after 262,144 steps.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from reward_synth.feedback.annotations import Verdict
from reward_synth.feedback.teachers import Shown, Teacher
from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import Transitions
from reward_synth.reward.verify import BatchedReward
from reward_synth.task import batched
from reward_synth.task.task import Task
from reward_synth.train.normalize import RunningStatistics

LENGTH = 50  # steps of a segment
MEMBERS = 3
HIDDEN = (64, 64)
LEARNING_RATE = 3e-4
MINIBATCH = 64
POOL = 10  # pairs among which one is asked about
KEPT = 192  # batches of experience that segments are drawn from: 98,304 steps
ENOUGH = 0.97  # share of the answers that the networks foresee, after which they stop learning
STEPS, ROUNDS = 25, 8  # gradient steps between two looks at that share, and looks at the most

SHARES = {Verdict.FIRST: 1.0, Verdict.SECOND: 0.0, Verdict.EQUAL: 0.5}
Parameters = Any  # a tree of arrays, the first axis of each being the members


@dataclass
class Watched:
    """A reward function that remembers the latest batches that it was asked to pay for.

    Attributes:
      function: it pays.
      shape: (T, N) of a batch, whose steps come flat.
    """

    function: BatchedReward
    shape: tuple[int, int]
    batches: deque = field(default_factory=lambda: deque(maxlen=KEPT))
    seen: int = 0  # batches in all

    def __call__(self, state: Any, action: Any, next_state: Any, weights: Any) -> Any:
        # Copies: the collector writes the next batch into the same arrays.
        parts = [np.array(x).reshape(*self.shape, -1) for x in (state, action, next_state)]
        self.batches.append(parts)
        self.seen += 1
        return self.function(state, action, next_state, weights)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Transitions, list[str]]:
        """Draw segments: (count, LENGTH, ...) arrays and their names; two may be the same."""
        horizon, envs = self.shape
        first = self.seen - len(self.batches)
        places = rng.integers((len(self.batches), horizon - LENGTH + 1, envs), size=(count, 3))
        parts = [
            np.stack([self.batches[b][i][t : t + LENGTH, n] for b, t, n in places])
            for i in range(3)
        ]
        return Transitions(*parts), [f"{first + b}:{t}:{n}" for b, t, n in places]


@dataclass
class RewardModel:
    """The ensemble and all answers that it has learned from.

    Attributes:
      capacity: answers that there will be.
      inputs: (capacity, 2, LENGTH, I) observations and actions of what was compared.
      shares: (capacity,) of each answer that is for the first.
      answers: given so far.
    """

    task: Task
    capacity: int
    seed: int
    parameters: Parameters = field(init=False)
    optimizer: optax.OptState = field(init=False)
    statistics: RunningStatistics = field(init=False)
    inputs: np.ndarray = field(init=False)
    shares: np.ndarray = field(init=False)
    function: Callable[..., Any] = field(init=False)
    answers: int = 0

    def __post_init__(self) -> None:
        size = batched.observation_size(self.task) + self.task.description.action_size
        self.parameters = _init(jax.random.key(self.seed), size)
        self.optimizer = jax.vmap(_ADAM.init)(self.parameters)
        self.statistics = RunningStatistics.start((size,))
        self.inputs = np.zeros((self.capacity, 2, LENGTH, size), np.float32)
        self.shares = np.zeros(self.capacity, np.float32)
        self.rng = np.random.default_rng(self.seed)
        self.function = self._paying()

    def _paying(self) -> Callable[..., Any]:
        """Return the function that pays; it has the whole model in its weights."""
        _, unravel = ravel_pytree((self.parameters, self.statistics))

        @jax.jit
        def pay(state, action, next_state, weights):
            parameters, statistics = unravel(weights)
            inputs = jnp.concatenate([batched.observe(self.task, state), action], -1)
            values = _rewards(parameters, statistics.normalize(inputs)).mean(0)
            return values, values[:, None]

        return pay

    def reward(self, function: BatchedReward | None = None) -> Reward:
        """Return the reward as it is now; later ones have other weights and nothing compiles."""
        weights = np.asarray(ravel_pytree((self.parameters, self.statistics))[0])
        return Reward(("learned",), weights, function or self.function, looks=False)

    def ask(self, teacher: Teacher, watched: Watched, count: int) -> None:
        """Have ``count`` pairs compared: any at first, later those that networks disagree on."""
        pool = count * (POOL if self.answers else 1)
        steps, names = watched.draw(2 * pool, self.rng)
        inputs = self._inputs(steps).reshape(2, pool, LENGTH, -1)
        chosen = np.arange(pool)
        if self.answers:
            odds = _odds(self.parameters, self.statistics, np.swapaxes(inputs, 0, 1))
            spread = np.asarray(jax.nn.sigmoid(odds)).std(0)
            chosen = np.argsort(-spread, kind="stable")[:count]
        both = np.concatenate([chosen, chosen + pool])
        fitness = self._fitness(Transitions(*(x[both] for x in _arrays(steps))))
        for place, k in enumerate(chosen):
            one = Shown(names[k], float(fitness[place].sum()), tuple(fitness[place]))
            later = fitness[count + place]
            other = Shown(names[k + pool], float(later.sum()), tuple(later))
            verdict = teacher.compare(one, other)
            self.shares[self.answers] = 0.5 if verdict is None else SHARES[verdict]
            self.inputs[self.answers] = inputs[:, k]
            self.answers += 1
        self.statistics = self.statistics.update(jnp.asarray(inputs))

    def fit(self) -> float:
        """Learn from all answers; return the share of them that the networks then foresee."""
        accuracy = 0.0
        for _ in range(ROUNDS):
            order = np.stack([self._order() for _ in range(MEMBERS)], axis=1)
            self.parameters, self.optimizer = _descend(
                self.parameters, self.optimizer, self.statistics, self.inputs, self.shares, order
            )
            odds = np.asarray(_odds(self.parameters, self.statistics, self.inputs))
            decided = np.flatnonzero(self.shares[: self.answers] != 0.5)
            right = (odds[:, decided] > 0.0) == (self.shares[decided] > 0.5)
            accuracy = float(right.mean()) if right.size else 1.0
            if accuracy >= ENOUGH:
                break
        return accuracy

    def _order(self) -> np.ndarray:
        """Return (STEPS, MINIBATCH) places of answers; each comes as often as any, but for one."""
        epochs = -(-STEPS * MINIBATCH // self.answers)
        places = np.tile(np.arange(self.answers), (epochs, 1))
        return self.rng.permuted(places, axis=1).ravel()[: STEPS * MINIBATCH].reshape(STEPS, -1)

    def _inputs(self, steps: Transitions) -> np.ndarray:
        """Return (n, LENGTH, I) what the networks see of segments."""
        flat = steps.state.reshape(-1, steps.state.shape[-1])
        observed = np.asarray(batched.observe(self.task, flat))
        observed = observed.reshape(*steps.state.shape[:2], -1)
        return np.concatenate([observed, steps.action], axis=-1)

    def _fitness(self, steps: Transitions) -> np.ndarray:
        """Return (n, LENGTH) what the teacher sees."""
        flat = [x.reshape(-1, x.shape[-1]) for x in _arrays(steps)]
        return np.asarray(batched.fitness(self.task, *flat)).reshape(-1, LENGTH)


_ADAM = optax.adam(LEARNING_RATE)


def _arrays(steps: Transitions) -> tuple[np.ndarray, ...]:
    return steps.state, steps.action, steps.next_state


@partial(jax.jit, static_argnums=1)
def _init(key: jax.Array, inputs: int) -> Parameters:
    sizes = (inputs, *HIDDEN, 1)

    def one(key: jax.Array) -> Parameters:
        keys = jax.random.split(key, len(sizes) - 1)
        draw = jax.nn.initializers.orthogonal(1.0)
        return [
            (draw(k, (a, b)), jnp.zeros(b))
            for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
        ]

    return jax.vmap(one)(jax.random.split(key, MEMBERS))


def _reward(parameters: Parameters, inputs: jax.Array) -> jax.Array:
    """Return one network's rewards, (...,), of standardised inputs, (..., I)."""
    *hidden, (weight, bias) = parameters
    for w, b in hidden:
        inputs = jax.nn.leaky_relu(inputs @ w + b)
    return jnp.tanh(inputs @ weight + bias)[..., 0]


_rewards: Callable[..., jax.Array] = jax.vmap(_reward, in_axes=(0, None))  # (M, ...)


def _gap(parameters: Parameters, statistics: RunningStatistics, inputs: jax.Array) -> jax.Array:
    """Return one network's log-odds, (n,), that the first is preferred, of (n, 2, L, I)."""
    sums = _reward(parameters, statistics.normalize(inputs)).sum(-1)
    return sums[:, 0] - sums[:, 1]


@jax.jit
def _odds(parameters: Parameters, statistics: RunningStatistics, inputs: jax.Array) -> jax.Array:
    """Return all networks' log-odds, (M, n)."""
    return jax.vmap(_gap, in_axes=(0, None, None))(parameters, statistics, inputs)


@jax.jit
def _descend(
    parameters: Parameters,
    optimizer: optax.OptState,
    statistics: RunningStatistics,
    inputs: jax.Array,
    shares: jax.Array,
    order: jax.Array,
) -> tuple[Parameters, optax.OptState]:
    """Take a gradient step for each row of ``order``, (steps, M, b), every network by itself."""

    def loss(parameters: Parameters, places: jax.Array) -> jax.Array:
        odds = _gap(parameters, statistics, inputs[places])
        return optax.sigmoid_binary_cross_entropy(odds, shares[places]).mean()

    def one(parameters: Parameters, optimizer: optax.OptState, places: jax.Array) -> Any:
        updates, optimizer = _ADAM.update(jax.grad(loss)(parameters, places), optimizer)
        return optax.apply_updates(parameters, updates), optimizer

    def step(carry: Any, places: jax.Array) -> Any:
        parameters, optimizer = carry
        return jax.vmap(one)(parameters, optimizer, places), None

    return jax.lax.scan(step, (parameters, optimizer), order)[0]


def schedule(queries: int, iterations: int, sessions: int = 10, first: int = 16) -> Sequence[int]:
    """Return how many queries are asked before each iteration, (iterations,).

    As in B-Pref: first once there is something to show, then every so many steps until all are
    asked, which is after half of the training.
    """
    sessions = min(sessions, queries)
    plan = np.zeros(iterations, int)
    at = np.linspace(first, max(first, iterations // 2), sessions, dtype=int)
    for place, some in zip(at, np.array_split(np.arange(queries), sessions), strict=True):
        plan[min(place, iterations - 1)] += len(some)
    return plan.tolist()
