"""Images in a chat: shown to the model where the text names them, and everywhere else a hash."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_MARK = "[image {}]"
_ANY_MARK = re.compile(r"\[(?=image\b)", re.I)


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded image, and what the text calls it.

    Attributes:
      name: such as "A1"; the text holds ``[image A1]`` once, where the image is to be seen.
      data: the file's bytes; never printed.
      media_type: what they are.
    """

    name: str
    data: bytes = field(repr=False)
    media_type: str = "image/jpeg"

    @property
    def mark(self) -> str:
        """What stands in the text for the image."""
        return _MARK.format(self.name)

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def url(self) -> str:
        """The image as a ``data:`` URL (RFC 2397)."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"


def unmarked(text: str) -> str:
    """Return somebody's text such that nothing in it stands for an image."""
    return _ANY_MARK.sub("(", text)


def parts(text: str, images: Sequence[Image]) -> Iterator[str | Image]:
    """Yield the text in pieces, each image after its mark.

    Raises:
      ValueError: a mark is not there exactly once, or the marks are in another order.
    """
    for image in images:
        before, mark, text = text.partition(image.mark)
        if not mark or image.mark in text:
            raise ValueError(f"{image.mark} must stand in the text once, in the images' order.")
        yield before + mark
        yield image
    if text.strip():
        yield text
