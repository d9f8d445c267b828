"""The settings of a run. Hydra composes them from conf/; this is their schema and their check."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, get_type_hints

from reward_synth.errors import ConfigError, did_you_mean
from reward_synth.propose.llm.select import CHOICES
from reward_synth.randomisation import Randomisation
from reward_synth.train import sb3
from reward_synth.train.config import TRANSFORMS, PPOConfig

STRATEGY_NAMES = (
    "evolve",
    "eureka",
    "eureka_elitist",
    "icpl",
    "text2reward",
    "text2reward_zero_shot",
    "iid",
    "sequential",
)


@dataclass(frozen=True, slots=True)
class LLMSettings:
    """Who writes the reward programs. What is None is the preset's; keys stay in the environment.

    Attributes:
      kind: "auto", "openai", "vllm", "ollama", "replay" or "offline".
      folder: recorded answers, for "replay".
      model, base_url, temperature, max_tokens, timeout_s, concurrency, retries,
        dollars_per_million: see ``propose.llm.settings.ModelSettings``.
      models: several models of the server, in the place of ``model``; the search finds out
        which is worth its price.
    """

    kind: str = "auto"
    folder: str | None = None
    model: str | None = None
    models: tuple[str, ...] = ()
    base_url: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout_s: float | None = None
    concurrency: int | None = None
    retries: int | None = None
    dollars_per_million: tuple[float, float] | None = None

    @property
    def overrides(self) -> dict[str, Any]:
        """What the user set, by the names of ``ModelSettings``."""
        skipped = ("kind", "folder", "models")
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in skipped}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The loop over generations.

    Attributes:
      strategy: how candidates come about and which is chosen; see ``search.strategies``.
      generations: how many.
      candidates: in each; ``evolve`` begins with half as many again.
      steps: environment steps that each candidate trains for; None for the task's own number.
      episodes: held-out episodes that each trained policy is scored on.
      repairs: times a candidate that was turned down before training is sent back to be mended.
      elites: other good candidates that a proposer is shown besides the parent.
      lineages: lines of descent that are kept apart.
      screens: whether rewards are judged before they are trained on.
      audit: share of what the screens turn down that is trained all the same.
      remember: whether this run uses what others have left, and leaves what it finds to them:
        exploits of the task, replayed against new candidates, and rewards of similar tasks,
        which strategies that work with examples show.
      duplicates: distance (EPIC) below which a reward counts as one that was tried; 0 for none.
      rungs: shares of ``steps`` after which a generation is cut; [] for no race.
      keep: shares of a generation that train on after each rung.
      reruns: of the leaders, trained again with a fresh seed after each generation.
      fit_weights: whether numbers in WEIGHTS are searched without the proposer.
    """

    strategy: str = "evolve"
    generations: int = 3
    candidates: int = 8
    steps: int | None = None
    episodes: int = 10
    repairs: int = 1
    elites: int = 2
    lineages: int = 2
    screens: bool = True
    audit: float = 0.1
    remember: bool = True
    duplicates: float = 0.01
    rungs: tuple[float, ...] = (0.4, 0.7)
    keep: tuple[float, ...] = (0.5, 0.25)
    reruns: int = 2
    fit_weights: bool = True


@dataclass(frozen=True, slots=True)
class FinalSettings:
    """The comparison at the end, with fresh seeds, of the found, expert and sparse rewards.

    Attributes:
      trainings: from scratch, for each reward; 0 for no comparison.
      steps: environment steps of each; None for the search's number.
      episodes: held-out episodes for each training.
    """

    trainings: int = 4
    steps: int | None = None
    episodes: int = 20


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """What a run may take in all, sittings added up; None for no limit."""

    tokens: int | None = None
    dollars: float | None = None
    env_steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """Rollout videos.

    Attributes:
      enabled: whether any are made.
      width, height: in pixels, even.
      seconds: at the most.
    """

    enabled: bool = True
    width: int = 384
    height: int = 288
    seconds: float = 6.0


@dataclass(frozen=True, slots=True)
class RunConfig:
    """All settings of a run.

    Attributes:
      task: a bundled task's name, or the path of a folder.
      seed: of everything random.
      trainer: "jax" is our PPO; "sb3" is Stable-Baselines3's, which needs its extra.
      sandbox: "auto" uses the layers that the machine offers; "strict" demands all.
      threads: physics threads; 0 for all cores. Results do not depend on it.
      backend: "cpu" trains in MuJoCo on CPU threads; "mjx" in MuJoCo MJX on JAX's device. Either
        way held-out episodes and videos are MuJoCo's, on the CPU.
      isolate: whether trainings have a process of their own, which may hang or crash without
        harm; without one a run starts two seconds sooner.
      stall_s: seconds without a sign of life after which a training counts as hung. It must be
        longer than a compilation takes.
      checkpoint_s: seconds of training that a kill may cost.
      randomise: between which bounds the worlds that policies are trained in differ; they go
        before those that the task declares. Held-out episodes are in the model as it is.
      llm, search, train, final, budget, video: see their classes.
    """

    task: str = "hopper"
    seed: int = 0
    trainer: str = "jax"  # OmegaConf has no Literal
    sandbox: str = "auto"
    threads: int = 0
    backend: str = "cpu"
    isolate: bool = True
    stall_s: float = 900.0
    checkpoint_s: float = 10.0
    randomise: Randomisation = field(default_factory=Randomisation)
    llm: LLMSettings = field(default_factory=LLMSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    train: PPOConfig = field(default_factory=PPOConfig)
    final: FinalSettings = field(default_factory=FinalSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    video: VideoSettings = field(default_factory=VideoSettings)

    def check(self) -> None:
        """Check what types cannot say.

        Raises:
          ConfigError: naming the setting and what would do.
        """
        for name, value, least in (
            ("seed", self.seed, 0),
            ("threads", self.threads, 0),
            ("stall_s", self.stall_s, 1),
            ("checkpoint_s", self.checkpoint_s, 0),
            ("search.generations", self.search.generations, 1),
            ("search.candidates", self.search.candidates, 1),
            ("search.steps", self.search.steps, 1),
            ("search.episodes", self.search.episodes, 2),
            ("search.repairs", self.search.repairs, 0),
            ("search.elites", self.search.elites, 0),
            ("search.lineages", self.search.lineages, 1),
            ("search.audit", self.search.audit, 0),
            ("search.duplicates", self.search.duplicates, 0),
            ("search.reruns", self.search.reruns, 0),
            ("final.trainings", self.final.trainings, 0),
            ("final.steps", self.final.steps, 1),
            ("final.episodes", self.final.episodes, 2),
            ("train.envs", self.train.envs, 1),
            ("train.horizon", self.train.horizon, 1),
            ("train.epochs", self.train.epochs, 1),
            ("train.minibatches", self.train.minibatches, 1),
            ("budget.tokens", self.budget.tokens, 0),
            ("budget.dollars", self.budget.dollars, 0),
            ("budget.env_steps", self.budget.env_steps, 0),
            ("budget.seconds", self.budget.seconds, 0),
        ):
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}; it must be at least {least}.")
        if not self.task:
            raise ConfigError("task is empty; name a bundled task or a folder.")
        for name, value, choices in (
            ("search.strategy", self.search.strategy, STRATEGY_NAMES),
            ("trainer", self.trainer, ("jax", "sb3")),
            ("sandbox", self.sandbox, ("auto", "strict")),
            ("backend", self.backend, ("cpu", "mjx")),
            ("llm.kind", self.llm.kind, CHOICES),
            ("train.transform", self.train.transform, TRANSFORMS),
        ):
            if value not in choices:
                raise ConfigError(
                    f"{name} is {value!r}.{did_you_mean(value, choices)} It must be one of "
                    f"{', '.join(choices)}."
                )
        rungs, keep = self.search.rungs, self.search.keep
        if len(rungs) != len(keep):
            raise ConfigError(
                f"search.rungs has {len(rungs)} shares and search.keep {len(keep)}: each rung "
                "needs the share that trains on after it."
            )
        for name, shares in (("rungs", rungs), ("keep", keep)):
            if any(not 0.0 < share < 1.0 for share in shares):
                raise ConfigError(f"search.{name} must be shares between 0 and 1.")
        if list(rungs) != sorted(set(rungs)) or list(keep) != sorted(keep, reverse=True):
            raise ConfigError("search.rungs must rise and search.keep must not.")
        if problem := self.randomise.problem():
            raise ConfigError(f"randomise.{problem}.")
        self._check_models()
        prices = self.llm.dollars_per_million
        if prices is not None and len(prices) != 2:
            raise ConfigError("llm.dollars_per_million must be [input, output], two numbers.")
        if self.train.batch % self.train.minibatches:
            raise ConfigError(
                f"train.minibatches is {self.train.minibatches}; it must divide train.envs x "
                f"train.horizon = {self.train.batch}."
            )
        if self.trainer == "sb3":
            if self.train.transform == "caps":
                raise ConfigError(sb3.NO_CAPS)
            if self.randomise:
                raise ConfigError(sb3.NOMINAL_ONLY)
            sb3.require()
            if self.backend != "cpu":
                raise ConfigError("trainer=sb3 trains on backend=cpu only.")
            if self.train.batch == self.train.minibatches:
                raise ConfigError("trainer=sb3 needs minibatches of more than one step.")
        if self.video.width % 2 or self.video.height % 2:
            raise ConfigError("video.width and video.height must be even, for H.264.")

    def _check_models(self) -> None:
        models = self.llm.models
        if not models:
            return
        if self.llm.model is not None:
            raise ConfigError("llm.model and llm.models are both set; name all in llm.models.")
        if "" in models or len(set(models)) < len(models):
            raise ConfigError("llm.models must be different names.")
        if len(models) > 1 and self.search.strategy != "evolve":
            raise ConfigError(
                f"search.strategy={self.search.strategy} asks one model: set llm.model, not "
                "llm.models."
            )


def config_from_json(data: dict[str, Any]) -> RunConfig:
    """Rebuild a config from the JSON of ``dataclasses.asdict(config)``."""
    return _from_json(RunConfig, data)


def _from_json(cls: type[Any], data: dict[str, Any]) -> Any:  # noqa: ANN401 (an instance of cls)
    hints = get_type_hints(cls)
    values = {}
    for name, value in data.items():
        if is_dataclass(hints[name]):
            values[name] = _from_json(hints[name], value)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return cls(**values)
