"""A device whose memory is too small, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax

from reward_synth.errors import RewardSynthError


def out_of_memory(error: Exception) -> bool:
    """Whether an error is JAX's word for a device whose memory is used up."""
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


@contextmanager
def enough_memory(members: int, envs: int) -> Iterator[None]:
    """Run what needs memory for ``members`` trainings in ``envs`` environments each.

    Raises:
      RewardSynthError: there is too little, with the settings that would need less.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not out_of_memory(error):
            raise
        device = jax.devices()[0].device_kind
        remedies = [f"train.envs={envs // 2}"] if envs > 1 else []
        if members > 1:
            remedies.append(f"{members // 2} trainings at a time (search.candidates)")
        raise RewardSynthError(
            f"{members} trainings in {envs} environments each need more memory than {device} has: "
            f"try {' or '.join(remedies) or 'backend=cpu'}."
        ) from error
