"""Rewards in canonical form: what is left when potential shaping is taken out of them.

Two rewards that differ by ``discount * potential(s') - potential(s)``, by a constant and by a
positive scale have the same optimal policies (Ng, Harada & Russell, 1999). Each of three
published distances first maps both to a form that does not see such shaping, and then compares
what is left. Here a reward's three forms are vectors over the same steps, computed once, so that
N rewards cost N canonicalisations and N^2 correlations (``reward.compare``). With R the reward
and g the discount:

EPIC, Gleave et al., "Quantifying Differences in Reward Functions" (ICLR 2021):
``R(s, a, s') + E[g R(s', A, S') - R(s, A, S') - g R(S, A, S')]``, with S, A and S' independent of
each other and of the step. They are drawn from the stored steps, S' and A each by itself. The
last term is the same for every step, which no correlation sees: it is left out. All steps share
the draws of (A, S'), so that shaping goes exactly, not only on average: it adds
``g mean(potential) - potential(x)`` to each mean at x, and a constant is left. What few draws
cost is how near the means come to expectations. Caveat: most of the (s, A, S') are jumps that no
robot makes, where a reward may be anything: a speed, ``(x' - x) / timestep``, that is cut off lies
far from one that is not.

DARD, Wulfe et al., "Dynamics-Aware Comparison of Learned Reward Functions" (ICLR 2022), equation 3:
``R(s, a, s') + E[g R(s', A, S'') - R(s, A, S') - g R(S', A, S'')]``, with A independent and S', S''
where A leads to from s and s'. There is no simulator at this point: S' and S'' are predicted from
the stored steps (see ``Sample.draw``), and shaping goes exactly whatever the predictions are.
Caveats: how good they are is ``Sample.dynamics``; and (S', A, S'') joins ends of two steps, which
is near to a step of the robot, but none.

STARC, Skalse et al., "STARC: A General Framework for Quantifying Differences Between Reward
Functions" (ICLR 2024, arXiv:2309.15257): of the canonicalisations it allows, the minimal one for
the norm L2, which is R with the potential shaping that leaves least of it: ``R + g P(s') - P(s)``
with P by least squares. MuJoCo is deterministic, so that a step's s' is the only one there is. P is
linear in each number of the state, its square and random Fourier features (Rahimi & Recht, 2007);
shaping by other potentials goes in part. It is fitted on one half of the steps and taken out of the
other, and the other way round, so that what is left is no artefact of the fit.

A caveat of all three: with a discount of 0.99 a speed is nearly a shaping, by the distance that
was covered. A hundredth of it is left, beside all of what is charged for actions: to DARD
half_cheetah's expert, which pays for speed, wants nearly what "be still" wants. In a horizon
without end that hundredth adds up and decides; in these forms it does not show. How much goes
with shaping is ``Canonical.shaping``. Near one, believe the correlation of the rewards as they
are rather than any distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import Transitions, measure

DISCOUNT = 0.99  # as PPO's

_STEPS = 4096  # for plain values and STARC, of which the first are for EPIC and DARD
_COMPARED = 512
_JUMPS = 128  # EPIC's draws of (A, S')
_ACTIONS = 8  # DARD's draws of A
_SEEN = 2048  # steps that its predictions are made from
_FOURIER = 64
_DAMPING = 1e-3  # of their coefficients; 1e-6 to 1 make little difference on real robots
_NEIGHBOURS = 8
_ROUNDING = 1e-5  # of float32, a few times over, against the size of what was added up


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Steps that rewards are compared on, with all that depends on no reward.

    Attributes:
      steps: N steps; EPIC and DARD use the first n of them.
      discount: of the shaping that does not count.
      jumps: EPIC's A, (m, A), and S', (m, S).
      actions: (k, A) DARD's A.
      after: (n, k, S) DARD's S': where each A leads to from s.
      beyond: (n, k, S) DARD's S'': where each A leads to from s'.
      dynamics: the share of the variance of the states' changes that the predictions explain
        in steps that were kept from them, a mean over the state's numbers; at most 1.
      shapings: (N, F) what one unit of each of F potentials adds to a step's reward.
      fits: (F, N / 2) the least-squares fits on steps 0, 2, 4 ... and on 1, 3, 5 ...
    """

    steps: Transitions
    discount: float
    jumps: tuple[np.ndarray, np.ndarray]
    actions: np.ndarray
    after: np.ndarray
    beyond: np.ndarray
    dynamics: float
    shapings: np.ndarray
    fits: tuple[np.ndarray, np.ndarray]

    @classmethod
    def draw(
        cls,
        transitions: Transitions,
        seed: int,
        *,
        steps: int = _STEPS,
        compared: int = _COMPARED,
        jumps: int = _JUMPS,
        discount: float = DISCOUNT,
    ) -> Sample:
        """Draw a sample from stored steps; the same seed gives the same.

        DARD's predictions are a least-squares fit of the state's change on state and action, and
        what it missed in the 8 nearest of the stored steps. The nearest are those of states and
        actions, each number over its standard deviation.

        Args:
          transitions: at least 16 stored steps, of random actions and of trained policies.
          seed: of all draws.
          steps: N, if there are as many.
          compared: n.
          jumps: m.
          discount: between 0 and 1.

        Raises:
          ValueError: there are fewer than 16 steps.
        """
        if len(transitions) < 2 * _NEIGHBOURS:
            raise ValueError(f"{len(transitions)} steps are too few to compare rewards on.")
        rng = np.random.default_rng(seed)
        chosen = transitions.sample(steps, rng)
        count = len(chosen)
        actions = chosen.action[rng.integers(count, size=_ACTIONS)]
        model = _Dynamics(chosen.take(np.arange(min(_SEEN, count))))
        first = chosen.take(np.arange(min(compared, count)))
        shapings = _shapings(chosen, discount, rng)
        return cls(
            steps=chosen,
            discount=discount,
            jumps=(
                chosen.action[rng.integers(count, size=jumps)],
                chosen.next_state[rng.integers(count, size=jumps)],
            ),
            actions=actions,
            after=model.predict_each(first.state, actions),
            beyond=model.predict_each(first.next_state, actions),
            dynamics=_explained(chosen.take(np.arange(min(_SEEN, count)))),
            shapings=shapings,
            fits=(_fit(shapings[::2]), _fit(shapings[1::2])),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Canonical:
    """One reward on one sample. What is not finite there is NaN here.

    Attributes:
      values: (N,) the reward as it is.
      epic: (n,) its form for EPIC; constant, as the others, if only rounding is left.
      dard: (n,) for DARD.
      starc: (N,) for STARC.
      shaping: the share of the reward's variance that potential shaping explains, by STARC's
        fit, on steps that were kept from it.
    """

    values: np.ndarray
    epic: np.ndarray
    dard: np.ndarray
    starc: np.ndarray
    shaping: float


def canonical(reward: Reward, sample: Sample, weights: np.ndarray | None = None) -> Canonical:
    """Return a reward's values and its three canonical forms.

    With the sample's defaults it takes 160,000 values of the reward.

    Args:
      reward: the reward.
      sample: the same for all rewards that are to be compared.
      weights: (W,) in place of the reward's own.
    """
    values = _values(reward, sample.steps, weights)
    count = len(sample.after)
    first = sample.steps.take(np.arange(count))
    actions, places = sample.jumps
    spread = (count, *places.shape)
    away = [
        _paired(reward, state, actions, np.broadcast_to(places, spread), weights)
        for state in (first.state, first.next_state)
    ]
    after, beyond = sample.after, sample.beyond
    from_state = _paired(reward, first.state, sample.actions, after, weights)
    from_next = _paired(reward, first.next_state, sample.actions, beyond, weights)
    across = _paired(reward, after, sample.actions, beyond, weights)
    own, discount = values[:count], sample.discount
    starc = _unshaped(values, sample)
    return Canonical(
        values=values,
        epic=_rounded(own + discount * _mean(away[1]) - _mean(away[0]), own, *away),
        dard=_rounded(
            own + _mean(discount * from_next) - _mean(from_state) - _mean(discount * across),
            *(own, from_state, from_next, across),
        ),
        starc=starc,
        shaping=_share(values, starc),
    )


def _values(reward: Reward, steps: Transitions, weights: np.ndarray | None) -> np.ndarray:
    values = measure(reward, steps, weights)[0].astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _paired(
    reward: Reward,
    before: np.ndarray,
    actions: np.ndarray,
    after: np.ndarray,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Return rewards, (n, k), from states, (n, S) or (n, k, S), by actions, (k, A)."""
    shape = after.shape[:2]
    if before.ndim == 2:
        before = before[:, None]
    flat = Transitions(
        np.broadcast_to(before, after.shape).reshape(-1, after.shape[-1]),
        np.broadcast_to(actions, (*shape, actions.shape[-1])).reshape(-1, actions.shape[-1]),
        after.reshape(-1, after.shape[-1]),
    )
    return _values(reward, flat, weights).reshape(shape)


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row's numbers; NaN for a row of none."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(1) / known.sum(1)


def _rounded(form: np.ndarray, *parts: np.ndarray) -> np.ndarray:
    """Return zeros in place of a form in which nothing but its parts' rounding is left."""
    size = max(float(np.nanmax(np.abs(part), initial=0.0)) for part in parts)
    varies = float(np.nanmax(form, initial=-np.inf) - np.nanmin(form, initial=np.inf))
    return form if varies > _ROUNDING * size else np.where(np.isfinite(form), 0.0, np.nan)


def _unshaped(values: np.ndarray, sample: Sample) -> np.ndarray:
    """Take out of each half of the steps the shaping that was fitted on the other."""
    known = np.isfinite(values)
    filled = np.where(known, values, values[known].mean() if known.any() else 0.0)
    left = np.empty_like(filled)
    for here, there, fit in ((0, 1, sample.fits[1]), (1, 0, sample.fits[0])):
        left[here::2] = filled[here::2] - sample.shapings[here::2] @ (fit @ filled[there::2])
    return _rounded(np.where(known, left, np.nan), values)


def _share(values: np.ndarray, left: np.ndarray) -> float:
    """Return the share of the variance that is not left; 1 of a reward without any."""
    known = np.isfinite(values)
    before, after = (x[known].var() if known.any() else 0.0 for x in (values, left))
    return float(np.clip(1.0 - after / before, 0.0, 1.0)) if before > 0.0 else 1.0


def _shapings(steps: Transitions, discount: float, rng: np.random.Generator) -> np.ndarray:
    """Return what each potential adds to each step, (N, F), on average 1 in size."""
    centre, spread = _scale(steps.state)
    size = len(centre)
    waves = rng.standard_normal((size, _FOURIER)) / np.sqrt(size)
    shifts = rng.uniform(0.0, 2.0 * np.pi, _FOURIER)

    def potentials(state: np.ndarray) -> np.ndarray:
        z = (state - centre) / spread
        return np.concatenate([np.ones((len(z), 1)), z, z**2, np.cos(z @ waves + shifts)], axis=1)

    shapings = discount * potentials(steps.next_state) - potentials(steps.state)
    sizes = np.sqrt((shapings**2).mean(0))
    return shapings / np.where(sizes > 0.0, sizes, 1.0)


def _fit(shapings: np.ndarray) -> np.ndarray:
    """Return the matrix of the least-squares fit, (F, n); what it wants of waves is damped.

    Potentials without waves are few and are fitted as they are, so that they go exactly.
    """
    count, size = shapings.shape
    damping = np.zeros((_FOURIER, size))
    damping[:, -_FOURIER:] = np.sqrt(_DAMPING * count) * np.eye(_FOURIER)
    return np.linalg.pinv(np.concatenate([shapings, damping]), rcond=1e-9)[:, :count]


class _Dynamics:
    """Predicts where an action leads to, from steps that were seen."""

    def __init__(self, steps: Transitions) -> None:
        seen = np.concatenate([steps.state, steps.action], axis=1).astype(np.float64)
        self._centre, self._spread = _scale(seen)
        self._seen = (seen - self._centre) / self._spread
        change = steps.next_state.astype(np.float64) - steps.state
        self._linear = np.linalg.lstsq(self._with_one(self._seen), change, rcond=1e-6)[0]
        self._missed = change - self._with_one(self._seen) @ self._linear

    def predict(self, state: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Return next states, (n, S)."""
        at = (np.concatenate([state, action], axis=1) - self._centre) / self._spread
        missed = np.empty((len(at), self._missed.shape[1]))
        squares = (self._seen**2).sum(1)
        for start in range(0, len(at), 1024):  # distances of all at once would not fit
            some = at[start : start + 1024]
            distances = squares - 2.0 * some @ self._seen.T
            nearest = np.argpartition(distances, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
            missed[start : start + 1024] = self._missed[nearest].mean(1)
        return (state + self._with_one(at) @ self._linear + missed).astype(np.float32)

    def predict_each(self, state: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return next states, (n, k, S), of states, (n, S), by each of k actions, (k, A)."""
        shape = (len(state), len(actions), -1)
        every = np.repeat(state, len(actions), axis=0), np.tile(actions, (len(state), 1))
        return self.predict(*every).reshape(shape)

    @staticmethod
    def _with_one(z: np.ndarray) -> np.ndarray:
        return np.concatenate([np.ones((len(z), 1)), z], axis=1)


def _explained(steps: Transitions) -> float:
    """Return the share of the changes' variance that a fit on three quarters explains elsewhere."""
    held = np.arange(len(steps)) % 4 == 0
    rest, test = steps.take(np.flatnonzero(~held)), steps.take(np.flatnonzero(held))
    change = test.next_state.astype(np.float64) - test.state
    error = test.next_state - _Dynamics(rest).predict(test.state, test.action)
    variance = change.var(0)
    moves = variance > 0.0
    if not moves.any():
        return 1.0
    return float((1.0 - (error[:, moves].astype(np.float64) ** 2).mean(0) / variance[moves]).mean())


def _scale(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column, 1 for one that does not vary."""
    spread = x.std(0, dtype=np.float64)
    return x.mean(0, dtype=np.float64), np.where(spread > 0.0, spread, 1.0)
