"""A reward as one file of PyTorch, for simulators in which JAX does not run.

The source of truth is the array program, which is checked before it is read: it may
come from a sandboxed child that was taken over. All that gets from it into the file
are names of the tables of operations, numbers, and strings as literals or comments.
"""

from __future__ import annotations

import inspect
import textwrap
from collections import Counter
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth import __version__
from reward_synth.deploy.graph import Graph, Node
from reward_synth.deploy.lower import nodes_of
from reward_synth.deploy.statements import Statements, folded, in_order, sum_of, table
from reward_synth.deploy.text import quoted
from reward_synth.deploy.torch_helpers import HELPERS
from reward_synth.errors import ExportError
from reward_synth.records import (
    Field,
    Rejection,
    RewardProgram,
    TaskDescription,
    TracedReward,
)
from reward_synth.reward.array_program import ArrayProgramError, encode, read
from reward_synth.reward.verify import load
from reward_synth.task.task import Task

_LINE = 96
_BEFORE, _AFTER = "state", "next_state"

_FIELD = '''\
def _field(fields: Dict[str, Tensor], name: str, shape: List[int]) -> Tensor:
    """A field, which must have its shape: a stray axis would broadcast unnoticed."""
    value = fields[name]
    if list(value.shape) != shape:
        raise ValueError("{} has shape {}, not {}".format(name, list(value.shape), shape))
    return value
'''


def traced_expert(task: Task) -> TracedReward:
    """Return the task's published reward as an array program without weights.

    Raises:
      ExportError: the task has none, or it is not one of array operations.
    """
    expert = task.expert_reward
    if expert is None:
        raise ExportError(f"task {task.name} has no expert_reward.")
    terms: list[str] = []

    def step(
        state: jax.Array, action: jax.Array, next_state: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        reward, values = expert(task.view(state), action, task.view(next_state))
        terms[:] = values
        stacked = jnp.stack([jnp.asarray(value, jnp.float32) for value in values.values()])
        return jnp.asarray(reward, jnp.float32), stacked

    size, actions = task.description.state_size, task.description.action_size
    shapes = [jax.ShapeDtypeStruct((length,), jnp.float32) for length in (size, actions, size, 0)]
    try:
        arrays = encode(step, *shapes)
    except ArrayProgramError as error:
        raise ExportError(
            f"the expert_reward of {task.name} cannot be exported: {error}"
        ) from error
    source = textwrap.dedent(inspect.getsource(expert))
    rationale = f"Written by people: {task.expert_source}." if task.expert_source else ""
    return TracedReward(RewardProgram(source, rationale, ()), tuple(terms), arrays)


def torch_file(traced: TracedReward, description: TaskDescription, origin: str) -> str:
    """Return the text of a Python file that computes a reward with PyTorch alone.

    Args:
      traced: the reward; its array program is not trusted.
      description: of the task that it was written for.
      origin: where it came from, in a few words, for the file's docstring.

    Raises:
      ExportError: the array program is damaged, or has what PyTorch has not.
    """
    checked = load(traced, description)
    if isinstance(checked, Rejection):
        raise ExportError(f"{origin}: {checked.reason}")
    reward, terms = _graph(traced, description)
    nodes = in_order([*terms, reward])
    used = _used(nodes, description)
    body, helpers = _body(traced.terms, terms, reward, nodes, description)
    weights = [name for node in nodes if node.op == "weight" for name in node.parameters]
    parts = [
        _docstring(traced, description, origin, used, _adds_up(reward, terms)),
        "from typing import Dict, List, Tuple",
        "import torch\nfrom torch import Tensor",
        f"WEIGHTS: Dict[str, float] = {_weights(traced.program, weights)}",
        f"\n{body}",
        *(f"\n{text.rstrip()}" for text in (_FIELD, *(HELPERS[name] for name in sorted(helpers)))),
        f"\n{_quotation(traced.program.source)}",
    ]
    return "\n\n".join(parts) + "\n"


def _graph(traced: TracedReward, description: TaskDescription) -> tuple[Node, list[Node]]:
    """Return the nodes of the reward and of each term."""
    graph = Graph()
    program = read(traced.arrays)
    names = [name for name, _ in traced.program.weights]
    values: list[Node] = [
        _vector(graph, description.fields, _BEFORE),
        graph.leaf("action", (), (description.action_size,)),
        _vector(graph, description.fields, _AFTER),
        graph.concatenate(
            [graph.reshape(graph.leaf("weight", (name,), ()), (1,)) for name in names], 0
        )
        if names
        else graph.constant(np.zeros(0, np.float32)),
    ]

    reward, stacked = nodes_of(graph, program, values)
    return reward, [graph.index(stacked, (i,)) for i in range(len(traced.terms))]


def _vector(graph: Graph, fields: Sequence[Field], moment: str) -> Node:
    """Return the flat state as its fields, joined; a slice that picks one is just the field."""
    parts = [
        graph.reshape(graph.leaf("field", (moment, field.name), field.shape), (field.size,))
        for field in fields
    ]
    return graph.concatenate(parts, 0)


def _used(nodes: Sequence[Node], description: TaskDescription) -> dict[str, list[Field]]:
    """Return the fields that are read, before and after the action, in the task's order."""
    read_ = {node.parameters for node in nodes if node.op == "field"}
    return {
        moment: [field for field in description.fields if (moment, field.name) in read_]
        for moment in (_BEFORE, _AFTER)
    }


def _body(
    names: Sequence[str],
    terms: Sequence[Node],
    reward: Node,
    nodes: Sequence[Node],
    description: TaskDescription,
) -> tuple[str, set[str]]:
    """Return the function, and the names of the helpers that it calls."""
    parts = sum_of(reward, terms)
    write = Statements([*terms, *(parts or [reward])])
    order = {field.name: place for place, field in enumerate(description.fields)}
    fields = [node for node in nodes if node.op == "field"]
    for node in sorted(fields, key=lambda n: (n.parameters[0] == _AFTER, order[n.parameters[1]])):
        moment, name = node.parameters
        shape = ", ".join(["n", *map(str, node.shape)])
        variable = f"{name}_before" if moment == _BEFORE else name
        write.leaf(node, variable, f"_field({moment}, {quoted(name)}, [{shape}])")
    for node in nodes:
        if node.op == "action":
            write.known(node, "action")
    named = dict(zip(names, terms, strict=True))
    write.announce(named)
    groups = [["n = action.shape[0]", *write.lines]]
    variables: dict[str, str] = {}
    for name, node in named.items():
        start = len(write.lines)
        variables[name] = write.output(name, node)
        groups.append(write.lines[start:])
    start = len(write.lines)
    of = {id(node): variables[name] for name, node in reversed(list(named.items()))}
    total = [write.write(reward).text] if parts is None else [of[id(part)] for part in parts]
    groups.append(write.lines[start:])
    lines = [*_paragraphs(groups), _sum(total), *_terms(variables), "    return reward, terms"]
    return _SIGNATURE + "\n".join(lines), write.helpers


def _paragraphs(groups: Sequence[Sequence[str]]) -> list[str]:
    """Return the statements, an empty line about those that belong together."""
    lines: list[str] = []
    for i, group in enumerate(groups):
        single = 0 < i < len(groups) - 1 and len(group) == 1 == len(groups[i - 1])
        lines += [*([""] if lines and not single else []), *map(folded, group)]
    return lines


def _adds_up(reward: Node, terms: Sequence[Node]) -> bool:
    """Whether the reward is the sum of all its terms; zeros have left the sum already."""
    parts = sum_of(reward, terms)
    counted = [term for term in terms if term.value is None or term.value != 0]
    return parts is not None and Counter(map(id, parts)) == Counter(map(id, counted))


def _sum(parts: Sequence[str]) -> str:
    line = folded(f"reward = {' + '.join(parts)}")
    if len(parts) == 1 or len(line) <= _LINE:
        return line
    return "    reward = (\n        {}\n    )".format("\n        + ".join(parts))


def _terms(variables: dict[str, str]) -> list[str]:
    lines = table(variables.items()).split("\n")
    return [f"    terms: Dict[str, Tensor] = {lines[0]}", *(f"    {line}" for line in lines[1:])]


_SIGNATURE = '''\
def compute_reward(
    state: Dict[str, Tensor],
    action: Tensor,
    next_state: Dict[str, Tensor],
    weights: Dict[str, float],
) -> Tuple[Tensor, Dict[str, Tensor]]:
    """Return the reward (n,) of each environment, and each of its terms (n,) by name."""
'''


def _weights(program: RewardProgram, used: Sequence[str]) -> str:
    """Return the table of the weights that are read."""
    entries = ((name, repr(float(value))) for name, value in program.weights if name in used)
    return table(entries)


def _docstring(
    traced: TracedReward,
    description: TaskDescription,
    origin: str,
    used: dict[str, list[Field]],
    adds_up: bool,
) -> str:
    """Return the file's docstring: why, where from, and what the function takes and gives."""
    actions = ", ".join(description.actions)
    names = ", ".join(traced.terms)
    adding = "which add up to the reward" if adds_up else "which need not add up to the reward"
    paragraphs = [
        f"Reward of {description.name} in PyTorch: {origin}.",
        f"The task: {description.sentence}",
        *traced.program.rationale.split("\n\n"),
        "    reward, terms = compute_reward(state, action, next_state, WEIGHTS)",
        "`state` is before the action, `next_state` after it: float32 tensors by the names of "
        "their fields, with the n environments in front, all on one device. What is read:",
        "\n".join(_mapping(moment, fields) for moment, fields in used.items()),
        f"`action` (n, {description.action_size}) is the policy's, in [-1, 1], held for "
        f"{description.timestep:g} s: {actions}.",
        f"`reward` and each of `terms` are (n,). The terms, {adding}: {names}.",
        "`weights` are the numbers to tune, WEIGHTS those that the reward was written with.",
        "Floats are computed in the dtype of `action`; in float32 the numbers are those of the "
        "program in JAX, to rounding, NaN and infinity included. Nothing is clipped but by it.",
        f"Written by reward-synth {__version__} from the program quoted at the end.",
    ]
    text = "\n\n".join(map(_wrapped, filter(None, paragraphs)))
    escaped = _printable(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped}\n"""'


def _mapping(moment: str, fields: Sequence[Field]) -> str:
    if not fields:
        return f"    {moment}: nothing, {{}} will do"
    lines = [f"    {moment}"]
    for field in fields:
        shape = ", ".join(["n", *map(str, field.shape)])
        unit = "no unit" if field.unit == "1" else field.unit
        of = f"({shape}{'' if field.shape else ','}), {unit}, {field.frame} frame"
        text = f"{field.name} {of}: {field.meaning}"
        lines.append(textwrap.fill(text, _LINE, initial_indent=" " * 8, subsequent_indent=" " * 12))
    return "\n".join(lines)


def _wrapped(paragraph: str) -> str:
    return paragraph if paragraph.startswith("    ") else textwrap.fill(paragraph, _LINE)


def _quotation(source: str) -> str:
    """Return the original program as comments."""
    lines = _printable(source).rstrip().split("\n")
    quoted_lines = [f"#     {line}".rstrip() for line in lines]
    return "\n".join(
        ["# The original, of one step of one environment; `jnp` is jax.numpy.", "#", *quoted_lines]
    )


def _printable(text: str) -> str:
    """Escape what a reader would not see: a comment must not end where nobody sees it end."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )
