"""A run's archive written by hand: one line of descent, and what went wrong beside it."""

from dataclasses import replace

from reward_synth.feedback.scores import Score
from reward_synth.propose.operators import Operator
from reward_synth.records import Finding, Rejection, RewardProgram, Stage
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate, Standing

BODY = """

def reward(state, action, next_state, w):
    forward = next_state.torso_velocity[0]
    terms = {{
        "forward": w["forward"] * {forward},
        "upright": -w["upright"] * next_state.torso_pitch**2,
        "effort": -w["effort"] * jnp.sum(action**2),
    }}
    return sum(terms.values()), terms
"""
REFLECTION = """| | over training | share |
|---|---|---|
| term forward | 0.1, 0.4, 0.9 | 80% |

The final policy: fitness 2.1.

## Findings

- Term 'upright' was zero throughout."""


def program(rationale="Speed pays.", forward="forward", weight=1.0):
    weights = (("forward", weight), ("upright", 1.0), ("effort", 0.001))
    table = ", ".join(f'"{name}": {value:g}' for name, value in weights)
    source = f'"""{rationale}"""\n\nWEIGHTS = {{{table}}}\n{BODY.format(forward=forward)}'
    return RewardProgram(source, rationale, weights)


def score(*trainings):
    mean = sum(trainings) / len(trainings)
    return Score(mean, mean - 1, mean + 1, 0.5, 700.0, trainings, 10)


def candidate(id, operator, parents=(), trainings=(), **values):
    return Candidate(
        int(id[1:3]),
        int(id[4:]),
        operator,
        parents,
        "a model",
        terms=("forward", "upright", "effort"),
        score=score(*trainings) if trainings else None,
        reflection=REFLECTION if trainings else "",
        **{"program": program(), **values},
    )


def changed(what, **values):
    return program(f"Speed pays, in metres.\nIt is bounded.\n\nChange: {what}", **values)


BOUNDED = "speed is bounded, since the policy dived."
BASE = candidate("g00c00", Operator.INITIAL, trainings=(1.0, 1.4))
CHILD = candidate(
    "g01c00",
    Operator.STRUCTURE,
    ("g00c00",),
    (2.0, 2.3),
    program=changed(BOUNDED, forward="jnp.tanh(forward)"),
)
BEST = candidate(
    "g02c00",
    Operator.PARAMETERS,
    ("g01c00",),
    (2.2,),
    program=changed(BOUNDED, forward="jnp.tanh(forward)", weight=2.0),
    findings=(Finding("scale", False, "Term 'effort' is a thousandth\nof the others."),),
)
LOSER = candidate(
    "g02c01", "structure: add", ("g01c00",), (0.1,), program=changed("a bonus for standing.")
)
RIVAL = candidate("g00c01", Operator.INITIAL, trainings=(1.8,), lineage=1)


def rejected(id, stage, reason, parents=(), **values):
    return replace(
        candidate(id, Operator.STRUCTURE, parents, **values), rejection=Rejection(stage, reason)
    )


def raced(id, fitness, kept, parents=(), **values):
    return candidate(
        id,
        Operator.THOUGHT,
        parents,
        standings=(Standing(10_240, fitness, fitness - 0.1, kept),),
        **values,
    )


SCREENED = rejected(
    "g01c01", Stage.SCREEN, "standing still earns 1.2 a step, hopping 0.9.", ("g00c00",)
)
BROKEN = rejected("g02c02", Stage.TRACE, "the state has no field 'pitch'.", ("g01c00",))
NO_ANSWER = rejected("g02c03", Stage.ANSWER, "the server is down.", program=None)
RACE = tuple(
    raced(f"g03c{i:02d}", fitness, fitness > 1, ("g00c01",), program=changed(f"idea {i}."))
    for i, fitness in enumerate((0.05, 0.9, 1.2, 1.4, 1.6))
)


def archive(*candidates):
    return Archive(tuple(candidates), 1 + max(c.generation for c in candidates))


ALL = archive(BASE, RIVAL, CHILD, SCREENED, BEST, LOSER, BROKEN, NO_ANSWER, *RACE)
