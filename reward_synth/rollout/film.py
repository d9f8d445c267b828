"""An episode as a film at the pace of real time, and a film as an mp4 file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reward_synth.errors import RewardSynthError
from reward_synth.files import atomic_write
from reward_synth.rollout.episodes import ENDS, Rollouts
from reward_synth.rollout.picture import draw
from reward_synth.task import Task

_LINGER_S = 0.8  # the last picture of an episode that ended early stays on
_INK = (75, 80, 90)


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """Which moments of an episode are shown, and what is written below each.

    That is the time, and how the episode ended. A fitness is never written into pictures: people
    may be asked about any of them, and are not to know it.

    Attributes:
      task: the task.
      postures: (F, nq) MuJoCo's positions.
      captions: F of them.
      fps: pictures a second; control steps are left out evenly, so that time runs true.
    """

    task: Task
    postures: np.ndarray
    captions: tuple[str, ...]
    fps: float

    @classmethod
    def of(
        cls, task: Task, rollouts: Rollouts, episode: str, seconds: float, most_fps: float
    ) -> Film:
        """Choose the moments of an episode.

        Args:
          task: the task.
          rollouts: its episodes.
          episode: a number, or "typical"; see ``Rollouts.typical``.
          seconds: at the most.
          most_fps: pictures a second, at the most about.

        Raises:
          RewardSynthError: there is no such episode.
        """
        count, timestep = len(rollouts.length), task.description.timestep
        if episode != "typical" and (not episode.isdecimal() or int(episode) >= count):
            raise RewardSynthError(f"no episode {episode!r}: give 0 to {count - 1} or 'typical'.")
        index = rollouts.typical if episode == "typical" else int(episode)
        length, stride = int(rollouts.length[index]), max(1, round(1 / (timestep * most_fps)))
        shown = np.arange(0, min(length, round(seconds / timestep)) + 1, stride)
        fps = 1 / (timestep * stride)
        captions = [f"{step * timestep:.1f} s" for step in shown]
        end = ENDS[int(rollouts.end[index])]
        if end != "time limit" and length * timestep <= seconds:
            linger = round(_LINGER_S * fps)
            shown = np.concatenate([shown, np.full(linger, length)])
            captions += [f"{length * timestep:.1f} s    {end}"] * linger
        return cls(task, rollouts.qpos[shown, index], tuple(captions), fps)

    def pictures(self, width: int, height: int) -> Iterator[Image.Image]:
        """Yield the captioned pictures; see ``picture.draw``."""
        drawn = draw(self.task.model, self.task.camera, self.postures, width, height)
        for picture, text in zip(drawn, self.captions, strict=True):
            caption(picture, text, height / 21)
            yield picture


def caption(picture: Image.Image, text: str, size: float) -> None:
    """Write into the lower left corner of a picture.

    Args:
      picture: it is changed.
      text: one line.
      size: of the letters, in pixels.
    """
    margin = picture.height // 30
    place, font = (margin, picture.height - margin), ImageFont.load_default(size)
    ImageDraw.Draw(picture).text(place, text, fill=_INK, font=font, anchor="ls")


def write_mp4(pictures: Iterable[Image.Image], fps: float, path: Path) -> None:
    """Write H.264 that browsers play while it loads; the same pictures give the same bytes.

    Raises:
      OSError: ffmpeg failed or the folder cannot be written; nothing is left behind.
    """
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]
    quality = ["-crf", "25", "-preset", "slow", "-threads", "1"]
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder) / "film.mp4"
        with imageio.get_writer(
            unfinished,
            format="FFMPEG",  # pyright: ignore[reportArgumentType] (accepted by name)
            fps=fps,
            codec="libx264",
            pixelformat="yuv420p",
            quality=None,
            macro_block_size=2,
            ffmpeg_log_level="error",
            output_params=[*quality, *exact, "-movflags", "+faststart"],
        ) as writer:
            for picture in pictures:
                writer.append_data(np.asarray(picture))  # pyright: ignore[reportAttributeAccessIssue]
        with atomic_write(path) as file:
            file.write(unfinished.read_bytes())
