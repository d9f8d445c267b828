"""Sums of products in a normal form, so that ``2 * (a - b)`` and ``a - b * 2 + a`` are one.

What is multiplied and added is known by a digest only. Nothing cancels: ``a - a`` keeps ``a``,
of which it has the shape, and ``a / a`` is not a number where ``a`` is zero.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Factors = tuple[tuple[str, int], ...]  # (digest, how often), sorted

_HIGHEST_POWER = 16


class Product(NamedTuple):
    """Factors over factors; both empty for the number one."""

    above: Factors
    below: Factors


_ONE = Product((), ())


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of products.

    Attributes:
      items: each product's coefficient; zero is kept.
    """

    items: Mapping[Product, float]

    @property
    def number(self) -> float | None:
        """Its value if it is a number."""
        return self.items[_ONE] if set(self.items) == {_ONE} else None

    @property
    def digest(self) -> str:
        """The same for all sums that are equal; an atom's is its own."""
        match list(self.items.items()):
            case [(Product(((name, 1),), ()), 1.0)]:
                return name
        texts = (f"{value + 0.0:.12g} {product}" for product, value in sorted(self.items.items()))
        return digest("sum", *texts)

    @property
    def unsigned(self) -> Sum:
        """Itself or its negative: the same of both."""
        return scale(self, -1.0) if _leading(self) < 0.0 else self


def digest(*parts: str) -> str:
    """Return a digest of texts in this order."""
    lengths = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(lengths.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def number(value: float) -> Sum:
    """Return a number as a sum."""
    return Sum({_ONE: value})


def atom(name: str) -> Sum:
    """Return what is known by its digest only as a sum."""
    return Sum({Product(((name, 1),), ()): 1.0})


def scale(a: Sum, factor: float) -> Sum:
    """Return ``factor * a``."""
    return Sum({product: factor * value for product, value in a.items.items()})


def add(a: Sum, b: Sum) -> Sum:
    """Return ``a + b``."""
    items = dict(a.items)
    for product, value in b.items.items():
        items[product] = items.get(product, 0.0) + value
    if len(items) > 1 and items.get(_ONE) == 0.0:
        del items[_ONE]  # which has no shape to keep
    return Sum(items)


def multiply(a: Sum, b: Sum) -> Sum:
    """Return ``a * b``; only numbers are multiplied out."""
    for one, other in ((a, b), (b, a)):
        if one.number is not None:
            return scale(other, one.number)
    (p, x), (q, y) = _as_product(a), _as_product(b)
    return Sum({Product(_together(p.above, q.above), _together(p.below, q.below)): x * y})


def divide(a: Sum, b: Sum) -> Sum | None:
    """Return ``a / b``, None if that is the number zero."""
    product, value = _as_product(b)
    if value == 0.0:
        return None
    return multiply(a, Sum({Product(product.below, product.above): 1.0 / value}))


def power(a: Sum, exponent: float | None) -> Sum | None:
    """Return ``a ** exponent`` as a product, None if it is none."""
    if exponent is None or exponent not in range(1, _HIGHEST_POWER + 1):
        return None
    result = a
    for _ in range(int(exponent) - 1):
        result = multiply(result, a)
    return result


def _as_product(a: Sum) -> tuple[Product, float]:
    """Return a sum as one product and its coefficient; more than one item become a factor."""
    if len(a.items) == 1:
        return next(iter(a.items.items()))
    leading = _leading(a)
    rest = scale(a, 1.0 / leading)
    return Product(((rest.digest, 1),), ()), leading


def _leading(a: Sum) -> float:
    """Return the first coefficient that is not zero; one if there is none."""
    return next((value for _, value in sorted(a.items.items()) if value), 1.0)


def _together(a: Factors, b: Factors) -> Factors:
    return tuple(sorted((Counter(dict(a)) + Counter(dict(b))).items()))
