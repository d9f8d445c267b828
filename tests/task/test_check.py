"""Each way in which a task folder can be wrong gets a message that names it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reward_synth.content import content_folder
from reward_synth.errors import TaskError
from reward_synth.task import find_task
from reward_synth.task.check import check_task


@pytest.fixture
def folder(point_task_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(point_task_folder, tmp_path / "point"))


def edit(folder: Path, old: str, new: str) -> tuple[str, ...]:
    """Replace the one occurrence of ``old`` in the task's code and check the folder."""
    path = folder / "task.py"
    source = path.read_text()
    assert source.count(old) == 1, old
    path.write_text(source.replace(old, new))
    return check_task(folder)


def test_good_task_has_no_problems(folder: Path):
    assert check_task(folder) == ()


def test_missing_folder(tmp_path: Path):
    (problem,) = check_task(tmp_path / "nowhere")
    assert "no task" in problem
    assert "Bundled" in problem


def test_a_name_is_the_bundled_task_beside_a_folder_of_that_name(
    point_task_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Such as outputs/hopper; a user's own hopper is a path, which says so."""
    (tmp_path / "ant").mkdir()
    shutil.copytree(point_task_folder, tmp_path / "hopper")
    monkeypatch.chdir(tmp_path)
    bundled = content_folder("envs")
    assert find_task("ant") == bundled / "ant"
    assert find_task("hopper") == bundled / "hopper"
    for path in ("./hopper", "hopper/", Path("hopper"), str(tmp_path / "hopper")):
        assert find_task(path) == (tmp_path / "hopper").resolve()
    with pytest.raises(TaskError, match=r"ant has no task\.py"):
        find_task("./ant")


def test_misspelt_bundled_task():
    (problem,) = check_task("hoper")
    assert "Did you mean 'hopper'?" in problem


def test_missing_code(folder: Path):
    (folder / "task.py").unlink()
    (problem,) = check_task(folder)
    assert "no task.py" in problem


def test_missing_sentence(folder: Path):
    (folder / "task.md").unlink()
    (problem,) = check_task(folder)
    assert "no task.md" in problem


def test_empty_sentence(folder: Path):
    (folder / "task.md").write_text("# Point\n")
    (problem,) = check_task(folder)
    assert "task.md is empty" in problem


# Found while loading: nothing else can be said, so there is exactly one problem.
LOADING = {
    "syntax": ("def observe(state):", "def observe(state:", "task.py line"),
    "import": ("import mujoco\n", "import mujoco\nimport nothing_of_that_name\n", "ModuleNotFound"),
    "no fitness": ("def fitness(", "def fitnes(", "does not define fitness()"),
    "no observe": ("def observe(", "def observed(", "does not define observe()"),
    "bad MJCF": ('type="slide"', 'type="slied"', "does not compile (line"),
    "not a model": ("mujoco.MjSpec.from_string(XML)", "XML", "must return a mujoco.MjSpec"),
    "unknown joint": ('"position", "rail"', '"position", "rial"', "Did you mean 'rail'?"),
    "field declared twice": ('"velocity", "rail"', '"position", "rail"', "declared twice"),
    "field name": ('"velocity", "rail"', '"the velocity", "rail"', "not a usable name"),
    "no actuators": ('<motor name="push" joint="rail" ctrlrange="-2 2"/>', "", "no actuators"),
    "no ctrlrange": (' ctrlrange="-2 2"', "", "have no ctrlrange"),
    "episode steps": ("EPISODE_STEPS = 20", "EPISODE_STEPS = 0", "EPISODE_STEPS"),
    "frame skip": ("FRAME_SKIP = 2", "FRAME_SKIP = 0.5", "FRAME_SKIP"),
    "train steps": ("TRAIN_STEPS = 512\n", "", "TRAIN_STEPS"),
    "camera": ("FRAME_SKIP = 2", "FRAME_SKIP = 2\nCAMERA = 'front'", "'front' is not in the model"),
}


@pytest.mark.parametrize(("old", "new", "words"), LOADING.values(), ids=LOADING)
def test_does_not_load(folder: Path, old: str, new: str, words: str):
    (problem,) = edit(folder, old, new)
    assert words in problem


def test_unknown_sensor(folder: Path):
    edit(folder, "joint_positions, joint_velocities", "joint_positions, sensors")
    (problem,) = edit(folder, 'joint_velocities("velocity", "rail"', 'sensors("velocity", "speed"')
    assert "reads sensor 'speed'" in problem


# Found by running the task's functions: among the problems there must be this one.
RUNNING = {
    "no meaning": (
        'joint_velocities("velocity", "rail", meaning="along the rail")',
        'joint_velocities("velocity", "rail", meaning=" ")',
        "field 'velocity' has no meaning",
    ),
    "no source": ('"written for the tests"', '""', "no EXPERT_SOURCE"),
    "reset shape": ("maxval=0.5), qvel", "maxval=0.5)[None], qvel", "of shapes [(1,), (1,)]"),
    "reset not a pair": ("maxval=0.5), qvel", "maxval=0.5), qvel, key", "must return (qpos, qvel)"),
    "reset ignores key": ("jax.random.uniform(key,", "0 * jax.random.uniform(key,", "ignores its"),
    "reset draws elsewhere": (
        "    return qpos + jax.random.uniform(key, qpos.shape, minval=-0.5, maxval=0.5), qvel",
        "    import random\n    return qpos + random.random(), qvel",
        "different states for the same key",
    ),
    "reset not finite": ("maxval=0.5), qvel", "maxval=0.5), qvel / 0", "reset() gives positions"),
    "reset raises": ("maxval=0.5), qvel", "maxval=0.5), qvle", "reset() cannot be traced by JAX"),
    "observe a matrix": (
        "jnp.stack([state.position, state.velocity])",
        "jnp.stack([state.position, state.velocity])[None]",
        "observe() must return a vector of floats",
    ),
    "observe integers": (
        "jnp.stack([state.position, state.velocity])",
        "jnp.stack([state.position, state.velocity]).astype(int)",
        "observe() must return a vector of floats",
    ),
    "observe a list": (
        "jnp.stack([state.position, state.velocity])",
        "[state.position, state.velocity]",
        "observe() must return one array, not a list",
    ),
    "unknown field": ("[state.position, state.velocity]", "[state.speed]", "no field 'speed'"),
    "observe not finite": ("[state.position, state", "[state.position / 0, state", "initial state"),
    "observe branches": (
        "    return jnp.stack([state.position, state.velocity])",
        "    if state.position > 0:\n        return jnp.zeros(1)\n    return jnp.ones(1)",
        "observe() cannot be traced by JAX (line",
    ),
    "terminated a number": ("jnp.abs(state.position) > 3.0", "state.position", "return a bool"),
    "terminated a vector": (
        "jnp.abs(state.position) > 3.0",
        "jnp.abs(state.position)[None] > 3.0",
        "terminated() must return a scalar",
    ),
    "terminated at once": ("state.position) > 3.0", "state.position) < 3.0", "in 64 of 64 initial"),
    "success in between": ("(jnp.abs(state.position - 1.0) < 0.2)", "(state.position)", "0 or 1"),
    "fitness a vector": ("next_state.position - 1.0) / 20", "next_state.position)[None]", "scalar"),
    "fitness an integer": ("- 1.0) / 20", "- 1.0).astype(int)", "fitness() must return a float"),
    "fitness not finite": ("- 1.0) / 20", "- 1.0) / 0", "fitness() is not finite in some states"),
    "no terms": ("return sum(terms.values()), terms", "return sum(terms.values())", "dictionary"),
    "terms not scalars": ('"near": -jnp', '"near": -jnp.ones(2) * jnp', "all of them scalars"),
    "terms do not add up": ("sum(terms.values())", "1.0 + sum(terms.values())", "do not add up"),
    "impure": (
        "    return -jnp.abs(next_state.position - 1.0) / 20",
        "    calls.append(1)\n    return next_state.position + len(calls)\n\n\ncalls = []",
        "fitness() gives different results for the same input",
    ),
    "constant field": (
        'joint_velocities("velocity", "rail"',
        'joint_velocities("other", "fixed", meaning="stuck"), joint_velocities("velocity", "rail"',
        "field 'other' never changes",
    ),
    "diverges": ('timestep="0.05"', 'timestep="1e9"', "the simulation diverges"),
}
SECOND_JOINT = (
    '<joint name="rail" type="slide" axis="1 0 0"/>',
    '<joint name="rail" type="slide" axis="1 0 0"/><joint name="fixed" type="slide" axis="0 1 0"/>',
)


@pytest.mark.parametrize(("old", "new", "words"), RUNNING.values(), ids=RUNNING)
def test_does_not_run(folder: Path, old: str, new: str, words: str):
    if '"fixed"' in new:
        edit(folder, *SECOND_JOINT)
    problems = edit(folder, old, new)
    assert any(words in problem for problem in problems), problems


def test_documented_constant_is_no_problem(folder: Path):
    edit(folder, *SECOND_JOINT)
    old, new, _ = RUNNING["constant field"]
    assert edit(folder, old, new.replace("stuck", "constant")) == ()


def test_task_without_end_or_expert_is_complete(folder: Path):
    edit(folder, "def terminated(", "def unused(")
    assert edit(folder, "def expert_reward(", "def unused_too(") == ()


def test_divergence_leaves_no_log_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    edit(folder, *RUNNING["diverges"][:2])
    assert not (tmp_path / "MUJOCO_LOG.TXT").exists()
