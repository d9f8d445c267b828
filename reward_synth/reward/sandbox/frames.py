"""Messages over pipes: a length, then JSON."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

_LENGTH = struct.Struct(">I")
MOST_BYTES = 2_000_000  # of a child's answer
# Numbers and characters can be longer once they have been read and written again.
MOST_FORWARDED_BYTES = 8 * MOST_BYTES


class BrokenPipeFrameError(Exception):
    """The other side is gone, silent for too long, or does not keep to the protocol."""


def send(handle: int, message: dict[str, Any]) -> None:
    """Write one message."""
    payload = json.dumps(message).encode()
    data = memoryview(_LENGTH.pack(len(payload)) + payload)
    try:
        while data:
            data = data[os.write(handle, data) :]
    except OSError as error:
        raise BrokenPipeFrameError(f"the other side is gone ({error})") from error


def receive(
    handle: int, timeout_s: float | None = None, most_bytes: int = MOST_BYTES
) -> dict[str, Any]:
    """Read one message; ``timeout_s`` is for all of it."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    (length,) = _LENGTH.unpack(_read(handle, _LENGTH.size, deadline))
    if length > most_bytes:
        raise BrokenPipeFrameError(f"a message of {length:,} bytes is too long")
    try:
        message = json.loads(_read(handle, length, deadline))
    except (ValueError, RecursionError) as error:
        raise BrokenPipeFrameError("a message is not JSON") from error
    if not isinstance(message, dict):
        raise BrokenPipeFrameError("a message is not a JSON object")
    return message


def _read(handle: int, count: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        wait = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([handle], [], [], wait)[0]:
            raise TimeoutError
        part = os.read(handle, min(count - len(parts), 1 << 16))
        if not part:
            raise BrokenPipeFrameError("the other side is gone")
        parts += part
    return bytes(parts)
