"""From a language model's answer to a reward program, without running any of it."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reward_synth.records import Rejection, RewardProgram, Stage

PARAMETERS = ("state", "action", "next_state", "w")

MOST_TERMS = 32
LARGEST_REWARD = 1e6  # a step; beyond it float32 has no digits left for terms of order 1
_MOST_CHARACTERS = 20_000
_MOST_BLOCKS = 20  # that are tried, the last first
_HARMLESS_IMPORTS = ("import jax", "import jax.numpy as jnp", "from jax import numpy as jnp")
_FORM = "`def reward(state, action, next_state, w):`"
_ASK = "Put the whole program, with WEIGHTS and reward, in one ```python block."
# Possessive, so that no answer takes more than linear time.
_FENCE = re.compile(r"([ \t]*+)(`{3,}+|~{3,}+)[ \t]*+([^`]*+)")


@dataclass(frozen=True, slots=True)
class _Block:
    """A fenced code block; ``closed`` is False if the answer ended first."""

    source: str
    closed: bool


class _ProblemError(Exception):
    """Carries the reason for a rejection out of nested calls."""


def parse(answer: str) -> RewardProgram | Rejection:
    """Find the reward program in an answer: the last fenced block that is one.

    Text before the end of a ``<think>`` block is not part of the answer. A block
    that was cut off is tried as it is, and nothing before it is taken in its
    place. An answer without any fence may be a program as a whole.
    """
    text = answer.rpartition("</think>")[2].replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        return _rejected("the answer is empty.", _ASK)
    if text.lstrip().startswith("<think>"):
        return _rejected("the answer is cut off: it ends inside <think>.", _ASK)
    blocks = list(_blocks(text))
    if not blocks:
        return _bare(text)
    candidates = [block for block in blocks if "def reward" in block.source]
    if not candidates and not blocks[-1].closed and blocks[-1].source.strip():
        candidates = blocks[-1:]
    if not candidates and len(blocks) > 1:
        return _rejected(f"none of the answer's {len(blocks)} code blocks has {_FORM}.", _ASK)
    return _last_program(candidates or blocks)


def parse_source(source: str) -> RewardProgram | Rejection:
    """Read one file as a reward program.

    The source is normalised: lines end in one line feed, no blank ones surround the
    code, and three imports are dropped where they stand before all other code, since
    they are a habit and change nothing: ``import jax``, ``import jax.numpy as jnp`` and
    ``from jax import numpy as jnp``. Others stay, for ``lint`` to complain about.
    """
    try:
        return _read(source)
    except _ProblemError as problem:
        return _rejected(str(problem))


def with_weights(source: str, weights: Sequence[tuple[str, float]]) -> str:
    """Return a program with other numbers in its WEIGHTS table; all else stays as it is written.

    Args:
      source: of a parsed program.
      weights: the new table; names that it leaves out keep their numbers.

    Raises:
      ValueError: the source has no such table, or a name is not in it.
    """
    tables = [node for node in syntax_tree(source).body if _assigns_weights(node)]
    program = parse_source(source)
    if isinstance(program, Rejection) or len(tables) != 1:
        raise ValueError("the program has no WEIGHTS table that can be read.")
    known = dict(program.weights)
    unknown = [name for name, _ in weights if name not in known]
    if unknown:
        raise ValueError(f"WEIGHTS has no {unknown[0]!r}; it has {', '.join(known)}.")
    table = {**known, **dict(weights)}
    entries = ", ".join(f"{json.dumps(name)}: {value:g}" for name, value in table.items())
    lines = source.split("\n")
    first, last = tables[0].lineno - 1, tables[0].end_lineno or tables[0].lineno
    return "\n".join([*lines[:first], f"WEIGHTS = {{{entries}}}", *lines[last:]])


def syntax_tree(source: str) -> ast.Module:
    """Parse Python without the warnings, which would be about somebody else's code.

    Raises:
      SyntaxError: it is not Python, or nested too deeply to be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (RecursionError, MemoryError):
        raise SyntaxError("the code is nested too deeply") from None
    except UnicodeEncodeError:
        raise SyntaxError("the code has characters that are not text") from None
    except ValueError as error:  # null bytes, in some versions of Python
        raise SyntaxError(str(error)) from None


def place(source: str, line: int | None) -> str:
    """Return "line 3 (`x = 1`): " for a line number of the source."""
    lines = source.split("\n")  # not splitlines, which knows more line ends than Python does
    if line is None or not 1 <= line <= len(lines):
        return ""
    text = _encodable(lines[line - 1].strip())
    return f"line {line} (`{text[:120]}{'...' if len(text) > 120 else ''}`): "


def _blocks(text: str) -> Iterator[_Block]:
    """Yield the fenced blocks, their indentation taken off."""
    inside: list[str] | None = None
    indent = fence = ""
    for line in text.split("\n"):
        match = _FENCE.fullmatch(line)
        tag = match[3].strip().lower() if match else ""
        # A block marked as Python begins even inside another, whose end was forgotten.
        if match and (inside is None or re.match(r"(python|py)\d*\b", tag)):
            if inside is not None:
                yield _Block("\n".join(inside), closed=True)
            inside, indent, fence = [], match[1], match[2]
        elif inside is not None and match and match[2].startswith(fence) and not tag:
            yield _Block("\n".join(inside), closed=True)
            inside = None
        elif inside is not None:
            inside.append(_outdented(line, len(indent)))
    if inside is not None:
        yield _Block("\n".join(inside), closed=False)


def _outdented(line: str, width: int) -> str:
    """Take off up to ``width`` characters of indentation."""
    blank = len(line) - len(line.lstrip(" \t"))
    return line[min(width, blank) :]


def _bare(text: str) -> RewardProgram | Rejection:
    result = parse_source(text)
    if isinstance(result, RewardProgram):
        return result
    if "def reward" not in text:
        return _rejected("the answer has no code block.", _ASK)
    return _rejected(
        f"the answer has no code block, and as a whole it is not a program: {result.reason}", _ASK
    )


def _last_program(blocks: list[_Block]) -> RewardProgram | Rejection:
    first: Rejection | None = None
    for block in reversed(blocks[-_MOST_BLOCKS:]):
        result = parse_source(block.source)
        if isinstance(result, RewardProgram):
            return result
        if not block.closed:
            return _rejected(
                f"the answer seems cut off, its last code block is not closed: {result.reason}",
                "Answer in fewer words and write a shorter program.",
            )
        first = first or result
    assert first is not None
    return first


def _read(source: str) -> RewardProgram:
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    source = _trimmed(source)
    if len(source) > _MOST_CHARACTERS:
        raise _ProblemError(
            f"the program has {len(source):,} characters; the limit is {_MOST_CHARACTERS:,}."
        )
    source = _without_imports(source, _tree(source))
    module = _tree(source)
    _check_reward(source, module)
    weights = _weights(source, module)
    rationale = _encodable(ast.get_docstring(module) or "")
    return RewardProgram(source, rationale, weights)


def _tree(source: str) -> ast.Module:
    try:
        return syntax_tree(source)
    except SyntaxError as error:
        message = _encodable(str(error.msg))
        raise _ProblemError(
            f"{place(source, error.lineno)}the program is not valid Python: {message}."
        ) from None


def _trimmed(source: str) -> str:
    """Take off blank lines before the code and all blanks after it."""
    lines = source.rstrip().split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    return "\n".join(lines[first:]) + "\n"


def _without_imports(source: str, module: ast.Module) -> str:
    lines = source.split("\n")
    for node in reversed(_preamble(module)):
        line = node.lineno - 1
        if lines[line].partition("#")[0].strip() in _HARMLESS_IMPORTS:
            del lines[line]
    return _trimmed("\n".join(lines))


def _preamble(module: ast.Module) -> list[ast.stmt]:
    """Return the imports that only the docstring and other imports precede."""
    found: list[ast.stmt] = []
    for node in module.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            break
    return found


def _check_reward(source: str, module: ast.Module) -> None:
    functions = [
        node
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "reward"
    ]
    if not functions:
        raise _ProblemError(f"there is no {_FORM} at the top level of the program.")
    where = place(source, functions[-1].lineno)
    if len(functions) > 1:
        raise _ProblemError(f"{where}reward is defined {len(functions)} times; define it once.")
    arguments = functions[0].args
    plain = tuple(argument.arg for argument in arguments.args) == PARAMETERS
    others = (
        *arguments.posonlyargs,
        *arguments.kwonlyargs,
        *arguments.defaults,
        *filter(None, (arguments.vararg, arguments.kwarg)),
    )
    if not plain or others or isinstance(functions[0], ast.AsyncFunctionDef):
        raise _ProblemError(f"{where}the function must begin with exactly {_FORM}.")


def _weights(source: str, module: ast.Module) -> tuple[tuple[str, float], ...]:
    tables = [node for node in module.body if _assigns_weights(node)]
    if not tables:
        raise _ProblemError(
            'there is no WEIGHTS table. Write `WEIGHTS = {"name": 1.0, ...}` above reward, in the '
            "same block."
        )
    where = place(source, tables[-1].lineno)
    if len(tables) > 1:
        raise _ProblemError(f"{where}WEIGHTS is assigned {len(tables)} times; assign it once.")
    table = tables[0]
    if not (
        isinstance(table, ast.Assign)
        and len(table.targets) == 1
        and isinstance(table.targets[0], ast.Name)
        and isinstance(table.value, ast.Dict)
    ):
        raise _ProblemError(
            f"{where}WEIGHTS must be one written-out table of names and numbers, as in "
            '`WEIGHTS = {"name": 1.0}`.'
        )
    weights: dict[str, float] = {}
    for key, value in zip(table.value.keys, table.value.values, strict=True):
        where = place(source, (key or value).lineno)
        if not (isinstance(key, ast.Constant) and is_name(key.value)):
            raise _ProblemError(f"{where}each key of WEIGHTS must be a short written-out string.")
        name = str(key.value)
        if name in weights:
            raise _ProblemError(f"{where}WEIGHTS has the key {name!r} twice.")
        number = _number(value)
        if number is None:
            raise _ProblemError(f"{where}WEIGHTS[{name!r}] must be a plain finite number.")
        weights[name] = number
    return tuple(weights.items())


def _assigns_weights(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    else:
        return False
    return any(isinstance(target, ast.Name) and target.id == "WEIGHTS" for target in targets)


def is_name(name: object) -> bool:
    """Return whether a weight or a term can have this name: it is printed, plotted and stored."""
    return isinstance(name, str) and 0 < len(name) <= 100 and name.isprintable()


def _number(node: ast.expr) -> float | None:
    """Return the value of a number as written, with its sign, or None."""
    sign = 1.0
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
        node = node.operand
    if not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        return None
    try:
        number = sign * float(node.value)  # pyright: ignore[reportArgumentType]
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _rejected(reason: str, advice: str = "") -> Rejection:
    return Rejection(Stage.PARSE, f"{reason} {advice}".rstrip())
