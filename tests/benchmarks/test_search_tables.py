"""Tables of benchmarks/search.py: equal numbers of searches, and nothing before there is any."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.search_tables import aligned, curves, iqm

REFERENCES = {task: {"sparse": 0.0, "expert": 2.0} for task in "ab"}


def search(task, seed, held_out, at=(500, 1000)):
    points = [
        {"env_steps": steps, "held_out": [value]} for steps, value in zip(at, held_out, strict=True)
    ]
    return {"key": [task, "evolve", seed, 100, 10, "offline"], "points": points}


def searches(seeds):
    """Two strategies on two tasks, with these seeds: {(strategy, task): seeds}."""
    found = {"evolve": {}, "iid": {}}
    for (strategy, task), mine in seeds.items():
        found[strategy][task] = {seed: search(task, seed, (1.0, 2.0)) for seed in mine}
    return found


def test_only_searches_that_all_have_are_compared(capsys):
    seeds = {
        ("evolve", "a"): (0, 1, 2),
        ("evolve", "b"): (0, 1),
        ("iid", "a"): (0, 1),
        ("iid", "b"): (1, 0, 3),
    }
    found = aligned(["evolve", "iid"], searches(seeds))
    assert {n: {t: list(s) for t, s in tasks.items()} for n, tasks in found.items()} == {
        name: {"a": [0, 1], "b": [0, 1]} for name in ("evolve", "iid")
    }
    assert "2 searches are left out" in capsys.readouterr().out


def test_equal_ones_are_all_kept_in_silence(capsys):
    names, seeds = ("evolve", "iid"), (0, 1)
    full = searches({(name, task): seeds for name in names for task in "ab"})
    assert aligned(list(names), full) == full
    assert capsys.readouterr().out == ""


def test_strategies_without_a_common_search_are_not_compared():
    seeds = {("evolve", "a"): (0,), ("iid", "a"): (1,)}
    with pytest.raises(SystemExit, match="evolve, iid"):
        aligned(["evolve", "iid"], searches(seeds))


def test_a_search_has_no_score_before_its_first_generation_has_ended():
    lines = {"a": {0: search("a", 0, (1.0, 3.0)), 1: search("a", 1, (1.0, 2.0), at=(250, 1000))}}
    scores = curves(lines, REFERENCES, "env_steps")["a"]
    grid = np.linspace(0.0, 1.0, scores.shape[1])
    assert np.isnan(scores[0][grid < 0.5]).all()
    assert (scores[0][(grid >= 0.5) & (grid < 1.0)] == 0.5).all()
    assert scores[:, -1].tolist() == [1.5, 1.0]
    middle = iqm([scores])
    assert np.isnan(middle[grid < 0.5]).all()
    assert np.isfinite(middle[grid >= 0.5]).all()
