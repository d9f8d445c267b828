"""What a run shows, in a log and in a terminal."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console
from story import CANDIDATES, COMPARISON, make_candidate, make_tick, tell

from reward_synth.cli.progress import LiveProgress, PlainProgress, progress_display, remaining
from reward_synth.cli.tables import short_number
from reward_synth.search.candidate import best_of


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self) -> None:
        self.now += 1.0


def log_of_a_run() -> list[str]:
    clock = Clock()
    console = Console(file=io.StringIO(), width=110, highlight=False)
    tell(PlainProgress(console, clock), clock.advance)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # pyright: ignore


def test_a_log_has_a_line_about_every_ten_seconds() -> None:
    lines = log_of_a_run()
    assert lines[1] == "Generation 1/1: training 6 candidates"
    assert lines[2] == (
        "  23%: 90,112/393,216 steps, 9,011 steps/s, 0:34 left, fitness 1.38; "
        "spent 90,112 steps, 0:11, 39,000 tokens, $0.21"
    )
    assert [line.split(":")[0].strip() for line in lines[2:7]] == [
        "23%",
        "44%",
        "65%",
        "85%",
        "done",
    ]
    assert lines[6] == "  done: 393,216 steps in 0:48 (8,192 steps/s)"


def test_a_generation_is_a_table_and_the_reasons_of_the_rejected() -> None:
    text = "\n".join(log_of_a_run())
    row = next(line.split() for line in text.splitlines() if "* g00c02" in line)
    assert row == ["*", "g00c02", "initial", "9.62", "1", "8.28", "[4.56,", "12.01]", "40%", "812"]
    assert "left behind after 9,830 steps: g00c03" in text
    assert "  g00c01  turned down (trace): no field 'torso_vel'. Did you mean" in text


def test_the_comparison_closes() -> None:
    text = "\n".join(log_of_a_run())
    assert "4 trainings of 65,536 steps from scratch, 10 held-out episodes each" in text
    assert "found by this run     10.50   [9.00, 12.00]       40%               1.50" in text
    assert text.endswith("The reward found: g00c02 by offline, in gen_00/cand_02/reward.py")


def test_the_terminal_shows_how_far_it_is_and_what_is_left() -> None:
    clock = Clock()
    console = Console(file=io.StringIO(), width=100, force_terminal=True, record=True)
    display = LiveProgress(console)
    display._bar.get_time = clock
    shots: list[str] = []

    def shoot() -> None:
        clock.advance()
        with console.capture() as capture:
            console.print(display.render(), no_wrap=True)
        shots.append(capture.get())

    tell(display, shoot)
    early, late, final = shots[1], shots[29], shots[-1]
    assert "Generation 1/1: training 6 candidates" in plain(early)
    assert "245,760/393,216 steps" in plain(late)
    assert "8,192 steps/s" in plain(late)
    assert "00:18 left" in plain(late)
    assert "3.75 in training" in plain(late)
    assert "spent    245,760 steps, 0:31, 39,000 tokens, $0.21" in plain(late)
    assert "left     29:29, $1.79" in plain(late)
    assert "best so far 8.28 (g00c02)" in plain(final)
    assert "g00c02" in console.export_text()


def plain(text: str) -> str:
    console = Console(file=io.StringIO(), width=100)
    from rich.text import Text

    console.print(Text.from_ansi(text))
    return console.file.getvalue()  # pyright: ignore


def test_a_live_display_leaves_nothing_behind_but_its_tables() -> None:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True)
    with progress_display(console) as listener:
        tell(listener)
    assert "Final comparison" in file.getvalue()


def test_what_is_said_is_not_markup() -> None:
    file = io.StringIO()
    with progress_display(Console(file=file, width=80)) as listener:
        listener.notice("weights are [bold] and [/] too")
    assert file.getvalue() == "weights are [bold] and [/] too\n"


def test_remaining_names_only_what_is_limited() -> None:
    assert remaining(make_tick(0)) == "30:00, $1.79"


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, "-"), (12345.6, "12,346"), (-3.14159, "-3.14"), (0.01234, "0.012")],
)
def test_short_number(value: float, text: str) -> None:
    assert short_number(value) == text


def test_the_best_is_the_earlier_of_equals() -> None:
    twins = [make_candidate(0, None), make_candidate(1, 2.0), make_candidate(2, 2.0)]
    assert best_of(twins) is twins[1]
    assert best_of(twins[:1]) is None
    assert best_of(CANDIDATES) is CANDIDATES[2]
    assert COMPARISON.scores["found"].fitness == 10.5
