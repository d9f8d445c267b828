"""What a sandboxed child does with a request, once its layers are on."""

from __future__ import annotations

from typing import Any

from reward_synth.records import Rejection, RewardProgram, TaskDescription
from reward_synth.reward.trace import trace


def trace_request(request: dict[str, Any]) -> dict[str, Any]:
    """Trace the program of a request; the answer is JSON-ready."""
    program = RewardProgram(
        request["source"],
        request["rationale"],
        tuple((name, value) for name, value in request["weights"]),
    )
    result = trace(program, TaskDescription.from_json(request["description"]))
    if isinstance(result, Rejection):
        return {"reason": result.reason}
    return {"terms": list(result.terms), "arrays": result.arrays.decode()}
