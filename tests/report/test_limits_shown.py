"""A winner that exceeds the task's limits is marked: in the tables, the report, the reflection."""

from __future__ import annotations

import io
from dataclasses import asdict, replace

from page import Page
from rich.console import Console
from synthetic_run import finish

from reward_synth.cli.tables import comparison_table, generation_table
from reward_synth.records import Violation
from reward_synth.search.archive import Archive
from reward_synth.search.listener import comparison_from_json
from reward_synth.search.store import Store

FAST = Violation("joint speed", "rad/s", 0.124, 3.25)
KEPT = Violation("joint speed", "rad/s", 0.0, 0.0)
HARD = Violation("force of the ground", "N", 0.002, 812.0)
WORDS = (
    "joint speed in 12% of steps, by up to 3.25 rad/s; "
    "force of the ground in under 1% of steps, by up to 812 N"
)


def violate(folder, best: str) -> None:
    """Let the found reward and the best candidate exceed limits; the others keep to them."""
    with Store.open(folder) as store:
        result = store.get("result")
        for name, score in result["scores"].items():
            found = (FAST, HARD) if name == "found" else (KEPT, replace(HARD, share=0.0))
            score["violations"] = [asdict(v) for v in found]
        store.put("result", result)
        (winner,) = [c for c in store.candidates() if c.id == best]
        changed = replace(winner.score, violations=(FAST, HARD))
        store.save_candidates([replace(winner, score=changed)])


def printed(renderable) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(renderable)
    return console.file.getvalue()


def test_the_report_marks_a_winner_that_violates(tmp_path):
    finish(tmp_path)
    before = Page(tmp_path).text
    assert "limits" not in before
    violate(tmp_path, "g02c05")
    after = Page(tmp_path).text
    assert f"The winner exceeds limits of the task: {WORDS}" in after
    assert "exceeded in 12% of steps, by up to 3.25 rad/s" in after
    assert after.count("kept") == 4  # both limits, by the two others
    assert f"exceeded: {WORDS}" in after  # the candidate's own facts


def test_the_tables_mark_it_too(tmp_path):
    finish(tmp_path)
    with Store.read(tmp_path) as store:
        kept = comparison_from_json(store.get("result"))
        archive = Archive(tuple(store.candidates()), 3)
    assert "!" not in printed(comparison_table(kept))
    assert "!" not in printed(generation_table(archive, None, 3))
    violate(tmp_path, "g02c05")
    with Store.read(tmp_path) as store:
        broken = comparison_from_json(store.get("result"))
        archive = Archive(tuple(store.candidates()), 3)
    text = printed(comparison_table(broken))
    assert f"! found by this run exceeds limits: {WORDS}" in " ".join(text.split())
    assert text.count("!") == 1
    marked = printed(generation_table(archive, None, 3))
    (row,) = [line for line in marked.splitlines() if "g02c05" in line]
    assert row.rstrip().endswith("!")
    assert "! exceeds limits of the task" in marked
