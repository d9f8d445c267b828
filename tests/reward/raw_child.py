"""A sandboxed child whose attacker has already won: it runs any Python, with all its builtins.

Only the tests start a sandbox with it. What the layers stop here they stop
whatever hole in lint or in CPython an attacker came through.
"""

from __future__ import annotations

from typing import Any


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Execute ``request["code"]``; the answer is what it leaves in ``outcome``."""
    if "code" not in request:  # the server warms up with a sample program
        from reward_synth.reward.sandbox.child import trace_request

        return trace_request(request)
    namespace: dict[str, Any] = {"outcome": "nothing", "request": request}
    try:
        exec(request["code"], namespace)
    except Exception as error:  # noqa: BLE001 (any failure of an attack is a success)
        return {"outcome": f"{type(error).__name__}: {error}"}
    return {"outcome": str(namespace["outcome"])}
