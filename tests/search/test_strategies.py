"""What each strategy asks for next, and what it stands by."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from reward_synth.errors import ConfigError
from reward_synth.feedback.scores import Score
from reward_synth.propose.operators import Operator
from reward_synth.search.archive import Archive
from reward_synth.search.config import RunConfig, SearchSettings
from reward_synth.search.strategies import STRATEGIES, strategy_of
from reward_synth.train.race import Standing
from tests.search.archives import archive, candidate

SETTINGS = SearchSettings(candidates=8, lineages=2)


def briefs(name, found, seed=0, settings=SETTINGS):
    return STRATEGIES[name].briefs(found, settings, np.random.default_rng(seed))


def parents(found):
    return {brief.parents[0].id for brief in found if brief.parents}


def with_peak(one, peak):
    return replace(one, score=replace(one.score, peak=peak))


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_first_generation_starts_from_nothing(name):
    first = briefs(name, Archive((), 0))
    assert len(first) == SETTINGS.candidates * (2.5 if name == "evolve" else 1)
    assert {brief.operator for brief in first} == {Operator.INITIAL}
    assert not any(brief.parents for brief in first)
    assert STRATEGIES[name].best(Archive((), 0)) is None


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_archive_and_seed_give_the_same_briefs(name):
    found = archive([[1.0, 3.0, None, 2.0], [2.5, 1.5, 2.0, 0.5]])
    assert briefs(name, found, 5) == briefs(name, found, 5)


def test_eureka_goes_by_the_peak_of_the_last_generation_and_forgets_better_ones():
    old = with_peak(candidate(0, 0, 1.0), 9.0)
    new = [with_peak(candidate(1, 0, 5.0), 2.0), with_peak(candidate(1, 1, 0.1), 4.0)]
    found = Archive((old, *new), 2)
    assert parents(briefs("eureka", found)) == {"g01c01"}
    assert parents(briefs("eureka_elitist", found)) == {"g00c00"}
    assert STRATEGIES["eureka"].best(found) is old
    asked = briefs("eureka", found)
    assert {brief.operator for brief in asked} == {Operator.REVISE}
    assert all(brief.alike and not brief.elites and not brief.failures for brief in asked)


def test_eureka_starts_anew_where_nothing_of_the_last_generation_trained():
    found = archive([[3.0], [None]])
    assert {brief.operator for brief in briefs("eureka", found)} == {Operator.INITIAL}
    assert parents(briefs("eureka_elitist", found)) == {"g00c00"}


def test_independent_samples_learn_nothing():
    asked = briefs("iid", archive([[1.0, 5.0]]))
    assert {brief.operator for brief in asked} == {Operator.INITIAL}


def test_a_chain_goes_on_from_its_last_link_whatever_it_is_worth():
    one = replace(SETTINGS, candidates=1)
    assert parents(briefs("sequential", archive([[9.0], [1.0]]), settings=one)) == {"g01c00"}
    assert parents(briefs("sequential", archive([[9.0], [None]]), settings=one)) == {"g00c00"}


def lineages(rows):
    """An archive of (generation, index, lineage, fitness, more); a fitness of None was cut."""
    out = Standing(1000, 0.0, 0.0, kept=False)
    made = [
        candidate(g, i, fitness, lineage=lineage, standings=() if fitness is not None else (out,))
        for g, i, lineage, fitness in rows
    ]
    return Archive(tuple(made), 1 + max(g for g, *_ in rows))


def test_evolution_builds_on_the_better_lineage_more_often_but_not_alone():
    values = [10.0, 8.0, 9.0, 4.0, 3.0, 1.0, 2.0, 0.0]  # in turns of lineage 0 and 1
    rows = [(0, i, i % 2, value) for i, value in enumerate(values)]
    asked = [b for seed in range(40) for b in briefs("evolve", lineages(rows), seed)]
    drawn = Counter(brief.lineage for brief in asked)
    assert drawn[0] > 1.5 * drawn[1] > 0


def test_evolution_tries_all_operators_and_most_those_that_yield():
    rows = [(0, i, i % 2, float(i)) for i in range(8)]
    asked = [b for seed in range(60) for b in briefs("evolve", lineages(rows), seed)]
    drawn = Counter(brief.operator for brief in asked)
    assert set(drawn) == set(Operator) - {Operator.REVISE}
    assert drawn[Operator.STRUCTURE] > drawn[Operator.SIMPLIFY]
    crossed = [b for b in asked if b.operator is Operator.CROSSOVER]
    assert all(len(b.parents) == 2 and b.parents[0].id != b.parents[1].id for b in crossed)
    without = replace(SETTINGS, fit_weights=False)
    kinds = {b.operator for s in range(20) for b in briefs("evolve", lineages(rows), s, without)}
    assert Operator.PARAMETERS not in kinds


def test_half_of_a_later_generation_are_newcomers_and_children_come_first():
    rows = [(0, i, i % 2, float(i)) for i in range(8)]
    for seed in range(20):
        asked = briefs("evolve", lineages(rows), seed)
        half = len(asked) // 2
        assert all(brief.parents for brief in asked[:half])
        assert {(b.operator, b.parents) for b in asked[half:]} == {(Operator.INITIAL, ())}
        assert {brief.lineage for brief in asked[half:]} == {0, 1}


def test_a_lineage_that_went_stale_starts_anew_unless_it_leads():
    rows = [(0, 0, 0, 9.0), (0, 1, 1, 1.0), (0, 2, 0, 8.0), (0, 3, 1, 2.0)]
    rows += [(g, i, i % 2, 0.5) for g in (1, 2, 3) for i in range(4)]
    asked = [b for seed in range(30) for b in briefs("evolve", lineages(rows), seed)]
    assert {brief.lineage for brief in asked} == {0, 3}  # 1 gave its place to 3
    assert all(b.operator is Operator.INITIAL for b in asked if b.lineage == 3)


def test_evolution_stands_by_what_is_surely_good_rather_than_what_once_was():
    once, thrice = candidate(0, 0, 10.0), candidate(0, 1, 9.0, trainings=3)
    others = [candidate(0, 2 + i, float(i)) for i in range(6)]
    shaky = replace(
        others[5], score=Score(5.0, 0.0, 9.0, 0.0, 100.0, (9.0, 1.0, 5.0), 10)
    )  # trainings are partly luck
    found = Archive((once, thrice, *others[:5], shaky), 1)
    assert STRATEGIES["evolve"].best(found) is thrice
    assert [c.id for c in found.uncertain_leaders(2, enough=3)] == ["g00c00"]
    assert found.uncertain_leaders(2, enough=1) == []


def test_where_trainings_end_alike_none_is_repeated():
    made = [candidate(0, i, float(i), trainings=2) for i in range(8)]
    assert Archive(tuple(made), 1).uncertain_leaders(3, enough=5) == []


def test_who_stands_out():
    found = lineages([(0, i, 0, float(i) if i < 4 else None) for i in range(8)])
    assert [c.id for c in found.candidates if found.stands_out(c)] == ["g00c02", "g00c03"]


MODULES = {
    "fine": "from reward_synth.search.strategies.iid import Iid as Mine",
    "empty": "",
    "no_class": "def Mine(): ...",
    "no_strategy": "class Mine:\n    def best(self, archive): ...",
    "wants": "from reward_synth.search.strategies.eureka import Eureka as Mine",
    "needs": "import a_package_that_nobody_has",
    "broken": "1 / 0",
    "asks": "from reward_synth.search.strategies.icpl import Icpl as Mine",
}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere:Mine", "no module nowhere. Put the folder"),
        ("needs:Mine", "no module a_package_that_nobody_has"),
        ("broken:Mine", "broken cannot be imported: ZeroDivisionError: division by zero."),
        ("empty:Mine", "empty has no class Mine."),
        ("no_class:Mine", "something else than a class in Mine"),
        ("no_strategy:Mine", "Mine is no strategy, for it has no blind and no briefs"),
        ("wants:Mine", "made without arguments: TypeError"),
        ("asks:Mine", "search.strategy=asks:Mine goes by preferences"),
        (":", "search.strategy=:"),
        ("evolv", "Did you mean 'evolve'?"),
    ],
)
def test_what_is_no_strategy_is_said_in_one_line(tmp_path, monkeypatch, name, words):
    for module, source in MODULES.items():
        (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    RunConfig(search=SearchSettings(strategy="fine:Mine")).check()
    with pytest.raises(ConfigError) as caught:
        RunConfig(search=SearchSettings(strategy=name)).check()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_strategy_of_ones_own_is_a_class_by_its_place():
    own = strategy_of("reward_synth.search.strategies.iid:Iid")
    assert own == STRATEGIES["iid"]
