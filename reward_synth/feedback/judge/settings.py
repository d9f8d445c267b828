"""Who judges, what it is shown and how often it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reward_synth.errors import ConfigError
from reward_synth.propose.llm.settings import OPENAI, OPENAI_URL, ModelSettings
from reward_synth.rollout.shots import MOST_CAMERAS, Shots

SECTION = "feedback.judge"
_MOST_RUBRIC = 20_000  # characters; more is a wrong file


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """Settings of a vision-language judge. It is apart from whoever writes the rewards.

    Attributes:
      model: its name on the server; "" for the default at OpenAI.
      base_url: the server, OpenAI's or one that speaks its language (vLLM, Ollama), up to and
        including ``/v1``; "" for OPENAI_BASE_URL if that is set, else OpenAI itself.
      key_variable: environment variable that holds the API key. None is OPENAI_API_KEY, but only
        while ``base_url`` is "": no other server is sent OpenAI's key unasked.
      votes: how often a question is asked; each vote on a pair is two requests, one each way
        round.
      instants, cameras, width, height: of the pictures; see ``rollout.shots.Shots``.
      contact_sheet: whether a clip is sent as one image, for models that take few.
      facts: whether it is told what was measured.
      rubric: a Markdown file with the principles of whoever wants the robot; "" for none.
      temperature, max_tokens, timeout_s, concurrency, retries, dollars_per_million: see
        ``propose.llm.settings.ModelSettings``.
    """

    model: str = ""
    base_url: str = ""
    key_variable: str | None = None
    votes: int = 1
    instants: int = 6
    cameras: int = 2
    width: int = 256
    height: int = 192
    contact_sheet: bool = False
    facts: bool = True
    rubric: str = ""
    temperature: float | None = None
    max_tokens: int | None = 4096
    timeout_s: float = 120.0
    concurrency: int = 4
    retries: int = 4
    dollars_per_million: tuple[float, float] | None = None

    @property
    def shots(self) -> Shots:
        """How footage is shot for it."""
        return Shots(self.instants, self.cameras, self.width, self.height)

    def check(self) -> None:
        """Check what types cannot say, before anything is trained.

        Raises:
          ConfigError: naming the setting and what would do.
        """
        for name, value, least, most in (
            ("votes", self.votes, 1, 99),
            ("instants", self.instants, 2, 64),
            ("cameras", self.cameras, 1, MOST_CAMERAS),
            ("width", self.width, 64, 2048),
            ("height", self.height, 48, 2048),
        ):
            if not least <= value <= most:
                raise ConfigError(
                    f"{SECTION}.{name} is {value}; it must be from {least} to {most}."
                )
        if self.dollars_per_million is not None and len(self.dollars_per_million) != 2:
            raise ConfigError(
                f"{SECTION}.dollars_per_million must be [input, output], two numbers."
            )
        self.principles()
        self.model_settings({})

    def principles(self) -> str:
        """Return what the rubric says, "" if there is none.

        Raises:
          ConfigError: the file cannot be read, is empty, or is no text.
        """
        if not self.rubric:
            return ""
        try:
            text = Path(self.rubric).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError(
                f"{SECTION}.rubric={self.rubric} cannot be read ({why}): name a Markdown file with "
                "your principles, or leave it out."
            ) from error
        if not text or len(text) > _MOST_RUBRIC:
            raise ConfigError(
                f"{SECTION}.rubric={self.rubric} has {len(text)} characters: write from one to "
                f"{_MOST_RUBRIC} on what makes a motion good."
            )
        return text

    def model_settings(self, env: Mapping[str, str]) -> ModelSettings:
        """Return the settings of the model's server.

        Args:
          env: environment variables, for OPENAI_BASE_URL.
        """
        base_url = self.base_url or env.get("OPENAI_BASE_URL", "").strip() or OPENAI_URL
        at_openai = base_url.rstrip("/") == OPENAI_URL
        key_variable = self.key_variable
        if key_variable is None:
            # A gateway that OPENAI_BASE_URL names may want the key that is set beside it.
            wanted = at_openai or (not self.base_url and bool(env.get(OPENAI.key_variable)))
            key_variable = OPENAI.key_variable if wanted else ""
        return replace(
            OPENAI,
            name="",
            section=SECTION,
            model=self.model or (OPENAI.model if at_openai else ""),
            base_url=base_url,
            key_variable=key_variable,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            timeout_s=self.timeout_s,
            concurrency=self.concurrency,
            retries=self.retries,
            dollars_per_million=self.dollars_per_million,
        )
