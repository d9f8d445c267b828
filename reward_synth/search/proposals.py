"""From a context to a generation of candidates: ask, parse, lint, trace, screen, repair."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from reward_synth.errors import BudgetError
from reward_synth.files import atomic_write, write_text
from reward_synth.propose.proposer import Brief, Broken, Context, Proposal, Proposer
from reward_synth.records import Rejection, Stage, TracedReward
from reward_synth.reward.parse import parse
from reward_synth.reward.sandbox import Sandbox
from reward_synth.search.candidate import Candidate


def propose_generation(
    proposer: Proposer,
    sandbox: Sandbox,
    context: Context,
    briefs: Sequence[Brief],
    repairs: int,
    run_folder: Path,
    screen: Callable[[list[Candidate]], list[Candidate]] = lambda candidates: candidates,
) -> list[Candidate]:
    """Return a candidate for each brief, traced or turned down, with their files written.

    A candidate that was turned down is sent back to be mended up to ``repairs`` times.

    Args:
      proposer: writes and mends.
      sandbox: traces.
      context: what all of the generation share.
      briefs: what each is to be.
      repairs: see ``SearchSettings``.
      run_folder: where the files go.
      screen: judges what was traced; told of the whole generation whenever some of it is new.

    Raises:
      ModelError, BudgetError: no more can be proposed; answers so far are kept by their cache.
    """
    proposals = proposer.propose(context, briefs)
    candidates = [
        _take_in(sandbox, context, index, brief, proposal, run_folder, attempt=0)
        for index, (brief, proposal) in enumerate(zip(briefs, proposals, strict=True))
    ]
    candidates = screen(candidates)
    for attempt in range(1, repairs + 1):
        broken = [
            Broken(c.index, attempt, brief, c.program.source if c.program else "", c.rejection)
            for c, brief in zip(candidates, briefs, strict=True)
            if c.rejection is not None and not c.audited
        ]
        if not broken:
            break
        try:
            repaired = proposer.repair(context, broken)
        except BudgetError:
            break  # what is whole can still be trained
        for fault, proposal in zip(broken, repaired, strict=True):
            mended = _take_in(
                sandbox, context, fault.index, fault.brief, proposal, run_folder, attempt
            )
            first = candidates[fault.index]
            operator = f"{first.operator}, repaired" if attempt == 1 else first.operator
            candidates[fault.index] = replace(
                mended,
                operator=operator,
                parents=mended.parents or first.parents,
                model=mended.model or first.model,
                tokens=first.tokens + mended.tokens,
                dollars=first.dollars + mended.dollars,
            )
        candidates = screen(candidates)
    return candidates


def load_traced(candidate: Candidate, run_folder: Path) -> TracedReward:
    """Return a traced candidate's reward from its files."""
    assert candidate.program is not None
    arrays = (run_folder / candidate.folder / "reward.arrays.json").read_bytes()
    return TracedReward(candidate.program, candidate.terms, arrays)


def _take_in(
    sandbox: Sandbox,
    context: Context,
    index: int,
    brief: Brief,
    proposal: Proposal,
    run_folder: Path,
    attempt: int,
) -> Candidate:
    candidate = Candidate(
        context.generation,
        index,
        proposal.operator,
        proposal.parents,
        proposal.author,
        lineage=brief.lineage,
        model=proposal.model,
        tokens=proposal.tokens,
        dollars=proposal.dollars,
    )
    folder = run_folder / candidate.folder
    suffix = f"_repair_{attempt}" if attempt else ""
    write_text(folder / f"response{suffix}.md", proposal.answer)
    messages = [message.to_json() for message in proposal.prompt]
    write_text(folder / f"prompt{suffix}.json", json.dumps(messages, indent=1))
    if proposal.problem and not proposal.answer:
        return candidate.rejected(Rejection(Stage.ANSWER, proposal.problem))
    program = parse(proposal.answer)
    if isinstance(program, Rejection):
        reason = f"{program.reason} {proposal.problem}".strip()
        return candidate.rejected(Rejection(program.stage, reason))
    candidate = replace(candidate, program=program)
    write_text(folder / "reward.py", program.source)
    traced = sandbox.trace(program, context.description)
    if isinstance(traced, Rejection):
        return candidate.rejected(traced)
    with atomic_write(folder / "reward.arrays.json") as file:
        file.write(traced.arrays)
    return replace(candidate, terms=traced.terms)


def trains(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that are to be trained."""
    return [candidate for candidate in candidates if candidate.trains]
