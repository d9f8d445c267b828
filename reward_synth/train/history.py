"""A training's iterations as its folder keeps them: ``metrics.jsonl``, one a line. No JAX here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reward_synth.files import write_text

METRICS = "metrics.jsonl"

# One member's iterations so far, each a ``Progress`` as JSON has it.
History = Sequence[Mapping[str, Any]]


def write_history(folder: Path, history: History) -> None:
    """Write a training's iterations into its folder, in one piece or not at all."""
    write_text(folder / METRICS, "".join(json.dumps(line) + "\n" for line in history))


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return what ``write_history`` wrote."""
    text = (folder / METRICS).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
