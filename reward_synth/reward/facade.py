"""The part of jax.numpy that a reward program may use.

A program is given a namespace of these names in place of the module. They are
pure array functions that are lowered to arithmetic: none needs a loop of unknown
length, random numbers, a custom call or a host callback. Does not import JAX
until a facade is built.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NoReturn

from reward_synth.errors import did_you_mean

_NAMES = """
abs all any arange arccos arcsin arctan arctan2 argmax argmin array asarray ceil clip concatenate
cos cosh cross cumsum deg2rad diff dot e exp expm1 float32 floor full hypot inf int32 isfinite
linalg.norm linspace log log1p logaddexp logical_and logical_not logical_or matmul max maximum mean
min minimum mod nan_to_num ones ones_like outer pi power prod rad2deg reshape roll round sign sin
sinh sort sqrt square stack std sum tan tanh transpose var where zeros zeros_like
"""

FACADE_NAMES: tuple[str, ...] = tuple(sorted(_NAMES.split()))

# What to write for names that are often expected; the nearest name would mislead.
_INSTEAD = {
    "absolute": "jnp.abs",
    "acos": "jnp.arccos",
    "amax": "jnp.max",
    "amin": "jnp.min",
    "asin": "jnp.arcsin",
    "atan": "jnp.arctan",
    "atan2": "jnp.arctan2",
    "atleast_1d": "jnp.stack",
    "clamp": "jnp.clip",
    "fabs": "jnp.abs",
    "inner": "jnp.dot",
    "pow": "jnp.power",
    "relu": "jnp.maximum(x, 0.0)",
    "remainder": "jnp.mod",
    "sigmoid": "1.0 / (1.0 + jnp.exp(-x))",
    "softplus": "jnp.logaddexp(x, 0.0)",
    "vdot": "jnp.dot",
}


class _Namespace:
    """Fixed names for fixed values; unknown names fail with the closest known one."""

    __slots__ = ("_members", "_path")

    def __init__(self, path: str, members: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_path", path)
        object.__setattr__(self, "_members", dict(members))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        # Asking for a slot that is not filled, as copying does, must not come back here.
        if not name.startswith("_") and name in self._members:
            return self._members[name]
        raise AttributeError(unknown_name(name if name.startswith("_") else self._path + name))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("jnp cannot be changed.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("jnp cannot be changed.")

    def __dir__(self) -> list[str]:
        return sorted(self._members)


def build_facade() -> object:
    """Return the namespace that stands in for the module ``jax.numpy``."""
    import jax.numpy as jnp

    members: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name in FACADE_NAMES:
        outer, _, inner = name.rpartition(".")
        table = nested.setdefault(outer, {}) if outer else members
        table[inner] = operator.attrgetter(name)(jnp)
    for outer, table in nested.items():
        members[outer] = _Namespace(f"{outer}.", table)
    return _Namespace("", members)


def unknown_name(name: str) -> str:
    """Return why ``jnp.<name>`` cannot be used, and what can be instead.

    Args:
      name: with the dots in it, as in ``"linalg.det"``.
    """
    last = name.rpartition(".")[2]
    namesakes = [known for known in FACADE_NAMES if known.rpartition(".")[2] == last]
    if last in _INSTEAD:
        hint = f" Write {_INSTEAD[last]} instead."
    elif namesakes:
        hint = f" Did you mean {namesakes[0]!r}?"
    else:
        hint = did_you_mean(name, FACADE_NAMES)
    return f"jnp.{name} is not available here.{hint}"
