"""A synthetic run folder, as the loop would have left it: fake numbers, real programs."""

import itertools
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from reward_synth.feedback.scores import human_normalized, score
from reward_synth.records import Field, Finding, Rejection, RewardProgram, Stage, TaskDescription
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate, Standing
from reward_synth.search.config import RunConfig, SearchSettings
from reward_synth.search.store import INCUMBENT, Spent, Store

GENERATIONS, CANDIDATES = 3, 6
REJECTIONS = {
    (0, 4): Rejection(Stage.ANSWER, "the answer has no ```python block."),
    (1, 5): Rejection(Stage.TRACE, "line 7: the state has no field 'foot_speed'."),
    (2, 3): Rejection(Stage.TRAIN, "the reward reached 9.7e+07, mostly from term 'forward'."),
}
TASK = TaskDescription(
    name="hopper",
    sentence="Make the robot hop.",
    notes="It has one leg.",
    fields=(
        Field("torso_velocity", (2,), "m/s", "world", "x and z", (0.0, 0.0)),
        Field("torso_pitch", (), "rad", "joint", "0 upright", (0.0,)),
    ),
    actions=("thigh", "leg", "foot"),
    timestep=0.008,
    episode_steps=1000,
    terminates=True,
)


def program(forward: float, rationale: str = "Speed is what is asked for.") -> RewardProgram:
    source = f'''"""{rationale}"""

WEIGHTS = {{"forward": {forward}, "effort": 0.01}}


def reward(state, action, next_state, w):
    terms = {{
        "forward": w["forward"] * next_state.torso_velocity[0],
        "effort": -w["effort"] * jnp.sum(action**2),
    }}
    return sum(terms.values()), terms
'''
    return RewardProgram(source, rationale, (("forward", forward), ("effort", 0.01)))


def candidates(generations: int = GENERATIONS) -> list[Candidate]:
    """Candidates as proposed: place (g, i) descends from (g - 1, i // 2)."""
    return [
        Candidate(
            g,
            i,
            operator="revise" if g else "initial",
            parents=(f"g{g - 1:02d}c{i // 2:02d}",) if g else (),
            author="a-model",
            program=None if (g, i) == (0, 4) else program(1.0 + g + i / 10),
        )
        for g in range(generations)
        for i in range(CANDIDATES)
    ]


def trained(candidate: Candidate, folder: Path) -> Candidate:
    """Give a candidate a score and its folder a learning curve."""
    rng = np.random.default_rng(candidate.generation * 100 + candidate.index)
    level = 1.0 + 2.0 * candidate.generation + 0.3 * candidate.index
    write_metrics(folder / candidate.folder, level, rng)
    episodes = [level + rng.normal(size=10)]
    return replace(
        candidate,
        terms=("forward", "effort"),
        score=score(episodes, [episodes[0] > level], [np.full(10, 200)]),
        reflection=f"Episodes last 200 steps; fitness is {level:.1f}.",
    )


def write_metrics(
    folder: Path, level: float, rng: np.random.Generator, iterations: int = 20
) -> None:
    folder.mkdir(parents=True)
    share = np.linspace(0.0, 1.0, iterations)
    rows = [
        {
            "steps": int(2048 * (i + 1)),
            "fitness": None if i == 0 else float(level * s + 0.1 * rng.normal()),
            "terms": {"forward": float(level * s), "effort": float(-0.1 * s)},
        }
        for i, s in enumerate(share)
    ]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def begin(store: Store) -> None:
    """Record what a run records before its first candidate."""
    store.put("config", asdict(RunConfig()))
    store.put("task", TASK.to_json())
    store.put("versions", {"mujoco": "4.0.0", "jax": "0.10.0"})
    store.put("seeds", {"search": 0, "final": [11, 12, 13]})
    store.put("layers", [{"name": "seccomp", "active": True, "detail": "allow-list"}])
    store.log("started")


def finish(folder: Path) -> None:
    """Three generations of six, three of them rejected, and the final comparison; no videos."""
    with Store.open(folder) as store:
        begin(store)
        done = []
        for candidate in candidates():
            rejection = REJECTIONS.get((candidate.generation, candidate.index))
            done.append(candidate.rejected(rejection) if rejection else trained(candidate, folder))
        store.save_candidates(done)
        store.charge("g0/propose", "propose", Spent(9000, 5000, 0.0213, 0, 14.0))
        store.charge("g0/train", "train", Spent(env_steps=390_000, seconds=61.0))
        rng = np.random.default_rng(0)
        scores = {
            name: score(
                [level + rng.normal(size=20) for _ in range(3)],
                [np.ones(20)] * 3,
                [np.ones(20)] * 3,
            )
            for name, level in (("found", 6.0), ("expert", 8.0), ("sparse", 1.0))
        }
        store.put(
            "result",
            {
                "best": "g02c05",
                "steps": 65_000,
                "scores": {name: asdict(value) for name, value in scores.items()},
                "normalized": human_normalized(scores["found"], scores["expert"], scores["sparse"]),
            },
        )


def search(folder: Path, generations: int = 25, places: int = 20, iterations: int = 120) -> None:
    """A search that uses all there is: lineages that start anew, screens, races, re-runs, a map."""
    rng = np.random.default_rng(7)
    everyone: list[Candidate] = []
    clock = mock.patch("reward_synth.search.store.time.time", itertools.count(1.79e9, 9.0).__next__)
    with clock, Store.open(folder) as store:
        begin(store)
        settings = SearchSettings(generations=generations, candidates=places)
        store.put("config", asdict(RunConfig(search=settings)))
        for generation in range(generations):
            born = [_born(everyone, generation, index, rng) for index in range(places)]
            born = [_raced(_screened(c, rng), folder, iterations, rng) for c in born]
            everyone += born
            store.save_candidates(born)
            _charge(store, generation, places)
            store.log("generation", number=generation)
            _note_incumbent(store, Archive(tuple(everyone), generation + 1))
        store.put("distances", _distances([c for c in everyone if c.score][-60:], rng))


def _level(candidate: Candidate) -> float:
    """How good a synthetic reward is: its lineage's talent, and time."""
    return 3.0 * math.sin(candidate.lineage) + 4.0 * candidate.generation**0.5


def _born(everyone: list[Candidate], generation: int, index: int, rng) -> Candidate:
    lineage = index % 3 + 3 * (generation // 6 if index % 3 else 0)
    family = [c for c in everyone if c.lineage == lineage and c.score]
    operator = ("structure", "thought: posture", "crossover", "parameters")[rng.integers(4)]
    parents: tuple[str, ...] = ()
    if family:
        parents = (family[-1 - int(rng.integers(min(3, len(family))))].id,)
    if family and operator == "crossover":
        donor = max((c for c in everyone if c.score), key=_level).id
        parents += (donor,) * (donor not in parents)
    return Candidate(
        generation,
        index,
        operator=operator if parents else "initial",
        parents=parents,
        author=("gpt-large", "gpt-small")[rng.integers(2)],
        program=program(round(1 + generation + index / 100, 2)),
        lineage=lineage,
    )


def _screened(candidate: Candidate, rng) -> Candidate:
    luck = rng.random()
    if luck < 0.06:
        return candidate.rejected(Rejection(Stage.TRACE, "line 7: the state has no field 'foot'."))
    if luck > 0.2:
        return replace(candidate, findings=(Finding("scale", False, "Rewards are large."),))
    screen = ("living reward", "duplicate", "exploit")[rng.integers(3)]
    found = (Finding(screen, True, f"The {screen} screen objects: mend it."),)
    if screen != "duplicate" and rng.random() < 0.4:
        return replace(candidate, findings=found, audited=True)
    return replace(candidate, findings=found).rejected(Rejection(Stage.SCREEN, found[0].words))


def _raced(candidate: Candidate, folder: Path, iterations: int, rng) -> Candidate:
    if candidate.rejection:
        return candidate
    level = _level(candidate) + rng.normal()
    standings, wildcard = [], candidate.index == 7
    share = 1.0
    for rung, part in enumerate((0.15, 0.4)):
        noisy = level * part + rng.normal() * (1.5 - rung)
        kept = bool(wildcard or candidate.audited or noisy > _level(candidate) * part - 0.3)
        steps = int(2048 * iterations * part)
        standings.append(Standing(steps, noisy, noisy - 0.5, kept))
        if not kept:
            share = part
            break
    write_metrics(folder / candidate.folder, level * share, rng, max(2, int(iterations * share)))
    candidate = replace(candidate, standings=tuple(standings), wildcard=wildcard)
    if share < 1.0:
        return candidate
    trainings = [level + rng.normal(size=10) for _ in range(3 if candidate.index == 3 else 1)]
    return replace(
        candidate,
        terms=("forward", "effort"),
        score=score(trainings, [np.ones(10)] * len(trainings), [np.full(10, 200)]),
        reflection=f"Episodes last 200 steps; fitness is {level:.1f}.",
    )


def _charge(store: Store, generation: int, places: int) -> None:
    for purpose, spent in (
        ("proposing and screening", Spent(seconds=6.0)),
        ("language model", Spent(2000 * places, 900 * places, 0.004 * places)),
        ("training", Spent(env_steps=650_000 * places, seconds=19.0)),
        ("training again", Spent(env_steps=1_000_000, seconds=5.0)),
    ):
        store.charge(f"gen_{generation:02d}/{purpose}", purpose, spent)


def _note_incumbent(store: Store, archive: Archive) -> None:
    best, spent = archive.leaders[0], store.spent()
    store.log(
        INCUMBENT,
        generation=archive.generations - 1,
        best=best.id,
        estimate=asdict(archive.estimates[best.id]),
        candidates=len(archive.candidates),
        env_steps=spent.env_steps,
        tokens=spent.tokens,
        dollars=spent.dollars,
        seconds=spent.seconds,
    )


def _distances(candidates: list[Candidate], rng) -> dict[str, Any]:
    places = np.array([[c.lineage, 0.3 * _level(c)] for c in candidates]) + rng.normal(
        size=(len(candidates), 2)
    )
    matrix = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return {"ids": [c.id for c in candidates], "matrix": (matrix / matrix.max()).tolist()}
