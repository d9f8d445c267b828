"""What a judge that sees no video is shown of a policy: still pictures and facts, in one file.

Nothing here needs MuJoCo or JAX: footage is shot where they are (``rollout.shoot``) and judged
anywhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from reward_synth.errors import FeedbackError
from reward_synth.files import atomic_write

QUALITY = 85  # of JPEG
_RECORD = "footage.json"
_GAP = 2  # pixels between the pictures of a contact sheet
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that zip knows; the same footage is the same file
_BROKEN = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, SyntaxError)


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of one instant.

    Attributes:
      seconds: since the episode began; it also stands in the picture.
      camera: which one, from 1.
      jpeg: the picture's file.
    """

    seconds: float
    camera: int
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Footage:
    """One episode in pictures, and what was measured in it.

    Attributes:
      frames: instant by instant, and in each camera by camera.
      facts: sentences on what happened, measured in the simulation; never fitness or success.
      seconds: that the episode lasted.
      rollout: the recorded episodes, relative to the run folder; "" if that is not known.
    """

    frames: tuple[Frame, ...]
    facts: tuple[str, ...]
    seconds: float
    rollout: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of all that is shown, in hexadecimal."""
        return hashlib.sha256(self._record().encode()).hexdigest()

    @property
    def cameras(self) -> int:
        """How many there are."""
        return max((frame.camera for frame in self.frames), default=0)

    def sheet(self) -> bytes:
        """Return a contact sheet as JPEG: a column an instant, a row a camera."""
        pictures = [_opened(frame.jpeg) for frame in self.frames]
        width, height = (size + _GAP for size in pictures[0].size)
        rows = self.cameras
        columns = len(pictures) // rows
        sheet = Image.new("RGB", (columns * width - _GAP, rows * height - _GAP), "white")
        for i, picture in enumerate(pictures):
            sheet.paste(picture, (i // rows * width, i % rows * height))
        return encoded(sheet)

    def save(self, path: Path) -> None:
        """Write a zip of the pictures and the facts, in one piece or not at all."""
        with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
            for name, data in (*self._named(), (_RECORD, self._record().encode())):
                archive.writestr(zipfile.ZipInfo(name, _DATE), data)

    @classmethod
    def load(cls, path: Path, rollout: str = "") -> Footage:
        """Read what ``save`` wrote.

        Raises:
          FeedbackError: it is missing, or broken anywhere.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                record = json.loads(archive.read(_RECORD))
                frames = tuple(
                    Frame(float(f["seconds"]), int(f["camera"]), archive.read(f["file"]))
                    for f in record["frames"]
                )
            loaded = cls(frames, tuple(record["facts"]), float(record["seconds"]), rollout)
            for frame in loaded.frames:
                _opened(frame.jpeg)
        except FileNotFoundError as error:
            raise FeedbackError(f"there is no footage {path}: was the rollout shot?") from error
        except _BROKEN as error:
            raise FeedbackError(
                f"the footage {path} is broken ({error}): delete it, and it is shot again."
            ) from error
        if not loaded.frames or len(loaded.frames) % loaded.cameras:
            raise FeedbackError(f"the footage {path} lacks pictures: delete it.")
        return loaded

    def _named(self) -> Iterable[tuple[str, bytes]]:
        for i, frame in enumerate(self.frames):
            yield f"{i:02d}_camera_{frame.camera}_{frame.seconds:.2f}s.jpg", frame.jpeg

    def _record(self) -> str:
        frames = [
            {
                "file": name,
                "seconds": frame.seconds,
                "camera": frame.camera,
                "sha256": hashlib.sha256(frame.jpeg).hexdigest(),
            }
            for (name, _), frame in zip(self._named(), self.frames, strict=True)
        ]
        record = {"seconds": self.seconds, "facts": self.facts, "frames": frames}
        return json.dumps(record, indent=1)


def encoded(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG file."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _opened(jpeg: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()  # a cut-off file is found out here
    return picture
