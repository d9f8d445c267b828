"""Writing deploy.json: the hashes of all other files, and its own digest. Imports no JAX."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reward_synth.deploy.runtime import DESCRIPTION, digest
from reward_synth.files import write_text

_WIDTH = 100


def seal(folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
    """Write a bundle's deploy.json over what the folder holds now; return it as written.

    To be called again when a file has come to the bundle or was made anew, such as the card.
    """
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != DESCRIPTION
    )
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    sealed: dict[str, Any] = {**description, "files": hashes}
    sealed["digest"] = digest(sealed)
    write_text(folder / DESCRIPTION, f"{_laid_out(sealed)}\n")
    return sealed


def _laid_out(value: Any, indent: str = "") -> str:  # noqa: ANN401 (any JSON value)
    """Return JSON in which what fits into a line is on one, and each row of numbers is."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    is_row = isinstance(value, list) and all(isinstance(x, int | float) for x in value)
    if is_row or not isinstance(value, dict | list) or len(indent) + len(text) <= _WIDTH:
        return text
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {_laid_out(part, inner)}"
            for key, part in value.items()
        ]
        return "{{\n{}\n{}}}".format(",\n".join(parts), indent)
    return "[\n{}\n{}]".format(",\n".join(f"{inner}{_laid_out(x, inner)}" for x in value), indent)
