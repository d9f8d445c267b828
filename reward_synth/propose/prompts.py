"""What a language model is told: the templates in ``prompts/`` filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import jinja2

from reward_synth.content import content_folder
from reward_synth.propose.llm.records import Message
from reward_synth.propose.operators import Operator
from reward_synth.records import Field, Rejection, TaskDescription

MOST_HOME_VALUES = 24


@dataclass(frozen=True, slots=True)
class Elite:
    """A program worth learning from.

    Attributes:
      source: the program.
      summary: how it did, in a line or two.
    """

    source: str
    summary: str


def initial_messages(
    description: TaskDescription,
    facade_names: Sequence[str],
    sample: int | None = None,
    *,
    failures: Sequence[str] = (),
) -> tuple[Message, ...]:
    """Ask for a first program.

    Args:
      description: the task.
      facade_names: the names of ``jnp`` that a program may use.
      sample: index among independent samples; each but 0 is sent off into its own direction.
        None asks all alike, as Eureka does.
      failures: one line about each attempt of the run that is not to be repeated.
    """
    return chat("initial.md", description, facade_names, failures=tuple(failures), sample=sample)


def revise_messages(
    description: TaskDescription,
    facade_names: Sequence[str],
    parent_source: str,
    reflection: str,
    *,
    operator: Operator = Operator.REVISE,
    comment: str = "",
    elites: Sequence[Elite] = (),
    failures: Sequence[str] = (),
    sample: int | None = None,
) -> tuple[Message, ...]:
    """Ask for a program that comes about by changing the parent.

    Args:
      description: the task.
      facade_names: the names of ``jnp`` that a program may use.
      parent_source: the program to change.
      reflection: what training on it showed, as Markdown without headings above level 2.
      operator: how to change it; one of those that need a model and a parent.
      comment: what a person who saw the policy said.
      elites: other programs of the run.
      failures: one line about each attempt that is not to be repeated.
      sample: as in ``initial_messages``, for the kind of change.
    """
    return chat(
        "revise.md",
        description,
        facade_names,
        operator=operator,
        parent=parent_source,
        reflection=reflection,
        comment=comment,
        elites=tuple(elites),
        failures=tuple(failures),
        sample=sample,
    )


def repair_messages(
    description: TaskDescription,
    facade_names: Sequence[str],
    source: str,
    rejection: Rejection,
) -> tuple[Message, ...]:
    """Ask for a rejected program to be mended.

    Args:
      description: the task.
      facade_names: the names of ``jnp`` that a program may use.
      source: the program, ``""`` if the answer held none.
      rejection: at which stage it failed and why.
    """
    return chat("repair.md", description, facade_names, source=source, rejection=rejection)


def environment_class(description: TaskDescription) -> str:
    """Return what a reward program can read, as a typed Python class with a comment a field."""
    lines = [
        "class State:",
        '    """One environment at one instant. "home" is the value in the initial pose."""',
        "",
        *(f"    {_field_line(field)}" for field in description.fields),
        "",
        f'action: Float[Array, "{description.action_size}"]  '
        f"# each in [-1, 1]: {', '.join(description.actions)}",
    ]
    return "\n".join(lines)


def _field_line(field: Field) -> str:
    shape = " ".join(map(str, field.shape))
    rank = "" if field.shape else "scalar, "
    unit = "dimensionless" if field.unit == "1" else field.unit
    return (
        f'{field.name}: Float[Array, "{shape}"]  '
        f"# {rank}{unit}, {field.frame} frame: {one_line(field.meaning)}; home {_home(field.home)}"
    )


def _home(values: tuple[float, ...]) -> str:
    # Adding 0.0 turns -0.0 into 0.0.
    shown = [f"{round(value, 6) + 0.0:.4g}" for value in values]
    if len(shown) == 1:
        return shown[0]
    if len(set(shown)) == 1:
        return f"all {shown[0]}"
    if len(shown) > MOST_HOME_VALUES:
        return f"({', '.join(shown[:MOST_HOME_VALUES])}, ...)"
    return f"({', '.join(shown)})"


def fenced(text: str, language: str = "") -> str:
    """Return the text as a Markdown code block whose fence the text cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip()  # the first line keeps its indentation
    return f"{fence}{language}\n{body}\n{fence}"


def one_line(text: str) -> str:
    """Return the text with all white space collapsed."""
    return " ".join(text.split())


def chat(
    template: str, description: TaskDescription, facade_names: Sequence[str], **values: object
) -> tuple[Message, ...]:
    """Return the system message and a template of ``prompts/`` filled in, as the user's."""
    system = render("system.md", facade_names=tuple(facade_names))
    user = render(template, task=description, environment=environment_class(description), **values)
    return Message("system", system), Message("user", user)


def render(template: str, **values: object) -> str:
    """Return a template of ``prompts/`` filled in."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(content_folder("prompts")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown for a language model, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(fenced=fenced, one_line=one_line)
    return templates
