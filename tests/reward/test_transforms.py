"""Each transform does to a reward what it is for, and keeps what it should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reward_synth.reward.rewards import Reward
from reward_synth.reward.transforms import transformed
from reward_synth.reward.transforms.carl import carl, roles
from reward_synth.reward.transforms.par import par
from reward_synth.reward.transitions import Transitions, measure


def steps_of(*columns):
    """Steps whose states are given, column by column; nothing here reads the rest."""
    state = np.stack(np.broadcast_arrays(*columns), axis=-1).astype(np.float32)
    return Transitions(state, np.zeros((len(state), 1), np.float32), state)


def reward_of(function, terms, weights=()):
    """A reward that is the sum of its terms, which are functions of the next state's columns."""

    def batched(state, action, next_state, weights):
        values = jnp.stack(jnp.broadcast_arrays(*function(next_state.T, weights)), axis=-1)
        return values.sum(-1), values

    return Reward(terms, np.array(weights, np.float32), jax.jit(batched))


EXPLODING = reward_of(lambda x, w: (jnp.exp(20.0 * x[0]),), ("exploding",))
LEVEL = reward_of(lambda x, w: (w[0] * x[0],), ("level",), (1.0,))
DRIVE = reward_of(
    lambda x, w: (w[0] * x[0], -w[1] * x[1] ** 2, -w[2] * jnp.abs(x[2])),
    ("speed", "off_course", "effort"),
    (1.0, 1.0, 0.1),
)


def references(rng=None):
    rng = rng or np.random.default_rng(0)
    return steps_of(rng.uniform(-1.0, 2.0, 2000), *rng.normal(size=(2, 2000)))


LEVELS = steps_of(np.linspace(-1.0, 2.0, 100))


def values(reward, *columns, **options):
    return measure(reward, steps_of(*columns), **options)[0]


def gradient(reward, *columns):
    """The reward's slopes in the next states, (b, S)."""
    steps = steps_of(*columns)

    def total(next_state):
        return reward.function(steps.state, steps.action, next_state, reward.weights)[0].sum()

    return jax.grad(total)(jnp.asarray(steps.next_state))


# --- par


def test_par_is_the_papers_formula_in_units_of_the_references_spread():
    found = par(LEVEL, steps_of(np.array([0.0, 1.0, 2.0, 3.0, 4.0])))
    spread = 2.0 / 1.349  # between the quartiles, 1 and 3
    expected = np.mean([1.0 / (1.0 + np.exp(-(2.5 - r) / spread)) for r in range(5)])
    np.testing.assert_allclose(values(found, np.array([2.5])), expected, rtol=1e-5)


def test_par_bounds_an_exploding_reward_and_keeps_the_order_of_steps():
    x = np.linspace(-1.0, 2.0, 200)
    assert values(EXPLODING, x).max() > 1e17
    found = par(EXPLODING, steps_of(np.linspace(-0.5, 0.5, 50)))
    paid = values(found, x)
    assert paid.min() > 0.0
    assert paid.max() <= 1.0
    assert (np.diff(paid) >= 0.0).all()
    # Within the references each step is told from its neighbour.
    assert (np.diff(values(found, np.linspace(0.2, 0.45, 20))) > 0.0).all()


def test_par_keeps_an_exploit_from_outweighing_honest_steps():
    honest = np.full(100, 1.5)
    exploit = np.full(100, -0.5)
    exploit[50] = 1e5
    assert values(LEVEL, exploit).sum() > 100 * values(LEVEL, honest).sum()
    found = par(LEVEL, LEVELS)
    assert values(found, exploit).sum() < 0.5 * values(found, honest).sum()


def test_par_follows_the_weights_that_it_is_called_with():
    found = par(LEVEL, LEVELS)
    x = np.linspace(-3.0, 3.0, 7)
    once, tenfold = (values(found, x, weights=np.float32([w])) for w in (1.0, 10.0))
    np.testing.assert_allclose(once, tenfold, rtol=1e-5)
    np.testing.assert_allclose(values(found, x, weights=np.float32([-1.0])), 1.0 - once, rtol=1e-4)


@pytest.mark.parametrize(
    ("reference", "paid"),
    [
        (np.full(100, 3.0), 0.5),  # all alike: the reward's own unit
        (np.where(np.arange(100) < 4, 1.0, 3.0), 0.5),  # quartiles alike
    ],
)
def test_par_copes_with_references_that_hardly_differ(reference, paid):
    found = par(LEVEL, steps_of(reference))
    below, same, above = values(found, np.array([2.0, 3.0, 4.0]))
    assert below < same < above
    assert abs(same - paid) < 0.05


def test_par_is_not_blinded_by_a_few_references_that_explode():
    reference = np.where(np.arange(100) % 25 == 0, 1e30, LEVELS.state[:, 0])
    below, above = values(par(LEVEL, steps_of(reference)), np.array([0.0, 1.0]))
    assert above > below + 0.1


def test_par_is_finite_at_extremes():
    x = np.array([-1e38, -1e6, 0.0, 1e6, 1e38])
    found = par(LEVEL, LEVELS)
    np.testing.assert_allclose(values(found, x)[[0, 1, 3, 4]], [0.0, 0.0, 1.0, 1.0], atol=1e-3)
    assert np.isfinite(gradient(found, x)).all()


# --- carl


def test_carl_tells_penalties_from_progress():
    found = roles(*measure(DRIVE, references()))
    assert found.penalty.tolist() == [False, True, True]
    assert found.scale == pytest.approx(1.85, abs=0.1)  # the 95th percentile of U(-1, 2)


def test_a_composition_is_said_in_a_sentence():
    assert carl(DRIVE, references()).composition.startswith(
        "A step pays its progress (speed) times exp(penalty / 1.8"
    )
    assert "(off_course, effort)" in carl(DRIVE, references()).composition
    assert "preferred to 100 reference steps" in par(LEVEL, LEVELS).composition
    assert DRIVE.composition == ""


def test_carl_devalues_progress_that_violates_where_the_sum_pays_for_it():
    racing = np.array([6.0]), np.array([2.0]), np.array([0.0])
    careful = np.array([1.5]), np.array([0.0]), np.array([0.0])
    assert values(DRIVE, *racing) > values(DRIVE, *careful)
    found = carl(DRIVE, references())
    assert values(found, *racing) < values(found, *careful)
    assert values(found, *careful) == pytest.approx(1.5)  # nothing violated, nothing lost


def test_carl_never_makes_ending_an_episode_pay_while_there_is_progress():
    rng = np.random.default_rng(1)
    columns = rng.uniform(0.0, 3.0, 500), *rng.normal(scale=5.0, size=(2, 500))
    assert values(DRIVE, *columns).mean() < -10.0
    assert values(carl(DRIVE, references()), *columns).min() >= 0.0


def test_carl_makes_going_back_no_cheaper_by_violations():
    back, off_course = np.full(5, -1.0), np.linspace(0.0, 4.0, 5)
    np.testing.assert_allclose(values(carl(DRIVE, references()), back, off_course, 0.0), -1.0)


def test_carl_pays_no_more_than_progress_where_a_penalty_turns_out_to_be_a_bonus():
    room = reward_of(lambda x, w: (x[0], x[1]), ("speed", "room"))
    found = carl(room, steps_of(np.linspace(0.1, 1.0, 50), np.linspace(-1.0, -0.1, 50)))
    assert values(found, np.array([1.0]), np.array([5.0])) == pytest.approx(1.0)


def test_carl_agrees_with_the_sum_where_penalties_are_small_and_progress_is_good():
    found = roles(*measure(DRIVE, references()))
    good = np.array([found.scale]), np.array([0.05]), np.array([0.1])
    total, paid = values(DRIVE, *good), values(carl(DRIVE, references()), *good)
    assert found.scale - total > 0.01
    np.testing.assert_allclose(paid, total, atol=1e-4)


def test_carl_measures_weights_changed_later_against_those_it_was_made_with():
    found = carl(DRIVE, references())
    step = np.array([1.0]), np.array([1.0]), np.array([0.0])
    once = values(found, *step)
    twice = values(found, *step, weights=np.float32([1.0, 2.0, 0.1]))
    np.testing.assert_allclose(twice, once**2, rtol=1e-5)


def test_carl_pays_for_being_there_if_all_terms_are_penalties():
    reach = reward_of(lambda x, w: (-jnp.abs(x[0]), -0.1 * x[1] ** 2), ("distance", "effort"))
    x = np.linspace(0.0, 3.0, 10)
    paid = values(carl(reach, references()), x, 0.0, 0.0)
    assert paid[0] == 1.0
    assert (np.diff(paid) < 0.0).all()
    assert paid[-1] > 0.0


def test_carl_leaves_alone_what_has_no_penalties_or_is_composed_already():
    assert carl(LEVEL, LEVELS) is LEVEL

    def product(state, action, next_state, weights):
        terms = jnp.stack([next_state[:, 0], jnp.exp(-jnp.abs(next_state[:, 1]))], axis=-1)
        return terms.prod(-1), terms

    composed = Reward(("speed", "upright"), np.zeros(0, np.float32), jax.jit(product))
    assert carl(composed, references()) is composed


def test_carl_leaves_alone_what_is_not_finite_in_the_references():
    singular = reward_of(lambda x, w: (x[0], -jnp.log(jnp.abs(x[1]))), ("speed", "far"))
    assert carl(singular, steps_of(np.ones(20), np.arange(20.0))) is singular


def test_carl_is_finite_at_extremes():
    extreme = np.array([-1e6, 0.0, 1e6])
    columns = np.repeat(extreme, 9), np.tile(np.repeat(extreme, 3), 3), np.tile(extreme, 9)
    found = carl(DRIVE, references())
    assert np.isfinite(values(found, *columns)).all()
    assert np.isfinite(gradient(found, *columns)).all()


# --- both


@pytest.mark.parametrize("transform", ["par", "carl"])
def test_the_terms_are_reported_as_they_were_written(transform):
    found = transformed(DRIVE, transform, references(), 0)
    assert found.terms == DRIVE.terms
    assert found.weights is DRIVE.weights
    new = references(np.random.default_rng(1))
    (before, terms), (after, same) = measure(DRIVE, new), measure(found, new)
    np.testing.assert_allclose(same, terms, rtol=1e-5, atol=1e-6)
    assert np.abs(before - after).max() > 0.1


def test_nothing_is_done_to_a_reward_unless_asked():
    assert transformed(DRIVE, "none", references(), 0) is DRIVE
    assert transformed(DRIVE, "caps", references(), 0) is DRIVE
