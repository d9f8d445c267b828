"""The tree's order: imports point downward, and the text side starts without JAX."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reward_synth

PACKAGE = Path(reward_synth.__file__).parent

# A part imports its own layer and those below it.
LAYERS = (
    ("records", "errors", "files", "content", "state", "randomisation", "run_folder"),
    ("task",),
    ("reward", "sim"),
    ("feedback", "train", "rollout", "looks", "gym", "propose", "deploy"),
    ("search", "report"),
    ("label",),
    ("cli",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

# The report is made by the search, and reads of it no more than the records of a run, and
# together as strategies do.
RECORDS_OF_A_RUN = {
    "reward_synth.search.archive",
    "reward_synth.search.asking",
    "reward_synth.search.candidate",
    "reward_synth.search.config",
    "reward_synth.search.store",
}

TEXT_SIDE = (
    "reward_synth.cli.compare",
    "reward_synth.cli.export_policy",
    "reward_synth.cli.label",
    "reward_synth.cli.progress",
    "reward_synth.cli.run",
    "reward_synth.cli.settings",
    "reward_synth.cli.tasks",
    "reward_synth.cli.verify",
    "reward_synth.deploy.verify",
    "reward_synth.feedback.judge.judge",
    "reward_synth.label.dialogue",
    "reward_synth.label.panel",
    "reward_synth.propose.language",
    "reward_synth.propose.llm.openai",
    "reward_synth.propose.offline",
    "reward_synth.reward.normal_form",
    "reward_synth.search.asking",
    "reward_synth.search.loop",
    "reward_synth.search.recovery",
    "reward_synth.search.training_process",
)


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "_bundled" not in p.parts)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of each import, also inside functions, but not under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for otherwise in node.orelse:
                yield from imports(otherwise)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            yield node.lineno, str(node.module)
            # `from reward_synth.search import loop` names a module as well.
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        else:
            yield from imports(node)


def upward(path: Path) -> Iterator[str]:
    """What a module imports and should not."""
    part = part_of(path)
    for line, module in imports(ast.parse(path.read_text(encoding="utf-8"))):
        root, _, rest = module.partition(".")
        other = rest.split(".")[0]
        if root != "reward_synth" or other not in LEVEL:
            continue
        place = f"{path.relative_to(PACKAGE)}:{line} imports {module}"
        if LEVEL[other] > LEVEL.get(part, 0):
            yield place
        named = ".".join(module.split(".")[:3])
        in_search = part == "report" and module.startswith("reward_synth.search.")
        if in_search and named not in RECORDS_OF_A_RUN:
            yield f"{place}, which is not of a run's records"


def test_imports_point_downward() -> None:
    assert [wrong for path in modules() for wrong in upward(path)] == []


def test_every_part_has_a_layer() -> None:
    assert {part_of(path) for path in modules()} - {"__init__"} <= set(LEVEL)


@pytest.mark.parametrize("module", TEXT_SIDE)
def test_the_text_side_starts_without_jax(module: str) -> None:
    code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from reward_synth.cli import main; main(['run', '--help']); "
        "heavy = {'jax', 'mujoco', 'numpy', 'scipy', 'openai', 'hydra', 'rich'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
