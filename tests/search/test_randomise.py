"""From settings and task.py to the worlds that a run trains in; the guide about it."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest

from reward_synth.errors import ConfigError, TaskError
from reward_synth.randomisation import NOMINAL, Randomisation
from reward_synth.search.config import RunConfig, config_from_json
from reward_synth.search.training_process import make_trainer
from reward_synth.task import load_task
from reward_synth.task.limits import resolve_limits

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "robust.md").read_text(encoding="utf-8")
OWN = "\nfrom reward_synth.task import Randomisation\n"
DECLARED = f"{OWN}RANDOMISATION = Randomisation(mass=(0.5, 2.0), gain=(0.9, 1.1))\n"


@pytest.fixture
def declaring(point_task_folder, tmp_path):
    """The point task, with lines of its own."""

    def make(lines: str) -> str:
        folder = tmp_path / "point"
        folder.mkdir()
        for name in ("task.py", "task.md"):
            (folder / name).write_text((point_task_folder / name).read_text())
        with (folder / "task.py").open("a") as file:
            file.write(lines)
        return str(folder)

    return make


def trained_in(task: str, **randomise) -> Randomisation | None:
    config = RunConfig(task=task, randomise=Randomisation(**randomise))
    trainer = make_trainer(config, Path(), None, lambda done, fitness: None)
    return trainer.task.randomisation


def test_bundled_tasks_and_default_settings_randomise_nothing(point_task_folder):
    assert load_task("hopper").randomisation is None
    assert trained_in(str(point_task_folder)) is None
    assert trained_in(str(point_task_folder), mass=(1.0, 1.0)) is None


def test_settings_go_before_what_the_task_declares(declaring):
    task = declaring(DECLARED)
    assert trained_in(task) == Randomisation(mass=(0.5, 2.0), gain=(0.9, 1.1))
    assert trained_in(task, mass=(0.8, 1.2), delay=(0.0, 2.0)) == Randomisation(
        mass=(0.8, 1.2), gain=(0.9, 1.1), delay=(0.0, 2.0)
    )
    assert trained_in(task, mass=(1.0, 1.0), gain=(1.0, 1.0)) is None


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("\nRANDOMISATION = {'mass': (0.5, 2.0)}\n", r"must be a Randomisation\(\.\.\.\)"),
        (f"{OWN}RANDOMISATION = Randomisation(mass=(2.0, 0.5))\n", r"mass must be \[low, high\]"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_named(declaring, lines, words):
    with pytest.raises(TaskError, match=f"RANDOMISATION of .*{words}"):
        load_task(declaring(lines))


def test_settings_survive_json_and_old_runs_have_none():
    config = RunConfig(randomise=Randomisation(mass=(0.8, 1.2), delay=(0.0, 1.0)))
    data = asdict(config)
    assert config_from_json(data) == config
    del data["randomise"]
    assert config_from_json(data).randomise == Randomisation()


def test_stable_baselines_is_refused_with_the_remedy():
    config = RunConfig(trainer="sb3", randomise=Randomisation(mass=(0.8, 1.2)))
    with pytest.raises(ConfigError, match="use trainer=jax"):
        config.check()


def test_the_guide_names_the_settings_there_are():
    assert set(re.findall(r"`randomise\.(\w+)`", GUIDE)) == set(NOMINAL)
    assert {field.name for field in fields(Randomisation)} == set(NOMINAL)


def test_the_guides_examples_run(declaring):
    sweeping, limits = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(sweeping, "docs/robust.md", "exec"), {})
    assert "worst case: " in said.getvalue()
    namespace: dict = {}
    exec(compile(limits, "docs/robust.md", "exec"), namespace)
    hopper = load_task("hopper")
    for found, declared in zip(
        resolve_limits(hopper.model, namespace["LIMITS"]), hopper.limits, strict=True
    ):
        assert (found.name, found.block) == (declared.name, declared.block)
        for name in ("entries", "low", "high"):
            np.testing.assert_array_equal(getattr(found, name), getattr(declared, name))
