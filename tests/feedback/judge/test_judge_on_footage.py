"""From recorded episodes to a verdict: shot by MuJoCo, judged by the pixels of what was shot."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reward_synth.content import content_folder
from reward_synth.feedback.annotations import Kind, Question
from tests.feedback.judge import eyes
from tests.rollout.test_footage import footage_of, gliding, hopper  # noqa: F401 (fixture)
from tests.rollout.test_video import needs_gl

ROOT = Path(__file__).parents[3]


def tall(picture):
    """How many rows of a picture the brown hopper takes up."""
    brown = picture[..., 0] > picture[..., 2] + 40
    return brown.any(1).sum()


def upright_is_better(handler, body):
    """Judge by the first camera's last picture, and by nothing that is said."""
    if "COLOURS: X" in eyes.text_of(body):
        eyes.looks(handler, body)
        return
    rows = {letter: tall(shown[-2]) for letter, shown in eyes.pictures(body).items()}
    verdict = "A" if rows["A"] > rows["B"] else "B"
    eyes.reply(handler, f"{rows}\nVERDICT: {verdict}", shown=24)


@pytest.fixture
def rollouts(hopper, tmp_path):  # noqa: F811
    """A hopper that stands, and one that falls over within its second; the latter is "fitter"."""
    standing = gliding(hopper, 125, fitness=0.01)
    falling = gliding(hopper, 125, pitch=np.radians(80.0), fitness=0.02)
    for name, recorded in (("standing", standing), ("falling", falling)):
        (tmp_path / name).mkdir()
        recorded.save(tmp_path / name / "rollout.npz")
    return {"standing": standing, "falling": falling}


@needs_gl
def test_the_verdict_comes_from_what_mujoco_drew(server, judge, rollouts, tmp_path):
    server.plays(upright_is_better)
    clips = {name: footage_of(rollouts[name], tmp_path / name) for name in rollouts}
    question = Question(Kind.PAIR, ("falling", "standing"))
    built = judge(facts=False)
    assert built.answer(question, clips).answer == ("standing",)
    swapped = {"falling": clips["standing"], "standing": clips["falling"]}
    assert built.answer(question, swapped).answer == ("falling",)
    assert "fitness" not in json.dumps([eyes.text_of(body) for body in server.bodies])


@needs_gl
def test_the_benchmark_tells_costs_and_agreement(server, rollouts, tmp_path):
    server.plays(upright_is_better)
    paths = [str(tmp_path / name / "rollout.npz") for name in rollouts]
    command = [
        sys.executable,
        "benchmarks/judge.py",
        str(content_folder("envs") / "hopper"),
        *paths,
    ]
    command += ["--base-url", server.url, "--model", "eyes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["requests"], told["images"], told["pairs"], told["skipped"]) == (2, 24, 1, 0)
    assert told["prompt_tokens_a_request"] == 100 + 24 * 50
    assert told["agreement"] == 0.0  # the model sees a fall where the made-up fitness does not
