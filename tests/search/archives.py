"""Archives without a run behind them."""

from reward_synth.feedback.scores import Score
from reward_synth.records import RewardProgram
from reward_synth.reward.parse import parse_source
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate


def program(weights, docstring="Why.", body="w[name] * state.x"):
    """A program with a term for each weight."""
    table = ", ".join(f'"{name}": {value!r}' for name, value in weights.items())
    terms = ", ".join(f'"{name}": {body.replace("name", repr(name))}' for name in weights)
    found = parse_source(
        f'"""{docstring}"""\nWEIGHTS = {{{table}}}\n\n\n'
        "def reward(state, action, next_state, w):\n"
        f"    terms = {{{terms}}}\n    return sum(terms.values()), terms\n"
    )
    assert isinstance(found, RewardProgram), found
    return found


def candidate(generation, index, fitness=None, weights=None, *, terms=None, trainings=1, **more):
    """A candidate that was trained if a fitness is given."""
    weights = {"a": 1.0 + generation, "b": 2.0 + index} if weights is None else weights
    scored = fitness is not None
    values = {
        "operator": "initial",
        "parents": (),
        "author": "offline",
        "program": program(weights),
        "terms": tuple(weights) if terms is None else terms,
        "score": Score(fitness, fitness, fitness, 0.0, 100.0, (fitness,) * trainings, 10)
        if scored
        else None,
        "reflection": f"What g{generation:02d}c{index:02d} did." if scored else "",
    }
    return Candidate(generation, index, **(values | more))


def archive(generations):
    """One of rows of fitness values, a row for each generation; None for what was not trained."""
    candidates = [
        candidate(g, i, fitness)
        for g, row in enumerate(generations)
        for i, fitness in enumerate(row)
    ]
    return Archive(tuple(candidates), len(generations))
