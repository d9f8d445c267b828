"""``reward-synth verify``: whether a bundle is whole and does what it says. Imports no JAX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reward_synth.errors import ConfigError

SOUND, DAMAGED = 0, 1


def verify_bundle(arguments: Sequence[str]) -> int:
    """Check a bundle and print each finding; return ``SOUND`` or ``DAMAGED``.

    Raises:
      ConfigError: no bundle is named, or the extra is missing; its exit code is 2.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise ConfigError("`reward-synth verify` takes one bundle's folder, and no options.")
    folder = Path(arguments[0]).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}.")
    sound = tell(folder)
    print(f"{folder}: {'sound' if sound else 'DAMAGED'}")
    return SOUND if sound else DAMAGED


def tell(folder: Path) -> bool:
    """Print the findings as they are made; return whether nothing is wrong."""
    from reward_synth.deploy.verify import verify

    sound = True
    for check in verify(folder):
        sound &= check.sound
        for word in check.words:
            print(f"{'ok' if check.sound else 'WRONG':<6}{check.name:<13} {word}", flush=True)
    return sound
