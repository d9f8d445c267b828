"""What pictures are scored by; imports nothing heavy, so that the text side can read it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from reward_synth.errors import ConfigError
from reward_synth.records import CLIP_SCORE, Field


@dataclass(frozen=True, slots=True)
class LooksConfig:
    """A reward from pixels: what pictures should look like, and who judges that.

    Attributes:
      model: a CLIP or SigLIP of the transformers library, by name or folder, such as
        "openai/clip-vit-base-patch32"; or "module:function" that makes an encoder of your own,
        see ``looks.encoders.Encoder``. None for no reward from pixels.
      goal: what a picture should show.
      baseline: what it shows whatever happens, such as "a humanoid robot"; "" compares with the
        goal alone.
      alpha: how much of what differs from both sentences alike is disregarded, from 0 to 1; see
        ``looks.score``.
      every: control steps from one picture to the next of an episode; the score is held between.
      size: width and height of a picture, in pixels.
      camera: one of the model's; None for the task's.
    """

    model: str | None = None
    goal: str = ""
    baseline: str = ""
    alpha: float = 0.5
    every: int = 4
    size: int = 224
    camera: str | None = None

    @property
    def on(self) -> bool:
        """Whether pictures are scored."""
        return self.model is not None

    @property
    def is_own(self) -> bool:
        """Whether the encoder is "module:function"."""
        return ":" in (self.model or "")

    def check(self) -> None:
        """Check what types cannot say.

        Raises:
          ConfigError: naming the setting and what would do, or the extra that is missing.
        """
        if self.model is None:
            if self.goal or self.baseline:
                raise ConfigError("looks.goal needs a model that sees: set looks=clip or another.")
            return
        if not self.model:
            raise ConfigError("looks.model is empty; name a model, or null for none.")
        if not self.goal.strip():
            raise ConfigError(
                'looks.goal is empty; say what a picture should show, as in looks.goal="a humanoid '
                'robot kneeling".'
            )
        if self.goal.strip() == self.baseline.strip():
            raise ConfigError("looks.goal and looks.baseline are the same: nothing could be told.")
        if not 0.0 <= self.alpha <= 1.0:
            raise ConfigError(f"looks.alpha is {self.alpha}; it must be from 0 to 1.")
        if self.every < 1:
            raise ConfigError(f"looks.every is {self.every}; it must be at least 1.")
        if not 16 <= self.size <= 1024:
            raise ConfigError(f"looks.size is {self.size}; it must be from 16 to 1024 pixels.")
        if not self.is_own and (find_spec("torch") is None or find_spec("transformers") is None):
            raise ConfigError(
                f"looks.model={self.model} needs the clip extra: pip install 'reward-synth[clip]'."
            )

    def field(self, home: float) -> Field:
        """Return the field that reward programs read.

        Args:
          home: the score of the model's initial pose.
        """
        contrast = f", rather than {self.baseline!r}" if self.baseline else ""
        held = f" {self.every} steps" if self.every > 1 else " step"
        return Field(
            name=CLIP_SCORE,
            shape=(),
            unit="1",
            frame="picture",
            meaning=(
                f"how much a picture of the scene looks like {self.goal!r}{contrast}, to "
                f"{self.model}; at most 1, its difference from home says more than its level; "
                f"measured every{held}"
            ),
            home=(home,),
        )
