"""Between which bounds worlds are to differ: a language model's choice, or a rule's. No JAX.

After Ma et al. (2024), "DrEureka: Language Model Guided Sim-to-Real Transfer", section 4.2: the
reward-aware physics prior, how far each quantity goes before a policy of the reward fails, is
what bounds are chosen from.
"""

from __future__ import annotations

import json
import re

from reward_synth.deploy.stress import NAMES, Stress
from reward_synth.propose.llm.records import Message
from reward_synth.propose.prompts import environment_class, render
from reward_synth.randomisation import NOMINAL, Randomisation
from reward_synth.records import TaskDescription

KEPT = 0.8  # of the nominal fitness, as far as which a quantity is said to be borne

_MEANINGS = {
    "mass": "factor on the masses and inertias of all bodies",
    "friction": "factor on the friction of all contacts and joints",
    "gain": "factor on the forces that actuators exert",
    "delay": "control steps by which actions arrive late",
    "noise": "noise on each observation, as a share of its standard deviation",
    "push": "change of velocity by a push, four times in an episode",
}


def offline_ranges(priors: Stress) -> Randomisation:
    """Return bounds by rule: half of the way to what the winner bears.

    Where it bears less than the first level that was tested, that level all the same, for what
    a policy cannot bear at all is what it has to learn.
    """
    found = {}
    for curve in priors.curves:
        nominal = NOMINAL[curve.name]
        low, high = curve.safe(KEPT, priors.nominal)
        below = [x.value for x in curve.levels if x.value < nominal]
        above = [x.value for x in curve.levels if x.value > nominal]
        low = min([(nominal + low) / 2, *below[-1:]])
        high = max([(nominal + high) / 2, *above[:1]])
        if curve.name == "delay":
            low, high = float(int(low)), float(int(high))
        found[curve.name] = (low, high)
    return Randomisation(**found)


def ranges_messages(
    description: TaskDescription, source: str, priors: Stress
) -> tuple[Message, ...]:
    """Ask for bounds.

    Args:
      description: the task.
      source: the reward program that is trained on.
      priors: how far the winner goes.
    """
    rows = []
    for curve in priors.curves:
        low, high = curve.safe(KEPT, priors.nominal)
        rows.append(
            {
                "name": curve.name,
                "unit": NAMES[curve.name][1],
                "meaning": _MEANINGS[curve.name],
                "tested": ", ".join(f"{x.value:g}: {x.fitness:.3g}" for x in curve.levels),
                "low": f"{low:g}",
                "high": f"{high:g}",
            }
        )
    text = render(
        "robustify.md",
        task=description,
        environment=environment_class(description),
        source=source,
        nominal=priors.nominal.fitness,
        rows=rows,
    )
    return (Message("user", text),)


def parse_ranges(answer: str, priors: Stress) -> Randomisation | str:
    """Return the bounds in a language model's answer, or what is wrong with it, in a phrase.

    Of several objects the last counts; what was not tested is left out.
    """
    objects = re.findall(r"\{[^{}]*\}", answer)
    if not objects:
        return "it holds no JSON object"
    try:
        data = json.loads(objects[-1])
    except json.JSONDecodeError as error:
        return f"its JSON cannot be read ({error})"
    tested = {curve.name for curve in priors.curves}
    unknown = sorted(set(data) - set(NOMINAL))
    if unknown:
        return f"it names {unknown[0]!r}, which nothing is called"
    for name, bounds in data.items():
        numbers = isinstance(bounds, list) and all(type(x) in (int, float) for x in bounds)
        if not numbers or len(bounds) != 2:
            return f"{name} is not two numbers"
    found = Randomisation(
        **{name: (float(x), float(y)) for name, (x, y) in data.items() if name in tested}
    )
    return found.problem() or (found if found else "nothing would differ")
