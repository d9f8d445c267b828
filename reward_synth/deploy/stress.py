"""What a policy's stress test found: records, their JSON, and what they say in words. No JAX."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from reward_synth.randomisation import NOMINAL

FORMAT = 1

# What each perturbation is called, and the unit of its levels.
NAMES = {
    "mass": ("masses", "times the model's"),
    "friction": ("friction", "times the model's"),
    "gain": ("actuator gain", "times the model's"),
    "delay": ("delay of actions", "control steps"),
    "noise": ("observation noise", "standard deviations"),
    "push": ("pushes", "m/s each"),
}


@dataclass(frozen=True, slots=True)
class Level:
    """How a policy did in one world.

    Attributes:
      value: of what is perturbed, see ``Randomisation``.
      fitness: mean over episodes.
      low, high: its 95% interval, Student's t over episodes.
      success: share of episodes that ended in success.
      success_low, success_high: its 95% interval, Wilson's.
      length: mean episode length in steps.
    """

    value: float
    fitness: float
    low: float
    high: float
    success: float
    success_low: float
    success_high: float
    length: float


@dataclass(frozen=True, slots=True)
class Curve:
    """How a policy did at all levels of one perturbation.

    Attributes:
      name: a field of ``Randomisation``.
      levels: by value, the nominal one among them.
    """

    name: str
    levels: tuple[Level, ...]

    def safe(self, share: float, nominal: Level) -> tuple[float, float]:
        """Return the lowest and highest value up to which fitness is at least a share of nominal.

        Of the levels tested that lie next to each other, beginning at the nominal one. Where
        fitness is negative it may fall short of the nominal by the rest of its size.
        """
        least = nominal.fitness - (1.0 - share) * abs(nominal.fitness)
        place = next(i for i, x in enumerate(self.levels) if x.value == NOMINAL[self.name])
        low = high = place
        while low > 0 and self.levels[low - 1].fitness >= least:
            low -= 1
        while high + 1 < len(self.levels) and self.levels[high + 1].fitness >= least:
            high += 1
        return self.levels[low].value, self.levels[high].value


@dataclass(frozen=True, slots=True)
class Stress:
    """A policy's stress test.

    Attributes:
      task: its name.
      policy: which policy, in a few words.
      episodes: in each world; all worlds begin from the same initial states.
      seed: of the episodes.
      timestep: seconds of a control step.
      env_steps: environment steps that it took.
      nominal: in the model as it is.
      curves: one a perturbation.
      left_out: perturbations that mean nothing to this robot, and why.
    """

    task: str
    policy: str
    episodes: int
    seed: int
    timestep: float
    env_steps: int
    nominal: Level
    curves: tuple[Curve, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    def levels(self) -> Iterator[tuple[str, Level]]:
        """Yield every level but the nominal, with its perturbation."""
        for curve in self.curves:
            for level in curve.levels:
                if level.value != NOMINAL[curve.name]:
                    yield curve.name, level

    @property
    def worst(self) -> tuple[str, Level]:
        """The level of the lowest fitness, with its perturbation."""
        return min(self.levels(), key=lambda pair: pair[1].fitness)

    @property
    def summary(self) -> list[str]:
        """What it found, a line each: nominal, how far each goes, the worst case."""
        nominal = self.nominal
        lines = [
            f"nominal: fitness {nominal.fitness:.3g} [{nominal.low:.3g}, {nominal.high:.3g}], "
            f"success {nominal.success:.0%} "
            f"[{nominal.success_low:.0%}, {nominal.success_high:.0%}], {self.episodes} episodes"
        ]
        for curve in self.curves:
            name, unit = NAMES[curve.name]
            low, high = curve.safe(0.8, nominal)
            tested = curve.levels[0].value, curve.levels[-1].value
            kept = f"from {low:g} to {high:g}" if low < high else f"at {low:g} only"
            lines.append(
                f"{name}: keeps 80% of the nominal fitness {kept} {unit} "
                f"(tested {tested[0]:g} to {tested[1]:g})"
            )
        name, level = self.worst
        words, unit = NAMES[name]
        lines.append(
            f"worst case: {words} at {level.value:g} {unit}: fitness {level.fitness:.3g} "
            f"[{level.low:.3g}, {level.high:.3g}], success {level.success:.0%}"
        )
        return lines + [f"{NAMES[name][0]}: not tested, {why}" for name, why in self.left_out]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``from_json`` inverts it."""
        return {"format": FORMAT, "summary": self.summary, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Stress:
        """Rebuild a stress test from ``to_json``'s dictionary."""
        given = {name: value for name, value in data.items() if name not in ("format", "summary")}
        curves = tuple(
            Curve(curve["name"], tuple(Level(**level) for level in curve["levels"]))
            for curve in data["curves"]
        )
        left_out = tuple((name, why) for name, why in data["left_out"])
        nominal = Level(**data["nominal"])
        return cls(**{**given, "nominal": nominal, "curves": curves, "left_out": left_out})
