"""A synthetic run folder, as the loop would have left it: fake numbers, real programs."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from reward_synth.feedback.scores import human_normalized, score
from reward_synth.records import Field, Rejection, RewardProgram, Stage, TaskDescription
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.store import Spent, Store

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


def write_metrics(folder: Path, level: float, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    share = np.linspace(0.0, 1.0, 20)
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
