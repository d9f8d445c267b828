"""What the parts of the report about the search say, on candidates small enough to count."""

import math
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from page import Page
from scipy import stats
from synthetic_run import begin, program, search

from reward_synth.feedback.estimates import Estimate, estimates
from reward_synth.feedback.scores import Score
from reward_synth.records import Finding, Rejection, Stage
from reward_synth.report.budget import timeline
from reward_synth.report.curves import drawings, thinned
from reward_synth.report.map import scaled
from reward_synth.report.marks import Fate, fate, marks, shades
from reward_synth.report.run import Curve, Incumbent, read_run
from reward_synth.report.rungs import rungs
from reward_synth.report.tallies import Share, screens, tallies
from reward_synth.report.tree import family_tree
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate, Standing
from reward_synth.search.config import RunConfig, SearchSettings
from reward_synth.search.store import INCUMBENT, Spent, Store


def candidate(generation=0, index=0, fitness=None, **changes) -> Candidate:
    trainings = fitness if isinstance(fitness, tuple) else (fitness,)
    given = None
    if fitness is not None:
        mean = float(np.mean(trainings))
        given = Score(mean, mean - 1, mean + 1, 0.5, 200.0, trainings, 10)
    made = Candidate(generation, index, "revise", (), "a-model", program(1.0), score=given)
    return replace(made, **changes)


def standing(low: float, kept: bool = True) -> Standing:
    return Standing(1000, low + 0.5, low, kept)


DUPLICATE = {
    "findings": (Finding("duplicate", True, "It is g00c01's."),),
    "rejection": Rejection(Stage.SCREEN, "It is g00c01's."),
}
EXPLOIT = Finding("exploit", True, "Falling pays.")

KINDS = {
    "scored": candidate(fitness=3.0),
    "cut": candidate(index=1, standings=(standing(1.0), standing(0.0, kept=False))),
    "rejected": candidate(index=2, rejection=Rejection(Stage.LINT, "no imports.")),
    "duplicate": candidate(index=3, **DUPLICATE),
    "waiting": candidate(index=4),
    "audited": candidate(index=5, fitness=1.0, audited=True, findings=(EXPLOIT,)),
    "wildcard": candidate(index=6, fitness=2.0, wildcard=True),
}


def tree_of(candidates, best="") -> str:
    return family_tree(candidates, Archive(tuple(candidates), 1).estimates, best)


def nodes(tree: str) -> dict[str, tuple[set[str], str]]:
    """Each node's classes and title, by id."""
    found = re.findall(r'<a href="#(\w+)" class="node ([^"]*)"[^>]*><title>([^<]*)</title>', tree)
    return {id: (set(classes.split()), title) for id, classes, title in found}


@pytest.mark.parametrize("many", [False, True])
def test_nodes_say_what_became_of_candidates(many):
    others = [candidate(1, i, 0.0) for i in range(60 * many)]
    found = nodes(tree_of([*KINDS.values(), *others], best="g00c00"))
    for kind, made in KINDS.items():
        classes, title = found[made.id]
        assert kind in classes
        assert ("best" in classes) == (made.id == "g00c00")
        assert title.startswith(f"{made.id}, lineage 0: ")
    assert "cut at rung 2" in found["g00c01"][1]
    assert "no: lint" in found["g00c02"][1]
    assert found["g00c03"][1].endswith("duplicate")
    assert "audited" in found["g00c05"][1]


def test_tree_says_how_often_a_candidate_was_trained():
    for others in (0, 60):
        tree = tree_of(
            [candidate(fitness=(1.0, 2.0, 3.0)), *(candidate(1, i) for i in range(others))]
        )
        assert re.search(r">3( trainings)?</text>", tree)


def columns(tree: str) -> dict[str, int]:
    """The left edge of each named node."""
    places = re.findall(r'href="#(\w+)" class="node [^"]*" transform="translate\((\d+) ', tree)
    return {id: int(x) for id, x in places}


def test_a_lineage_takes_over_the_lane_of_one_that_ended():
    lines = [(0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 1), (2, 0, 0), (2, 1, 4), (3, 0, 4)]
    at = columns(tree_of([candidate(g, i, 1.0, lineage=n) for g, i, n in lines]))
    assert at["g00c00"] == at["g01c00"] == at["g02c00"] < at["g00c01"]
    assert at["g02c01"] == at["g03c00"] == at["g00c01"]  # lineage 4 is where 1 was


def test_nodes_do_not_overlap():
    many = [candidate(g, i, lineage=(i * 7 + g) % 4) for g in range(6) for i in range(12)]
    tree = tree_of(many)
    places = re.findall(r'class="node [^"]*" transform="translate\((\d+) (\d+)', tree)
    assert len(set(places)) == len(many)


def test_lines_come_from_parents_and_are_dashed_from_donors():
    tree = tree_of(
        [
            candidate(0, 0, 1.0),
            candidate(0, 1, 1.0, lineage=1),
            candidate(1, 0, parents=("g00c00", "g00c01", "g09c09")),
        ]
    )
    lines = re.findall(r'class="line (donor )?l\d" data-p="(\w+)" data-c="(\w+)"', tree)
    assert lines == [("", "g00c00", "g01c00"), ("donor ", "g00c01", "g01c00")]


def test_shades_are_ranks():
    shade = shades(estimates({"a": (-1e9,), "b": (1.0,), "c": (2.0,), "d": (2.0,)}))
    assert shade == {"a": 0.0, "b": 0.5, "c": 1.0, "d": 1.0}
    assert shades(estimates({"a": (5.0,)})) == {"a": 1.0}


def test_marks_of_neighbouring_lineages_differ():
    looks = marks([candidate(0, i, lineage=i) for i in range(12)])
    assert len({(look.colour, look.shape) for look in looks.values()}) == 12


def test_only_a_fatal_finding_of_the_screen_stage_makes_a_duplicate():
    remark = (Finding("duplicate", False, "Close to g00c01."),)
    assert fate(candidate(**DUPLICATE)) is Fate.DUPLICATE
    other = Rejection(Stage.SCREEN, "Falling pays.")
    assert fate(candidate(findings=remark, rejection=other)) is Fate.REJECTED


def test_rungs_count_and_agree():
    found = rungs(
        [
            candidate(0, 0, 3.0, standings=(standing(1.0), standing(2.0))),
            candidate(0, 1, 2.0, standings=(standing(2.0), standing(1.0)), wildcard=True),
            candidate(0, 2, 1.0, standings=(standing(0.0), standing(0.5))),
            candidate(0, 3, standings=(standing(0.2), standing(0.1, kept=False))),
            candidate(0, 4, standings=(standing(-1.0, kept=False),)),
        ]
    )
    assert [(r.number, r.stood, r.cut) for r in found] == [(1, 5, 1), (2, 4, 1)]
    first, second = (r.agreement for r in found)
    assert (first.tau, first.pairs) == (pytest.approx(1 / 3), 3)
    assert (second.tau, second.pairs) == (1.0, 3)
    assert (found[0].wildcards.tau, found[0].wildcards.pairs) == (0.0, 2)


def test_shares_have_wilsons_interval():
    # 3 of 10: Brown, Cai and DasGupta (2001), centre (3 + z^2/2) / (10 + z^2).
    z = stats.norm.ppf(0.975)
    low, high = Share(3, 10).interval
    assert (low + high) / 2 == pytest.approx((3 + z * z / 2) / (10 + z * z))
    assert math.isnan(Share(0, 0).value)
    assert Share(0, 0).interval == (0.0, 1.0)


def test_screens_are_counted():
    rows = {s.name: (s.rejected, s.audited, s.remarked) for s in screens(list(KINDS.values()))}
    assert rows == {"lint": (1, 0, 0), "duplicate": (1, 0, 0), "exploit": (0, 1, 0)}


def test_tallies_count_what_improved_on_its_parent():
    parent = candidate(0, 0, 1.0)
    children = [
        candidate(1, 0, 2.0, parents=(parent.id,)),
        candidate(1, 1, 0.0, parents=(parent.id,)),
        candidate(1, 2, parents=(parent.id,), rejection=Rejection(Stage.TRACE, "no")),
        candidate(1, 3, parents=(parent.id,)),  # waits
        candidate(1, 4, 3.0, parents=("g00c09",)),  # whose parent nobody knows
    ]
    everyone = [parent, *children]
    archive = Archive(tuple(everyone), 2)
    (row,) = tallies(archive, lambda c: c.kind)
    assert (row.name, row.candidates, row.scored) == ("revise", 6, 4)
    assert row.improved == Share(1, 3)
    assert row.leading == Share(1, 4)  # g01c04, of those that were trained
    assert row.best == max(estimate.mean for estimate in archive.estimates.values())


def test_classical_scaling_gives_planar_points_back():
    points = np.random.default_rng(0).normal(size=(7, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    places, share = scaled(distances)
    again = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert again == pytest.approx(distances)
    assert share == pytest.approx(1.0)


def test_classical_scaling_says_what_two_dimensions_miss():
    _, share = scaled(1.0 - np.eye(4))  # a tetrahedron, as wide each of three ways
    assert share == pytest.approx(2 / 3)
    assert scaled(np.zeros((3, 3)))[1] == 1.0


def test_thinned_curves_are_means_of_parts():
    steps = np.arange(1.0, 601.0)
    curve = Curve(steps, np.where(steps > 300, np.nan, steps), {"a": 2 * steps})
    thin = thinned(curve)
    assert len(thin.steps) == 60
    assert thin.steps[[0, -1]].tolist() == [10.0, 600.0]
    assert thin.fitness[0] == pytest.approx(5.5)
    assert np.isnan(thin.fitness[30:]).all()
    assert thin.terms["a"][-1] == pytest.approx(2 * 595.5)
    short = Curve(steps[:60], steps[:60], {})
    assert thinned(short) is short


def test_drawings_leave_out_what_is_never_known_and_escape_names():
    curve = Curve(np.array([1.0, 2.0]), np.array([np.nan, np.nan]), {"<b>": np.array([3.0, 3.0])})
    drawn = drawings(curve)
    assert drawn.count("<svg") == 1
    assert "<b>" not in drawn


def test_timeline_adds_up_and_leaves_out_pauses(tmp_path, monkeypatch):
    times = iter((0.0, 60.0, 120.0, 120.0, 7200.0, 7260.0, 7320.0))
    monkeypatch.setattr("reward_synth.search.store.time.time", times.__next__)
    with Store.open(tmp_path) as store:
        store.log("sitting", seconds=0.0)
        store.charge("a", "proposing", Spent(10, 5, 0.5, 0, 20.0))
        store.charge("b", "training", Spent(env_steps=300, seconds=60.0))
        note_incumbent(store, 0, "", None, env_steps=300, seconds=120.0)
        store.log("sitting", seconds=120.0)
        store.charge("c", "training again", Spent(env_steps=100, seconds=20.0))
        note_incumbent(store, 1, "g00c00", CHOSEN, env_steps=400, seconds=180.0)
    line = timeline(read_run(tmp_path))
    assert line.minutes.tolist() == [1.0, 2.0, 3.0]
    assert line.steps.tolist() == [0.0, 300.0, 400.0]
    assert line.tokens.tolist() == [15.0, 15.0, 15.0]
    assert {name: share[-1] for name, share in line.step_shares.items()} == {
        "training": 0.75,
        "training again": 0.25,
    }
    assert line.second_shares["proposing"].tolist() == [1.0, 0.25, 0.2]
    # After generation 0 nothing was trained to the end, so that nothing had been found.
    assert line.found == (Incumbent(1, "g00c00", CHOSEN, 400, 180.0),)


CHOSEN = Estimate(1.0, 0.2, 0.6, 1.4, 1)


def note_incumbent(store: Store, generation: int, best: str, estimate, **spent) -> None:
    store.log(
        INCUMBENT,
        generation=generation,
        best=best or None,
        estimate=estimate and asdict(estimate),
        candidates=2,
        tokens=15,
        dollars=0.5,
        **spent,
    )


def test_best_is_what_the_strategy_stands_by(tmp_path):
    """Of two candidates Eureka may prefer the one that we would not."""
    with Store.open(tmp_path) as store:
        begin(store)
        store.save_candidates([candidate(0, 0, 1.0), candidate(0, 1, 5.0)])
    assert best_of(tmp_path) == "g00c01"  # in the first generation, the best estimate so far
    with Store.open(tmp_path) as store:
        note_incumbent(store, 0, "g00c00", CHOSEN, env_steps=1, seconds=1.0)
    assert best_of(tmp_path) == "g00c00"
    assert "Best so far is g00c00" in " ".join(Page(tmp_path).text.split())
    with Store.open(tmp_path) as store:
        store.put("best", "g00c01")
    assert best_of(tmp_path) == "g00c01"
    assert "The search chose g00c01" in " ".join(Page(tmp_path).text.split())


def best_of(folder: Path) -> str:
    best = read_run(folder).best
    assert best is not None
    return best.id


def test_what_was_passed_over_is_not_called_turned_down(tmp_path):
    with Store.open(tmp_path) as store:
        begin(store)
        reasons = {1: Stage.SCREEN, 2: Stage.CHOICE, 3: Stage.CHOICE}
        store.save_candidates(
            [candidate(0, 0, 1.0)]
            + [candidate(0, i, rejection=Rejection(at, "so.")) for i, at in reasons.items()]
        )
        store.charge("0", "training", Spent(env_steps=300, seconds=20.0))
        note_incumbent(store, 0, "g00c00", CHOSEN, env_steps=300, seconds=20.0)
    text = " ".join(Page(tmp_path).text.split())
    assert "1 turned down, 2 passed over for others." in text
    assert "crosses were turned down or passed over" in text


def test_a_search_without_races_screens_and_reruns_has_no_sections_of_them(tmp_path):
    """Eureka's: every candidate is trained once, to the end, by one author in one line."""
    with Store.open(tmp_path) as store:
        begin(store)
        bare = SearchSettings(
            "eureka", 2, 3, screens=False, duplicates=0.0, rungs=(), keep=(), reruns=0
        )
        store.put("config", asdict(RunConfig(search=bare)))
        first = [candidate(0, i, float(i), operator="initial") for i in range(3)]
        store.save_candidates(
            [*first, *(candidate(1, i, 2.5 * i, parents=("g00c02",)) for i in range(3))]
        )
        for generation in range(2):
            store.charge(f"{generation}", "training", Spent(env_steps=300, seconds=20.0))
            note_incumbent(store, generation, "g00c02", CHOSEN, env_steps=300, seconds=20.0)
    page = Page(tmp_path)
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {"search", "yields", "cost", "candidates"} <= ids
    assert not {"races", "screens", "map"} & ids
    text = " ".join(page.text.split())
    for words in ("by lineage", "by author", "cut", "turned down", "audited", "wildcard", "tokens"):
        assert words not in text.partition("To do it again")[0], words
    assert text.count("Fitness of the episodes that ended") == 0  # there are no curves


@pytest.mark.parametrize(
    ("distances", "shown"),
    [
        (None, False),
        ({"ids": [], "matrix": []}, False),
        ({"ids": ["g00c00", "g00c01"], "matrix": [[0, 1], [1, 0]]}, False),
        ({"ids": ["x", "y", "z"], "matrix": [[0, 1, 1], [1, 0, 1], [1, 1, 0]]}, False),
        (
            {
                "ids": ["g00c00", "g00c01", "g00c02", "g00c03"],
                "matrix": [
                    [0, 1, 1, None],
                    [1, 0, 1, None],
                    [1, 1, 0, None],
                    [None, None, None, 0],
                ],
            },
            True,
        ),
    ],
)
def test_map_is_left_out_where_there_is_none(tmp_path, distances, shown):
    with Store.open(tmp_path) as store:
        begin(store)
        store.save_candidates([candidate(0, i, float(i)) for i in range(4)])
        if distances is not None:
            store.put("distances", distances)
    page = Page(tmp_path)
    assert ("map" in {a.get("id") for _, a in page.tags}) == shown
    assert len(page.of_class("point")) == 3 * shown


def test_small_search_needs_no_script(tmp_path):
    """All that is known of the candidates of a small run stands in its sections."""
    search(tmp_path, generations=3, places=6, iterations=20)
    page = Page(tmp_path)
    assert page.scripts[0] == "{}"
    assert "The race" in page.text
    assert "Program" in page.text
    links = {a["href"] for a in page.all("a")}
    assert links <= {f"#{a['id']}" for _, a in page.tags if "id" in a}
