"""What a language model is told by the baselines that ask in their own way.

The system message, which says what a program may do, is the same for all: a baseline is
compared by its search, and not by how well it knows our sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence

from reward_synth.propose.llm.records import Message
from reward_synth.propose.operators import Manner
from reward_synth.propose.prompts import chat, initial_messages
from reward_synth.propose.proposer import Brief, Context


def peer_messages(
    context: Context, facade_names: Sequence[str], brief: Brief
) -> tuple[Message, ...]:
    """Ask for a program as a baseline does; its repairs are asked for as ours are.

    Args:
      context: what all of the generation share.
      facade_names: the names of ``jnp`` that a program may use.
      brief: with a ``manner`` that is not OURS.
    """
    if brief.manner is Manner.ICPL:
        return _icpl(context, facade_names, brief)
    assert brief.manner is Manner.TEXT2REWARD
    return _text2reward(context, facade_names, brief)


def _icpl(context: Context, facade_names: Sequence[str], brief: Brief) -> tuple[Message, ...]:
    """Yu et al. (2024), "ICPL", section 4.2."""
    if not brief.parents:
        return initial_messages(context.description, facade_names)
    good, bad = brief.parents[0], brief.contrast
    return chat(
        "icpl.md",
        context.description,
        facade_names,
        good=good.program.source,
        good_trace=good.reflection,
        bad=bad.program.source if bad else "",
        bad_trace=bad.reflection if bad else "",
        differences=brief.differences,
    )


def _text2reward(
    context: Context, facade_names: Sequence[str], brief: Brief
) -> tuple[Message, ...]:
    """Xie et al. (2024), "Text2Reward", section 3."""
    parent = brief.parents[0] if brief.parents else None
    return chat(
        "text2reward.md",
        context.description,
        facade_names,
        examples=context.examples[: brief.shots],
        parent=parent.program.source if parent else "",
        comment=brief.comment,
        trace=parent.reflection if parent else "",
    )
