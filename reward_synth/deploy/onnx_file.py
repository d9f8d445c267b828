"""The one thing about an ONNX file that onnxruntime does not tell. Needs no package."""

from __future__ import annotations

from collections.abc import Iterator

# Of onnx.proto: where in a model its operator sets are, and where in one its domain and version.
_OPERATOR_SETS, _DOMAIN, _VERSION = 8, 1, 2
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


def opset(data: bytes) -> int | None:
    """Return the version of the standard operators that a model is written in, None if none.

    Raises:
      ValueError: the bytes are cut off, or are no protocol buffer.
    """
    for number, value in _fields(data):
        if number == _OPERATOR_SETS and isinstance(value, bytes):
            imported = dict(_fields(value))
            if imported.get(_DOMAIN, b"") in (b"", b"ai.onnx"):
                found = imported.get(_VERSION)
                return found if isinstance(found, int) else None
    return None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message as (number, value)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"it has a field of the unknown kind {kind}")
        if at + size > len(data):
            raise ValueError("it is cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("it is cut off")
