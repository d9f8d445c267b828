"""Named access to a flat state vector."""

from __future__ import annotations

from typing import Any, NoReturn

from reward_synth.errors import did_you_mean
from reward_synth.records import Field


class State:
    """The fields of one unbatched state as attributes; works on NumPy arrays and JAX tracers.

    Args:
      fields: the fields in the order of the vector.
      vector: (S,), the fields flattened and concatenated.
    """

    __slots__ = ("_fields", "_vector")

    def __init__(self, fields: tuple[Field, ...], vector: Any) -> None:  # noqa: ANN401
        object.__setattr__(self, "_fields", fields)
        object.__setattr__(self, "_vector", vector)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        start = 0
        for field in self._fields:
            if field.name == name:
                return self._vector[start : start + field.size].reshape(field.shape)
            start += field.size
        known = [field.name for field in self._fields]
        raise AttributeError(
            f"the state has no field {name!r}.{did_you_mean(name, known)} "
            f"Fields: {', '.join(known)}."
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a state cannot be changed.")

    def __dir__(self) -> list[str]:
        return [field.name for field in self._fields]
