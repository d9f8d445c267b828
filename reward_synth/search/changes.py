"""What distinguishes a program from the one that it was made from, in few lines."""

from __future__ import annotations

import ast
import difflib
import re
import textwrap
from collections.abc import Iterator
from functools import lru_cache

from reward_synth.records import RewardProgram
from reward_synth.reward.parse import syntax_tree

_LONGEST_PHRASE = 140
_MOST_LINES = 24  # among much else that a proposer is told
_MOST_LINES_ALONE = 40
_ALIKE = 0.5  # similarity of two programs below which a list of differences says nothing


def aim_of(program: RewardProgram) -> str:
    """Return what a program pays for: the first sentence of its docstring."""
    paragraphs = [p for p in _paragraphs(program.rationale) if not p.startswith("Change:")]
    sentences = re.split(r"(?<=[.!?])\s", paragraphs[0] if paragraphs else "")
    return shortened(sentences[0]) or "it does not say what for."


def change_of(program: RewardProgram, before: RewardProgram | None = None) -> str:
    """Return what was changed to make a program, in a phrase.

    Its docstring says so; one that is the same as before only speaks of an earlier change. Where
    nothing is said, what the program pays for.
    """
    if before is not None and before.rationale == program.rationale:
        old = dict(before.weights)
        moved = [
            f"{name} {old[name]:g} to {value:g}"
            for name, value in program.weights
            if name in old and old[name] != value
        ]
        return shortened(f"other weights: {', '.join(moved)}") if moved else "a change of code"
    said = [
        p.removeprefix("Change:") for p in _paragraphs(program.rationale) if p.startswith("Change:")
    ]
    return (shortened(said[-1]) if said else "") or aim_of(program)


def same_structure(one: RewardProgram, other: RewardProgram) -> bool:
    """Whether two programs differ in docstrings, comments and the numbers of WEIGHTS alone."""
    return structure(one.source) == structure(other.source)


@lru_cache(maxsize=1024)
def structure(source: str) -> str:
    """Return a program's syntax without docstrings and the table of WEIGHTS."""
    tree = syntax_tree(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    tree.body = [node for node in tree.body if not _is_table(node)]
    return ast.dump(tree)


def diff(before: RewardProgram, after: RewardProgram) -> str:
    """Return the lines of code that differ, marked - and +, with one line around them.

    Docstrings and blank lines are left out. "" if no line differs, or hardly one is the same.
    """
    old, new = list(_code(before.source)), list(_code(after.source))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return ""
    lines = list(difflib.unified_diff(old, new, lineterm="", n=1))[2:]
    lines = ["..." if line.startswith("@@") else line for line in lines][1:]
    return "\n".join(_cut(lines, _MOST_LINES))


def difference(before: RewardProgram, after: RewardProgram) -> str:
    """Return all that changed, weights by name and then the lines of code; "" if nothing did.

    As ``diff``, but without lines around, and also of programs that are hardly alike.
    """
    old, new = dict(before.weights), dict(after.weights)
    came = [f"weight {name} is new: {new[name]:g}" for name in new if name not in old]
    went = [f"weight {name} is gone" for name in old if name not in new]
    moved = [
        f"weight {name} went from {old[name]:g} to {new[name]:g}"
        for name in old
        if new.get(name, old[name]) != old[name]
    ]
    sides = list(_code(before.source)), list(_code(after.source))
    lines = list(difflib.unified_diff(*sides, lineterm="", n=0))[2:]
    lines = [line for line in lines if not line.startswith("@@")]
    return "\n".join([*came, *went, *moved, *_cut(lines, _MOST_LINES_ALONE)])


def shortened(text: str, most: int = _LONGEST_PHRASE) -> str:
    """Return the text on one line of no more than so many characters, cut between words."""
    return textwrap.shorten(text, most, placeholder=" ...")


def _cut(lines: list[str], most: int) -> list[str]:
    left_out = len(lines) - most
    return [*lines[:most], f"... and {left_out} more lines"] if left_out > 0 else lines


def _paragraphs(rationale: str) -> Iterator[str]:
    """Yield a docstring's paragraphs on one line each; a "Change:" line begins a new one."""
    for paragraph in re.split(r"\n\s*\n|\n\s*(?=Change:)", rationale.strip()):
        if paragraph.strip():
            yield " ".join(paragraph.split())


def _is_table(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign):
        return False
    return any(isinstance(target, ast.Name) and target.id == "WEIGHTS" for target in node.targets)


def _code(source: str) -> Iterator[str]:
    """Yield a program's lines without docstrings and blank ones."""
    words: set[int] = set()
    for node in ast.walk(syntax_tree(source)):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node) is not None:
            words |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    for number, line in enumerate(source.split("\n"), start=1):
        if line.strip() and number not in words:
            yield line.rstrip()
