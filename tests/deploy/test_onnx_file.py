"""The operator set of an ONNX file, on messages written by hand."""

from __future__ import annotations

import pytest

from reward_synth.deploy.onnx_file import opset


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        assert value < 128
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


IR_VERSION, PRODUCER = field(1, 8), field(2, b"reward-synth")
STANDARD, OTHERS = field(8, field(2, 17)), field(8, field(1, b"com.custom") + field(2, 3))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (IR_VERSION + PRODUCER + STANDARD, 17),
        (OTHERS + STANDARD, 17),
        (field(8, field(1, b"ai.onnx") + field(2, 21)), 21),
        (IR_VERSION + OTHERS, None),
        (bytes([3 << 3 | 5, 1, 2, 3, 4, 4 << 3 | 1, *range(8)]) + STANDARD, 17),
        (b"", None),
    ],
)
def test_the_standard_operators_version(data, expected):
    assert opset(data) == expected


@pytest.mark.parametrize("data", [PRODUCER[:-1], STANDARD[:-1] + b"\xff", bytes([8 << 3 | 3, 0])])
def test_what_is_cut_or_no_message(data):
    with pytest.raises(ValueError, match=r"cut off|unknown kind"):
        opset(data)
