"""Rankings: right, sure of themselves as often as they should be, and not spoilt by coin flips."""

import itertools
import math

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_synth.feedback.annotations import Comparison, Verdict
from reward_synth.feedback.ranking import probabilities, rank

VERDICTS = (Verdict.FIRST, Verdict.SECOND, Verdict.EQUAL)


def crowd(rng, size, count, spread=1.5, reliability=None, ties=0.3):
    """True skills, centred, and answers of sources in turn about random pairs."""
    reliability = reliability or {"anna": 1.0}
    skills = rng.normal(0.0, spread, size)
    ids, sources = [f"c{i}" for i in range(size)], list(reliability)
    answers = []
    for number in range(count):
        who = sources[number % len(sources)]
        i, j = rng.choice(size, 2, replace=False)
        chances = probabilities(np.array(reliability[who] * (skills[i] - skills[j])), ties)
        verdict = VERDICTS[rng.choice(3, p=np.clip(chances, 0.0, 1.0))]
        answers.append(Comparison(ids[i], ids[j], verdict, who))
    return skills - skills.mean(), ids, answers


def covered(ranking, skills):
    return np.mean(
        [e.low <= s <= e.high for e, s in zip(ranking.estimates.values(), skills, strict=True)]
    )


@given(st.floats(-2000, 2000), st.floats(0.0, 100.0))
def test_probabilities(gap, ties):
    first, second, equal = (float(p) for p in probabilities(np.array(gap), ties))
    assert first + second + equal == pytest.approx(1.0)
    assert min(first, second, equal) >= -1e-12
    assert [float(p) for p in probabilities(np.array(-gap), ties)] == [second, first, equal]
    if abs(gap) < 500:
        assert first == pytest.approx(second * math.exp(gap))
        assert equal == pytest.approx(ties * math.sqrt(first * second), abs=1e-9)


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_intervals_cover_as_often_as_they_say(spread):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        skills, ids, answers = crowd(rng, 12, 60, spread)
        found.append(covered(rank(answers, ids), skills))
    assert 0.92 < np.mean(found) < 0.985


def test_intervals_know_that_reliabilities_are_guesses():
    """Of twenty sources with six answers each; taken for certain, they leave 83%."""
    rng = np.random.default_rng
    sources = {f"s{i}": 1.0 for i in range(20)}
    crowds = [crowd(rng(seed), 10, 120, 1.0, sources) for seed in range(60)]
    found = [covered(rank(answers, ids), skills) for skills, ids, answers in crowds]
    assert np.mean(found) > 0.86


def test_the_probability_of_being_better_is_one():
    rng = np.random.default_rng(1)
    said, true = [], []
    for _ in range(60):
        skills, ids, answers = crowd(rng, 8, 30, 2.0, {"anna": 1.0, "ben": 1.0, "coin": 0.0})
        ranking = rank(answers, ids)
        for i, j in itertools.combinations(range(8), 2):
            said.append(ranking.better(ids[i], ids[j]))
            true.append(skills[i] > skills[j])
    said, true = np.array(said), np.array(true)
    for low, high in itertools.pairwise([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]):
        inside = (low <= said) & (said <= high)
        assert abs(said[inside].mean() - true[inside].mean()) < 0.07


def test_skills_and_their_deviations_are_those_of_choix():
    """Expectation propagation with the same prior, where there are no ties and one source."""
    skills, ids, answers = crowd(np.random.default_rng(2), 8, 1500, 1.0, ties=0.0)
    ranking = rank(answers, ids)
    assert ranking.ties < 0.05
    places = {id: place for place, id in enumerate(ids)}
    pairs = [
        (places[a.first], places[a.second])
        if a.verdict is Verdict.FIRST
        else (places[a.second], places[a.first])
        for a in answers
    ]
    means, covariance = choix.ep_pairwise(8, pairs, alpha=1.0)
    means = means - means.mean()
    centre = np.eye(8) - 1 / 8
    deviations = np.sqrt(np.diag(centre @ covariance @ centre))
    assert ranking.means == pytest.approx(means, abs=0.06)
    found = [estimate.deviation for estimate in ranking.estimates.values()]
    assert found == pytest.approx(deviations, rel=0.1)
    assert np.corrcoef(ranking.means, skills)[0, 1] > 0.95


def test_a_coin_flipper_is_found_out_and_spoils_nothing():
    crowd_of = {"anna": 1.0, "ben": 1.0, "coin": 0.0}
    found, with_coin, without, taken_for_anna = [], [], [], []
    for seed in range(20):
        skills, ids, answers = crowd(np.random.default_rng(seed), 12, 240, 2.0, crowd_of)
        ranking = rank(answers, ids)
        found.append([ranking.reliability[who] for who in crowd_of])
        honest = [a for a in answers if a.who != "coin"]
        blind = [Comparison(a.first, a.second, a.verdict, "anna") for a in answers]
        for errors, said in ((with_coin, answers), (without, honest), (taken_for_anna, blind)):
            errors.append(np.abs(rank(said, ids).means - skills).mean())
    anna, ben, coin = np.median(found, axis=0)
    assert coin < 0.2
    assert (anna, ben) == (pytest.approx(1.0, abs=0.2), pytest.approx(1.0, abs=0.2))
    assert np.mean(with_coin) < 1.05 * np.mean(without)
    assert np.mean(with_coin) < 0.8 * np.mean(taken_for_anna)


def test_two_sources_are_as_reliable_as_they_are():
    _, ids, answers = crowd(np.random.default_rng(3), 20, 3000, 1.5, {"sure": 1.5, "unsure": 0.5})
    found = rank(answers, ids).reliability
    assert found["sure"] / found["unsure"] == pytest.approx(3.0, rel=0.2)


def test_who_never_lost_and_who_was_never_shown_have_estimates():
    answers = [Comparison("a", "b", Verdict.FIRST, "x")] * 30
    ranking = rank(answers, ["a", "b", "new"])
    best, worst, unknown = (ranking.estimates[id] for id in ("a", "b", "new"))
    assert ranking.order == ("a", "new", "b")
    assert best.mean > 1.0
    assert worst.mean == pytest.approx(-best.mean, rel=0.01)
    assert unknown.mean == pytest.approx(0.0, abs=0.01)
    assert unknown.deviation > best.deviation
    assert (best.trainings, unknown.trainings) == (30, 0)
    assert ranking.better("a", "b") > 0.95
    assert ranking.better("a", "b") + ranking.better("b", "a") == pytest.approx(1.0)


def test_nothing_said():
    ranking = rank([], ["a", "b"])
    assert [e.mean for e in ranking.estimates.values()] == [0.0, 0.0]
    assert ranking.better("a", "b") == 0.5
    assert ranking.reliability == {}
    assert rank([], []).order == ()
    assert rank([], ["a"]).estimates["a"].deviation == 0.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.permutations("abcd"), st.sampled_from(VERDICTS), st.sampled_from("xy")),
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_sides_and_order_do_not_matter(said, random):
    answers = [Comparison(p[0], p[1], verdict, who) for p, verdict, who in said]
    turned = [Comparison(a.second, a.first, a.verdict.turned, a.who) for a in answers]
    random.shuffle(turned)
    one, other = rank(answers, "abcd"), rank(turned, "abcd")
    assert one.means == pytest.approx(other.means, abs=1e-6)
    assert one.covariance == pytest.approx(other.covariance, abs=1e-6)
    assert sum(one.means) == pytest.approx(0.0, abs=1e-9)
    assert np.isfinite(one.covariance).all()
    assert all(0.0 < r < math.inf for r in one.reliability.values())


def test_ties_draw_together_and_are_counted():
    apart = [Comparison("a", "b", Verdict.FIRST, "x")] * 5
    ties = [Comparison("a", "b", Verdict.EQUAL, "x")] * 20
    assert rank(apart + ties, "ab").means[0] < rank(apart, "ab").means[0]
    assert rank(apart + ties, "ab").ties > rank(apart, "ab").ties
    _, ids, answers = crowd(np.random.default_rng(4), 10, 2000, 1.0, ties=0.8)
    assert rank(answers, ids).ties == pytest.approx(0.8, rel=0.15)


def test_candidates_that_are_not_ranked_connect_those_that_are():
    through = [
        Comparison("a", "gone", Verdict.FIRST, "x"),
        Comparison("gone", "b", Verdict.FIRST, "x"),
    ] * 8
    ranking = rank(through, ["a", "b"])
    assert ranking.better("a", "b") > 0.95
    assert set(ranking.estimates) == {"a", "b"}


def test_draws_have_the_posterior_mean_and_covariance():
    _, ids, answers = crowd(np.random.default_rng(5), 6, 40)
    ranking = rank(answers, ids)
    draws = ranking.draws(np.random.default_rng(0), 20_000)
    assert draws.mean(0) == pytest.approx(ranking.means, abs=0.05)
    assert np.cov(draws.T) == pytest.approx(ranking.covariance, abs=0.05)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="an id appears twice"):
        rank([], ["a", "a"])
    with pytest.raises(KeyError, match="z is not ranked"):
        rank([], ["a", "b"]).better("a", "z")
