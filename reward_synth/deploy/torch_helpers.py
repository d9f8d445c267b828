"""Functions that a written file brings along, as far as it calls them."""

from __future__ import annotations

# Functions of which PyTorch has none, or one that is different at the edges.
HELPERS = {
    "_cbrt": '''\
def _cbrt(x: Tensor) -> Tensor:
    """The real cube root."""
    return torch.sign(x) * torch.abs(x) ** (1.0 / 3.0)
''',
    "_sign": '''\
def _sign(x: Tensor) -> Tensor:
    """-1, 0 or 1, and NaN for NaN, for which torch.sign gives 0."""
    return torch.sign(x).masked_fill(torch.isnan(x), float("nan"))
''',
    "_round_away": '''\
def _round_away(x: Tensor) -> Tensor:
    """The nearest whole number, halves away from zero."""
    whole = torch.trunc(x)
    return torch.where(torch.abs(x - whole) >= 0.5, whole + torch.sign(x), whole)
''',
    "_to_int32": '''\
def _to_int32(x: Tensor) -> Tensor:
    """The whole part, the nearest int32 for what is too large, 0 for NaN."""
    x = torch.clamp(x.masked_fill(torch.isnan(x), 0.0), -2147483648.0, 2147483648.0)
    return torch.clamp(x.to(torch.int64), max=2147483647).to(torch.int32)
''',
    "_int_div": '''\
def _int_div(x: Tensor, y: Tensor) -> Tensor:
    """The quotient, rounded towards zero; -1 where y is 0."""
    divisor = y.to(torch.int64).masked_fill(y == 0, 1)
    quotient = torch.div(x.to(torch.int64), divisor, rounding_mode="trunc")
    return quotient.masked_fill(y == 0, -1).to(torch.int32)
''',
    "_int_rem": '''\
def _int_rem(x: Tensor, y: Tensor) -> Tensor:
    """What a quotient rounded towards zero leaves, with the sign of x; x where y is 0."""
    divisor = y.to(torch.int64).masked_fill(y == 0, 1)
    rest = torch.fmod(x.to(torch.int64), divisor)
    return torch.where(y == 0, x.to(torch.int64), rest).to(torch.int32)
''',
}
