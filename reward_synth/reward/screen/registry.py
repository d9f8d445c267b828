"""Exploits kept from run to run, one folder a task."""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from reward_synth.files import atomic_write, save_arrays
from reward_synth.records import TaskDescription
from reward_synth.reward.screen.episodes import Episodes
from reward_synth.reward.screen.exploits import Exploit
from reward_synth.reward.transitions import Transitions

log = logging.getLogger(__name__)

MOST = 32
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)
_OF_STEPS = ("state", "action", "next_state")
_OF_EPISODES = ("episode", "weight", "terminated", "success", "fitness")


@dataclass(frozen=True, slots=True)
class Registry:
    """The exploits of one task.

    Any number of processes may read and write at once: a file is written in one piece,
    named after its content, and never changed.

    Attributes:
      folder: of this task; made with the first exploit.
      states: length of its state vector, S.
      actions: number of its actuators, A.
    """

    folder: Path
    states: int
    actions: int

    @classmethod
    def open(cls, folder: Path, fingerprint: str, description: TaskDescription) -> Registry:
        """Return the registry of a task.

        Args:
          folder: of all tasks' registries.
          fingerprint: ``Task.fingerprint``.
          description: the task; with another version of the toolkit the same task folder may
            have other fields, and its states another meaning.
        """
        text = json.dumps([fingerprint, description.to_json()], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        place = folder / f"{description.name}-{key}"
        return cls(place, description.state_size, description.action_size)

    def add(self, exploit: Exploit) -> None:
        """Keep an exploit, and of all no more than the newest 32.

        An exploit is a help for later runs, and no reason for this one to stop: if it cannot
        be written, that is logged.
        """
        content = _encode(exploit)
        path = self.folder / f"{hashlib.sha256(content).hexdigest()[:32]}.npz"
        try:
            with atomic_write(path) as file:
                file.write(content)
            for old in self._newest_first()[MOST:]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot keep an exploit in %s (%s); going on.", path, error.strerror)

    def all(self) -> tuple[Exploit, ...]:
        """Return the exploits, newest first, without those that cannot be read."""
        found = []
        for path in self._newest_first()[:MOST]:
            try:
                found.append(self._decode(path))
            except FileNotFoundError:
                continue  # another process has just dropped it
            except _UNREADABLE as error:
                log.warning("the exploit %s cannot be read (%s): left out.", path, error)
        return tuple(found)

    def _newest_first(self) -> list[Path]:
        ages = []
        for path in self.folder.glob("*.npz"):
            try:
                ages.append((path.stat().st_mtime_ns, path.name, path))
            except FileNotFoundError:
                continue
        return [path for *_, path in sorted(ages, reverse=True)]

    def _decode(self, path: Path) -> Exploit:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            shown, reference = (
                Episodes(
                    Transitions(*(arrays[f"{side}.{name}"] for name in _OF_STEPS)),
                    *(arrays[f"{side}.{name}"] for name in _OF_EPISODES),
                )
                for side in ("shown", "reference")
            )
            words = str(arrays["words"])
        for episodes in (shown, reference):
            self._check(episodes)
        return Exploit(shown, reference, words)

    def _check(self, episodes: Episodes) -> None:
        """Refuse what ``add`` would not have written."""
        steps, count = len(episodes.episode), len(episodes)
        shapes = [(steps, self.states), (steps, self.actions), (steps, self.states), (steps,)]
        arrays = [getattr(episodes.transitions, name) for name in _OF_STEPS] + [episodes.weight]
        if [array.shape for array in arrays] != shapes or not steps:
            raise ValueError("its steps are not this task's")
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError("it holds numbers that are not finite")
        if episodes.episode[0] != 0 or episodes.episode[-1] != count - 1:
            raise ValueError("its steps are not those of its episodes")
        if not np.isin(np.diff(episodes.episode), (0, 1)).all():
            raise ValueError("its steps are not in the order of its episodes")
        if not len(episodes.terminated) == len(episodes.fitness) == count:
            raise ValueError("its episodes are not described one by one")


def _encode(exploit: Exploit) -> bytes:
    """Write an npz; float32, since positions far from the origin have no digits to lose."""
    arrays: dict[str, np.ndarray] = {"words": np.array(exploit.words)}
    for side in ("shown", "reference"):
        episodes: Episodes = getattr(exploit, side)
        for name in _OF_STEPS:
            arrays[f"{side}.{name}"] = getattr(episodes.transitions, name).astype(np.float32)
        for name in _OF_EPISODES:
            arrays[f"{side}.{name}"] = getattr(episodes, name)
    file = BytesIO()
    save_arrays(file, arrays, compressed=True)
    return file.getvalue()
