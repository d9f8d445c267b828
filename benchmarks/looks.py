"""What a reward from pixels costs, and that it teaches: trainings that see nothing but pictures.

    python -m benchmarks.looks
    python -m benchmarks.looks --pace    # pictures a second alone, and those that a CLIP embeds
    python -m benchmarks.looks --model openai/clip-vit-base-patch32 --size 224 --seeds 1 \\
        --goal "a pole standing upright on a cart" --baseline "a pole and a cart"

Policies are trained on ``clip_score`` alone. The fitness of their held-out episodes, which no
training was told of, is compared with that of random actions and with that of trainings whose
sentences are swapped: only what pictures are said to show differs. The default encoder stands
in for CLIP, see ``benchmarks.colours``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from reward_synth.looks import LooksConfig
from reward_synth.looks.steps import Looks
from reward_synth.reward.rewards import looks_reward
from reward_synth.rollout.episodes import evaluate
from reward_synth.rollout.explore import explore
from reward_synth.search.config import RunConfig
from reward_synth.search.looks import Eyes
from reward_synth.task import batched, load_task
from reward_synth.task.task import Task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member
from reward_synth.train.setup import configure_jax

EPISODES = 10
STAND_IN = "benchmarks.colours:WarmHeight"


class Clock:
    """Scores as another does, and counts pictures and the seconds that they took."""

    def __init__(self, looks: Looks) -> None:
        self._score = looks.score
        self.looks = Looks(self._timed, looks.every)
        self.pictures, self.seconds = 0, 0.0

    def _timed(self, postures: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        scores = self._score(postures)
        self.seconds += time.perf_counter() - began
        self.pictures += len(postures)
        return scores


def taught(config: RunConfig, seeds: int, steps: int) -> dict[str, object]:
    """Train on pictures alone, one seed after the other; return fitness and what it took."""
    task = load_task(config.task)
    fitness, lines = [], []
    with tempfile.TemporaryDirectory() as folder:
        eyes = Eyes(task, config, Path(folder), lambda *_: None)
        try:
            for seed in range(seeds):
                line = _one(eyes, seed, steps, Path(folder) / str(seed))
                print(f"  seed {seed}: {json.dumps(line)}", flush=True)
                fitness.append(line["fitness"])
                lines.append(line)
        finally:
            eyes.close()
    return {"goal": config.looks.goal, "fitness": fitness, "trainings": lines}


def _one(eyes: Eyes, seed: int, steps: int, folder: Path) -> dict[str, float]:
    clock = Clock(eyes.looks)
    reward = looks_reward(eyes.task)
    began = time.perf_counter()
    (policy,) = train(
        eyes.task,
        [Member(reward, seed)],
        [folder],
        PPOConfig(),
        steps,
        checkpoint=folder / "checkpoint.npz",
        looks=clock.looks,
    )
    seconds = time.perf_counter() - began
    assert isinstance(policy, Policy), policy
    (rollouts,) = evaluate(eyes.task, [policy], [reward], [1000 + seed], EPISODES)
    return {
        "fitness": round(float(rollouts.episode_fitness.mean()), 3),
        "seconds": round(seconds, 1),
        "pictures": clock.pictures,
        "pictures_per_second": round(clock.pictures / clock.seconds, 1),
        "share_of_pictures": round(clock.seconds / seconds, 3),
        "steps_per_second": round(steps / seconds),
    }


def pace() -> None:
    """Print how many pictures are drawn and scored in a second, and how many a CLIP embeds."""
    for task in ("cartpole_swingup", "hopper", "ant"):
        model = load_task(task)
        for size in (48, 112, 224):
            looks = LooksConfig(STAND_IN, "high", "low", size=size)
            with tempfile.TemporaryDirectory() as folder:
                eyes = Eyes(model, RunConfig(task=task, looks=looks), Path(folder), lambda *_: None)
                postures = np.tile(np.asarray(model.model.qpos0, np.float32), (128, 1))
                eyes.looks.score(postures)
                began = time.perf_counter()
                eyes.looks.score(postures)
                rate = len(postures) / (time.perf_counter() - began)
                eyes.close()
            print(f"{task:18} {size:4} pixels: {rate:6.0f} pictures/s", flush=True)
    if find_spec("transformers") is None:
        return
    import torch
    import transformers

    # Its size is that of openai/clip-vit-base-patch32; what it has learned takes no time.
    net = transformers.CLIPModel(transformers.CLIPConfig()).eval()
    pixels = torch.zeros(32, 3, 224, 224)
    with torch.inference_mode():
        net.get_image_features(pixels)
        began = time.perf_counter()
        for _ in range(4):
            net.get_image_features(pixels)
    rate = 4 * len(pixels) / (time.perf_counter() - began)
    print(f"a CLIP of ViT-B/32's size, {torch.get_num_threads()} threads: {rate:.0f} pictures/s")


def untaught(task: Task) -> float:
    """Return the fitness of an episode of random actions."""
    steps = explore(task, 0, 32, task.description.episode_steps)
    return float(
        batched.fitness(task, steps.state, steps.action, steps.next_state).mean()
        * task.description.episode_steps
    )


def main() -> None:
    """Train, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="cartpole_swingup")
    parser.add_argument("--model", default=STAND_IN)
    parser.add_argument("--goal", default="the pole is high")
    parser.add_argument("--baseline", default="the pole is low")
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--steps", type=int, default=150_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--pace", action="store_true")
    options = parser.parse_args()
    configure_jax(None)
    if options.pace:
        pace()
        return
    looks = LooksConfig(
        model=options.model,
        goal=options.goal,
        baseline=options.baseline,
        alpha=options.alpha,
        every=options.every,
        size=options.size,
    )
    config = RunConfig(task=options.task, looks=looks)
    config.check()
    print(f"random actions: {untaught(load_task(options.task)):.3f}", flush=True)
    swapped = replace(looks, goal=looks.baseline, baseline=looks.goal)
    for judged in (looks, swapped) if looks.baseline else (looks,):
        result = taught(replace(config, looks=judged), options.seeds, options.steps)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
