"""Tastes: known groups are found, and none where there is but one taste."""

import numpy as np
import pytest
from test_ranking import VERDICTS

from reward_synth.feedback.annotations import Comparison, Verdict
from reward_synth.feedback.ideals import find_ideals
from reward_synth.feedback.ranking import probabilities, rank
from reward_synth.feedback.tastes import find_tastes

IDS = [f"c{i}" for i in range(10)]


def answer(rng, who, likings):
    i, j = rng.choice(len(IDS), 2, replace=False)
    chances = np.clip(probabilities(np.array(likings[i] - likings[j]), 0.2), 0.0, 1.0)
    return Comparison(IDS[i], IDS[j], VERDICTS[rng.choice(3, p=chances)], who)


def crowd(rng, sizes, answers, coins=0):
    """Skills of each group, and answers of its members, and of coin flippers, one after another."""
    skills = 2.0 * rng.normal(size=(len(sizes), len(IDS)))
    likings = {f"{g}{i}": skills[g] for g, size in enumerate(sizes) for i in range(size)}
    likings |= {f"coin{i}": np.zeros(len(IDS)) for i in range(coins)}
    return skills, [answer(rng, w, likings[w]) for _ in range(answers) for w in likings]


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_found_as_they_are(seed):
    rng = np.random.default_rng(seed)
    skills, said = crowd(rng, (5, 3), 60)
    tastes = find_tastes(said, rng)
    assert tastes.count == 2
    assert tastes.groups == {who: int(who[0]) for who in tastes.groups}  # the larger one is 0
    assert all(sum(chances) == pytest.approx(1.0) for chances in tastes.membership.values())
    assert min(tastes.membership[who][group] for who, group in tastes.groups.items()) > 0.9
    for who in ("00", "10"):
        means = tastes.ranking_for(who, IDS).means
        assert np.corrcoef(means, skills[int(who[0])])[0, 1] > 0.85
    pooled = rank(said, IDS).means
    assert np.corrcoef(pooled, skills[1])[0, 1] < 0.85


@pytest.mark.parametrize("coins", [0, 2])
def test_one_taste_is_one_group_and_a_coin_is_no_taste(coins):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        _, said = crowd(rng, (6,), 30, coins)
        assert find_tastes(said, rng).count == 1


def test_three_groups():
    rng = np.random.default_rng(2)
    _, said = crowd(rng, (4, 4, 4), 60)
    tastes = find_tastes(said, rng)
    assert tastes.count == 3
    assert len({(who[0], group) for who, group in tastes.groups.items()}) == 3
    assert tastes.predictions[2] > tastes.predictions[1] > tastes.predictions[0]


def test_one_annotator_has_one_taste_and_nobody_none():
    rng = np.random.default_rng(0)
    _, said = crowd(rng, (1,), 20)
    tastes = find_tastes(said, rng)
    assert tastes.groups == {"00": 0}
    assert tastes.ranking_for("00", IDS).means == pytest.approx(rank(said, IDS).means)
    assert tastes.ranking_for("a stranger", IDS).means == pytest.approx(rank(said, IDS).means)
    nobody = find_tastes([], rng)
    assert nobody.count == 0
    assert nobody.ranking_for("anna", IDS).order == tuple(IDS)


def test_the_same_state_finds_the_same_groups():
    _, said = crowd(np.random.default_rng(1), (3, 3), 20)
    one, other = (find_tastes(said, np.random.default_rng(0)) for _ in range(2))
    assert one == other


@pytest.fixture(scope="module")
def ideals():
    """Four like each of two places, one what lies between; fits, and answers to predict."""
    rng = np.random.default_rng(4)
    places = 1.2 * rng.normal(size=(len(IDS), 2))
    points = {
        f"{side}{i}": np.array([x, 0.0]) for side, x in (("a", 1.2), ("b", -1.2)) for i in range(4)
    } | {"between": np.zeros(2)}
    likings = {who: -((places - point) ** 2).sum(1) for who, point in points.items()}
    said = [answer(rng, who, likings[who]) for who in points for _ in range(30)]
    later = [answer(rng, who, likings[who]) for who in points for _ in range(20)]
    one, two = (find_ideals(said, np.random.default_rng(0), prototypes=k) for k in (1, 2))
    return one, two, later, likings


def test_ideals_tell_groups_apart_and_have_those_between(ideals):
    _, two, _, _ = ideals
    sides = {(who[0], group) for who, group in two.groups.items() if who != "between"}
    assert len(sides) == len({group for _, group in sides}) == 2
    assert two.mixtures["between"] == pytest.approx([0.5, 0.5], abs=0.2)
    assert min(max(two.mixtures[who]) for who in two.mixtures if who != "between") > 0.6


def test_two_prototypes_predict_better_than_one_where_there_are_two_tastes(ideals):
    one, two, later, likings = ideals
    logs = [np.mean(np.log([fit.likelihood(c) for c in later])) for fit in (one, two)]
    assert logs[1] > logs[0] + 0.1
    first = IDS[int(np.argmax(likings["a0"]))]
    assert first in two.order_for("a0")[:3]
    assert two.order_for("a0")[0] != two.order_for("b0")[0]


def test_likelihoods_are_of_all_verdicts(ideals):
    _, two, _, _ = ideals
    chances = [two.likelihood(Comparison("c0", "c1", verdict, "a0")) for verdict in Verdict]
    assert sum(chances) == pytest.approx(1.0)
    turned = two.likelihood(Comparison("c1", "c0", Verdict.SECOND, "a0"))
    assert turned == pytest.approx(two.likelihood(Comparison("c0", "c1", Verdict.FIRST, "a0")))


def test_ideals_need_something_to_go_by():
    with pytest.raises(ValueError, match="found from comparisons"):
        find_ideals([], np.random.default_rng(0))
