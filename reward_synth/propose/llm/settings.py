"""Which language model is asked, where, and how."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reward_synth.errors import ConfigError

OPENAI_URL = "https://api.openai.com/v1"
VLLM_URL = "http://127.0.0.1:8000/v1"
OLLAMA_URL = "http://127.0.0.1:11434/v1"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Settings of an OpenAI-compatible chat server.

    The API key is not among them: settings end up in run folders, keys must not.

    Attributes:
      name: the preset, for messages to the user; "" if there is none.
      section: of the configuration, where the user sets the rest; for messages as well.
      model: the model's name on the server.
      base_url: where the server is, up to and including ``/v1``.
      key_variable: environment variable that holds the API key; ``""`` if none is needed.
      start_hint: how to start the server, said when it cannot be reached.
      temperature: sampling temperature; None leaves it to the server.
      max_tokens: longest answer, reasoning included; None leaves it to the server.
      timeout_s: longest wait for one whole answer.
      concurrency: most requests in flight at once.
      retries: how often a request is sent again after a passing trouble.
      max_wait_s: longest pause before sending again; a server that asks for more is given up on.
      dollars_per_million: (input, output) price of a million tokens; None looks it up in
        genai-prices.
    """

    name: str = "openai"
    section: str = "llm"
    model: str = ""
    base_url: str = OPENAI_URL
    key_variable: str = "OPENAI_API_KEY"
    start_hint: str = ""
    temperature: float | None = 1.0
    max_tokens: int | None = 16_384
    timeout_s: float = 120.0
    concurrency: int = 8
    retries: int = 4
    max_wait_s: float = 60.0
    dollars_per_million: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))
        if self.dollars_per_million is not None:  # a list, if it comes from a config file
            price_in, price_out = self.dollars_per_million
            object.__setattr__(self, "dollars_per_million", (float(price_in), float(price_out)))
        for setting, least in (("concurrency", 1), ("retries", 0), ("max_wait_s", 0)):
            if getattr(self, setting) < least:
                raise ConfigError(f"{self.section}.{setting} must be at least {least}.")
        if self.timeout_s <= 0:
            raise ConfigError(f"{self.section}.timeout_s must be above 0.")

    @property
    def label(self) -> str:
        """What the user chose, as it is written on the command line."""
        return f"{self.section}={self.name}" if self.name else self.section


OPENAI = ModelSettings(model="gpt-6.1-terra")
VLLM = replace(
    OPENAI,
    name="vllm",
    model="",
    base_url=VLLM_URL,
    key_variable="",
    start_hint="vllm serve {model}",
    dollars_per_million=(0.0, 0.0),
)
OLLAMA = replace(
    VLLM,
    name="ollama",
    base_url=OLLAMA_URL,
    # Its default context of 4096 tokens cuts long prompts short without a word.
    start_hint="OLLAMA_CONTEXT_LENGTH=32768 ollama serve",
    # It answers one request at a time by default; more would queue there and time out.
    concurrency=2,
    timeout_s=600.0,
)
PRESETS = {preset.name: preset for preset in (OPENAI, VLLM, OLLAMA)}
