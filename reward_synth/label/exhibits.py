"""The videos that people are shown, and what is wrong with those that they cannot be shown."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from reward_synth.feedback.annotations import Clip
from reward_synth.search.candidate import Candidate

_HEADER = 8  # bytes of a box: its length and its name


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A candidate's video, as it is shown.

    Attributes:
      clip: what an annotation says was shown.
      path: of the video.
      fault: why nobody can see it, in a sentence; "" if they can.
    """

    clip: Clip
    path: Path
    fault: str = ""


class Gallery:
    """A run's videos. Digests are remembered, as every question about a video asks for its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._digests: dict[tuple[Path, int, int], str] = {}

    def exhibit(self, candidate: Candidate) -> Exhibit:
        """Return a candidate's video, which may be missing or broken."""
        path = self._folder / candidate.folder / "rollout.mp4"
        clip = Clip(candidate.id, f"{candidate.folder}/rollout.npz")
        name = f"{candidate.folder}/rollout.mp4"
        if not path.is_file():
            return Exhibit(clip, path, f"There is no video of this one yet: {name} is missing.")
        if not path.resolve().is_relative_to(self._folder):
            return Exhibit(clip, path, f"{name} is a link to a place outside the run folder.")
        if not is_whole(path):
            return Exhibit(clip, path, f"The video of this one is broken: {name} is no whole mp4.")
        return Exhibit(Clip(clip.candidate, clip.rollout, digest=self._digest(path)), path)

    def _digest(self, path: Path) -> str:
        state = path.stat()
        key = path, state.st_mtime_ns, state.st_size
        if key not in self._digests:
            self._digests[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[key]


def is_whole(path: Path) -> bool:
    """Whether a file is made of the boxes that an mp4 has, and none is cut off (ISO 14496-12, 4.2).

    What the boxes hold is left to whoever plays it.
    """
    names, at = set(), 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while at < size:
            file.seek(at)
            header = file.read(_HEADER)
            length, name = int.from_bytes(header[:4]), header[4:]
            if length == 1:  # the length is too large for its place, and follows
                length = int.from_bytes(file.read(8))
            elif length == 0:  # to the end of the file
                length = size - at
            if len(header) < _HEADER or length < _HEADER or at + length > size:
                return False
            names.add(name)
            at += length
    return {b"ftyp", b"moov", b"mdat"} <= names
