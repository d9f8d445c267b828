"""The settings of a run. Hydra composes them from conf/; this is their schema and their check."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, get_type_hints

from reward_synth.errors import ConfigError, did_you_mean
from reward_synth.feedback.judge.settings import JudgeSettings
from reward_synth.looks.config import LooksConfig
from reward_synth.propose.llm.select import CHOICES
from reward_synth.randomisation import Randomisation
from reward_synth.train import sb3
from reward_synth.train.config import TRANSFORMS, PPOConfig

SOURCES = ("none", "people", "vlm", "teacher")
_BY_FITNESS = ("eureka", "eureka_elitist")


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
      strategy: how candidates come about and which is chosen: a name of ``search.strategies``,
        or "module:Class" of your own.
      generations: how many.
      candidates: in each; ``evolve`` begins with two and a half times as many.
      steps: environment steps that each candidate trains for; None for the task's own number.
      episodes: held-out episodes that each trained policy is scored on.
      repairs: times a candidate that was turned down before training is sent back to be mended.
      elites: other good candidates that a proposer is shown besides the parent.
      lineages: lines of descent that are kept apart.
      screens: whether rewards are judged before they are trained on.
      audit: share of what the screens turn down that is trained all the same, and of the places
        that are given to proposals by lot.
      remember: whether this run uses what others have left, and leaves what it finds to them:
        exploits of the task, replayed against new candidates, and rewards of similar tasks,
        which strategies that work with examples show.
      duplicates: distance (EPIC) below which a reward counts as one that was tried; 0 for none.
      rungs: shares of ``steps`` after which a generation is cut; [] for no race.
      keep: shares of a generation that train on after each rung.
      oversample: proposals for each that is trained; promising ones are likelier to be, see
        ``search.preselection``.
      reruns: of the leaders, trained again with a fresh seed after each generation.
      fit_weights: whether numbers in WEIGHTS are searched without the proposer.
    """

    strategy: str = "evolve"
    generations: int = 3
    candidates: int = 6
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
    oversample: int = 2
    reruns: int = 2
    fit_weights: bool = True


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """A synthetic teacher's failings; see ``feedback.teachers``. Without any it is never wrong.

    Attributes:
      rationality: by the unit of fitness: two that are 1 / rationality apart are told apart 73%
        of the time; None for always.
      mistakes: share of its answers that are the opposite of what it means.
      discount: what a step counts for each step that came after it; 1 for all alike.
      skip_below: fitness that the better of two must have for it to judge; None for any.
      equal_within: fitness that two must be apart for it to see a difference.
    """

    rationality: float | None = None
    mistakes: float = 0.0
    discount: float = 1.0
    skip_below: float | None = None
    equal_within: float = 0.0


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """Who says which policies are better, besides the task's fitness or in its place.

    Attributes:
      source: "none"; "people", who are waited for (`reward-synth label`); "vlm", a
        vision-language model; "teacher", a synthetic one that answers from the fitness.
      fitness: whether the search may know the task's fitness and success. If not, all of it
        rests on what is preferred, and a task needs neither.
      answers: comparisons after each generation, by all who are asked together.
      patience_s: seconds that people are waited for before the run stops, to be continued later;
        None for as long as it takes.
      rank_for: whose taste decides where people differ; None for everybody's.
      judge: the vision-language model, and what it is shown.
      teacher: what the synthetic one is like.
    """

    source: str = "none"
    fitness: bool = True
    answers: int = 12
    patience_s: float | None = None
    rank_for: str | None = None
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)


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
      llm, search, feedback, train, final, budget, video, looks: see their classes.
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
    feedback: FeedbackSettings = field(default_factory=FeedbackSettings)
    train: PPOConfig = field(default_factory=PPOConfig)
    final: FinalSettings = field(default_factory=FinalSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    video: VideoSettings = field(default_factory=VideoSettings)
    looks: LooksConfig = field(default_factory=LooksConfig)

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
            ("search.oversample", self.search.oversample, 1),
            ("search.reruns", self.search.reruns, 0),
            ("feedback.answers", self.feedback.answers, 1),
            ("feedback.patience_s", self.feedback.patience_s, 0),
            ("feedback.teacher.rationality", self.feedback.teacher.rationality, 0),
            ("feedback.teacher.mistakes", self.feedback.teacher.mistakes, 0),
            ("feedback.teacher.equal_within", self.feedback.teacher.equal_within, 0),
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
            ("trainer", self.trainer, ("jax", "sb3")),
            ("sandbox", self.sandbox, ("auto", "strict")),
            ("backend", self.backend, ("cpu", "mjx")),
            ("llm.kind", self.llm.kind, CHOICES),
            ("feedback.source", self.feedback.source, SOURCES),
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
        self._check_feedback()
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
        self._check_looks()
        if self.video.width % 2 or self.video.height % 2:
            raise ConfigError("video.width and video.height must be even, for H.264.")

    def _check_looks(self) -> None:
        self.looks.check()
        if not self.looks.on:
            return
        for name, value, needed in (
            ("trainer", self.trainer, "jax"),
            ("backend", self.backend, "cpu"),
            ("train.transform", self.train.transform, "none"),
        ):
            if value != needed:
                raise ConfigError(
                    f"looks.model scores pictures between collecting and learning, which {name}="
                    f"{value} has no place for: use {name}={needed}."
                )

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

    def _check_feedback(self) -> None:
        from reward_synth.search.strategies import strategy_of  # strategies read these settings
        from reward_synth.search.strategies.strategy import Asking

        feedback, strategy = self.feedback, self.search.strategy
        asked = feedback.source != "none"
        if isinstance(strategy_of(strategy), Asking) and not asked:
            raise ConfigError(
                f"search.strategy={strategy} goes by preferences: say whose with feedback=people, "
                "or feedback=teacher for a synthetic one."
            )
        if not feedback.fitness and not asked:
            raise ConfigError(
                "feedback.fitness=false leaves nothing to go by: say who is asked with "
                "feedback=people or feedback=teacher."
            )
        if not feedback.fitness and strategy in _BY_FITNESS:
            raise ConfigError(
                f"search.strategy={strategy} goes by the fitness in training, which "
                "feedback.fitness=false hides: use evolve or icpl."
            )
        if feedback.teacher.mistakes > 1.0 or not 0.0 < feedback.teacher.discount <= 1.0:
            raise ConfigError(
                "feedback.teacher.mistakes is a share, at most 1, and feedback.teacher.discount is "
                "above 0 and at most 1."
            )
        if feedback.source == "vlm":
            feedback.judge.check()
        if feedback.source == "people" and not self.video.enabled:
            raise ConfigError("feedback=people needs videos to show: set video.enabled=true.")


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
