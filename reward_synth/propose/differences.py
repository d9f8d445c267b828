"""What changed from one reward program to another."""

from __future__ import annotations

import difflib

from reward_synth.records import RewardProgram

_MOST_LINES = 40


def difference(one: RewardProgram, other: RewardProgram) -> str:
    """Return what is different in the other program, "" if nothing is.

    A line for each of the WEIGHTS that came, went or changed; then the changed lines of the
    program, "-" before those that went and "+" before those that came.
    """
    before, after = dict(one.weights), dict(other.weights)
    came = [f"weight {name} is new: {after[name]:g}" for name in after if name not in before]
    went = [f"weight {name} is gone" for name in before if name not in after]
    moved = [
        f"weight {name} went from {before[name]:g} to {after[name]:g}"
        for name in before
        if after.get(name, before[name]) != before[name]
    ]
    lines = list(
        difflib.unified_diff(one.source.splitlines(), other.source.splitlines(), n=0, lineterm="")
    )
    changed = [
        line.rstrip() for line in lines[2:] if not line.startswith("@@") and line[1:].strip()
    ]
    left_out = len(changed) - _MOST_LINES
    note = [f"(and {left_out} more lines)"] if left_out > 0 else []
    return "\n".join([*came, *went, *moved, *changed[:_MOST_LINES], *note])
