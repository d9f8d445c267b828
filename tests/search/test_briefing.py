"""What a proposer is told of a candidate: golden text, and each part where it belongs."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.search.briefing import (
    ancestors_of,
    elites_of,
    gain_of,
    parent_of,
    plain_parent_of,
    summary_of,
)
from reward_synth.search.changes import aim_of, change_of, diff, same_structure
from tests.search.descent import (
    ALL,
    BASE,
    BEST,
    CHILD,
    RIVAL,
    archive,
    candidate,
    changed,
    program,
    score,
)

GOLDEN = Path(__file__).parent / "golden" / "briefing.md"


def test_golden():
    """Regenerate with REWARD_SYNTH_GOLDEN=write."""
    parent, child = parent_of(ALL, BEST), parent_of(ALL, CHILD)
    rendered = (
        f"{parent.reflection}\n\n# Its parent\n\n{child.reflection}\n\n# As an elite\n\n"
        f"{child.summary}\n"
    )
    if os.environ.get("REWARD_SYNTH_GOLDEN") == "write":
        GOLDEN.write_text(rendered)
    assert rendered == GOLDEN.read_text()


def test_the_last_step_is_shown_as_code_unless_it_was_in_weights_alone():
    text = parent_of(ALL, CHILD).reflection
    assert '+        "forward": w["forward"] * jnp.tanh(forward),' in text
    assert "```diff" not in parent_of(ALL, BEST).reflection
    words = changed("words.", forward="jnp.tanh(forward)")
    retold = replace(CHILD, generation=4, parents=(CHILD.id,), program=words)
    text = parent_of(archive(BASE, CHILD, retold), retold).reflection
    assert "anew" not in text
    assert "Against g01c00: fitness" in text


def test_elites_are_other_programs_than_the_parent_each_once():
    other = replace(RIVAL, program=program(forward="forward**2"))
    again = replace(RIVAL, index=7, program=program("Told anew.", "forward**2", 3.0))
    known = archive(BASE, other, again, CHILD, BEST)
    assert [elite.id for elite in elites_of(known, BEST, 2)] == ["g00c01", "g00c00"]
    assert len(elites_of(known, BEST, 1)) == 1
    assert elites_of(known, BEST, 0) == ()


def test_a_structure_is_the_code_without_words_and_weights():
    assert same_structure(program("One.", weight=1.0), program("Another.", weight=2.0))
    assert not same_structure(program(), program(forward="forward**2"))
    constant = replace(program(), source="LIMIT = 1.0\n" + program().source)
    assert not same_structure(constant, program())


def test_a_founder_has_no_path_and_one_without_notes_no_notes():
    reflection = parent_of(ALL, BASE).reflection
    assert "How it came about" not in reflection
    assert "Noticed" not in reflection
    assert reflection == BASE.reflection


def test_a_plain_parent_has_curves_and_outcome_only():
    plain = plain_parent_of(ALL, BEST)
    assert "term forward" in plain.reflection
    assert "The final policy" in plain.reflection
    assert "##" not in plain.reflection
    assert plain.program == BEST.program


def test_a_long_path_keeps_its_founder_and_its_latest():
    line = [BASE]
    for i in range(1, 12):
        line.append(
            candidate(
                f"g{i:02d}c00",
                "structure",
                (line[-1].id,),
                (float(i),),
                program=changed(f"step {i}."),
            )
        )
    known = archive(*line)
    assert ancestors_of(known, line[-1]) == line[:-1]
    text = parent_of(known, line[-1]).reflection
    assert "- g00c00 (initial)" in text
    assert "- ... 6 more ..." in text
    assert [f"step {i}." in text for i in range(1, 12)] == [False] * 6 + [True] * 5


def test_gains_are_between_estimates_and_say_whether_they_are_sure():
    gain = gain_of(ALL, CHILD)
    one, other = ALL.estimates[CHILD.id], ALL.estimates[BASE.id]
    assert gain.mean == pytest.approx(one.mean - other.mean)
    assert gain.deviation == pytest.approx((one.deviation**2 + other.deviation**2) ** 0.5)
    assert gain_of(ALL, BASE) is None
    far = [
        replace(c, score=score(*(s + 50 * k for s in (0.0, 0.1, 0.2))))
        for k, c in enumerate((BASE, CHILD))
    ]
    assert gain_of(archive(*far), far[1]).sure
    assert not gain_of(ALL, BEST).sure
    assert "which may be noise" in parent_of(ALL, BEST).reflection


def test_a_run_of_one_candidate_claims_no_interval():
    assert "[" not in summary_of(archive(RIVAL), RIVAL)


def test_what_a_program_says_of_itself():
    assert aim_of(changed("x.")) == "Speed pays, in metres."
    assert change_of(changed("a is b.\nSince c.")) == "a is b. Since c."
    assert change_of(program("Only an aim. And more.")) == "Only an aim."
    assert change_of(program("Aim.\nChange: first.\n\nChange: last.")) == "last."
    same = program("Aim.\n\nChange: of long ago.", weight=3.0)
    assert change_of(same, program("Other.")) == "of long ago."
    assert change_of(same, replace(program(weight=2.0), rationale=same.rationale)) == (
        "other weights: forward 2 to 3"
    )
    assert aim_of(program("")) == "it does not say what for."
    assert len(change_of(program("Change: " + "word " * 100))) <= 140


@given(st.text(), st.text())
def test_whatever_a_docstring_holds_a_phrase_is_one_short_line(one, other):
    for rationale in (one, f"{one}\n\nChange:{other}"):
        written = replace(program(), rationale=rationale)
        for phrase in (aim_of(written), change_of(written)):
            assert phrase == " ".join(phrase.split())
            assert 0 < len(phrase) <= 140


def test_diff_is_about_code_alone():
    assert diff(program("One."), program("Another.\n\nAnd more.")) == ""
    lines = diff(program(), program(forward="jnp.tanh(forward)", weight=2.0)).split("\n")
    assert [line[0] for line in lines if line != "..."].count("+") == 2
    assert any(line.startswith("+") and "jnp.tanh(forward)" in line for line in lines)
    assert all("@@" not in line for line in lines)
    assert not lines[0].startswith("...")


def test_a_program_that_was_written_anew_is_not_compared_line_by_line():
    other = replace(program(), source="\n".join(f"x_{i} = {i}" for i in range(40)))
    assert diff(program(), other) == ""
    child = candidate("g01c00", "thought", ("g00c00",), (2.0,), program=other)
    assert "was written anew" in parent_of(archive(BASE, child), child).reflection


def test_a_long_diff_is_cut():
    lines = [f"x_{i} = {i}" for i in range(100)]
    before, after = (
        replace(program(), source="\n".join(x))
        for x in (lines, [line.replace("1", "7") for line in lines])
    )
    found = diff(before, after).split("\n")
    assert len(found) == 25
    assert found[-1].startswith("... and")
