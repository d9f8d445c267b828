"""Whether a task still is the one that a bundle was made with: what its simulation is and does.

A task's folder changes for reasons that concern no policy: its limits, its notes, the expert's
reward. What concerns it is held against the bundle's files: how time is cut, the model, what is
read of it, where episodes begin, and the task's functions, on steps that the bundle's policy and
random actions take. What neither meets is not seen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jax
import mujoco
import numpy as np
from onnxruntime import InferenceSession

from reward_synth.deploy import describe
from reward_synth.deploy.carried import carry
from reward_synth.deploy.model import read_model
from reward_synth.deploy.robot import driven_joints
from reward_synth.deploy.runtime import Bundle, session
from reward_synth.deploy.sweep import Act, nominal_steps
from reward_synth.errors import ExportError
from reward_synth.reward.transitions import Transitions
from reward_synth.rollout.explore import explore
from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import batched
from reward_synth.task.task import Task

_TIMING = ("physics_timestep", "decimation", "episode_steps")
# The arrays of a model that its motion follows from, less those that are for the eye or that
# MuJoCo computes from the others.
_PHYSICS = ("actuator_", "body_", "dof_", "eq_", "exclude_", "geom_", "hfield_", "jnt_", "mesh_",
            "pair_", "qpos", "sensor_", "site_", "tendon_", "wrap_")  # fmt: skip
_BESIDE = ("_castshadow", "_group", "_matid", "_pathadr", "_rgba", "_user",
           "_M0", "_acc0", "_invweight0", "_length0", "_subtreemass")  # fmt: skip
_NAMED = 3  # of the arrays that differ
_CLOSE = 1e-4  # both sides compute in float32
_SHARE = 0.999  # of steps; at a threshold one bit decides


def check_same(task: Task, bundle: Bundle, act: Act) -> None:
    """Check that a bundle's policy can be tested in a task.

    Args:
      task: of the name that the bundle says.
      bundle: the bundle.
      act: its policy.

    Raises:
      ExportError: the task is another than that of the bundle; in a line, the first that differs.
    """
    for difference in _differences(task, bundle, act):
        raise ExportError(
            f"task {task.name} is not as it was when the bundle was made: {difference}. Restore "
            "the task's folder, or train and export again."
        )


def _differences(task: Task, bundle: Bundle, act: Act) -> Iterator[str]:
    """Yield what differs; each only makes sense as long as nothing did before it."""
    description = bundle.description
    was, now = description["timing"], describe.timing(task)
    for name in _TIMING:
        if was[name] != now[name]:
            yield f"its {name.replace('_', ' ')} is {now[name]:g}, and was {was[name]:g}"
    with tempfile.TemporaryDirectory() as folder:
        carried, _ = carry(task, Path(folder))
    before = read_model(bundle.folder / description["simulation"]["model"])
    names = list(_arrays_apart(before, carried.model))
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"its model differs in {', '.join(names[:_NAMED])}{more}"
    now = describe.fields(carried, driven_joints(carried.model), ())
    places = [[(f["name"], f["mujoco"]) for f in fields] for fields in (description["fields"], now)]
    if places[0] != places[1]:
        yield "its fields are others, or read otherwise"
    if not _begins(carried, bundle):
        yield "its episodes begin elsewhere"
    steps = Transitions.join([nominal_steps(carried, act, 0, 4), explore(carried, 0, 8, 64)])
    for name in _functions_apart(carried, bundle, steps):
        yield f"{name}() gives other values"


def _arrays_apart(before: mujoco.MjModel, now: mujoco.MjModel) -> Iterator[str]:
    """Yield the names of what differs between two models."""
    for name in dir(before.opt):
        if not name.startswith("_") and _apart(getattr(before.opt, name), getattr(now.opt, name)):
            yield f"opt.{name}"
    for name in dir(before):
        if name.startswith(_PHYSICS) and not name.endswith(_BESIDE):
            one, other = getattr(before, name), getattr(now, name)
            if isinstance(one, np.ndarray) and _apart(one, other):
                yield name


def _apart(one: float | np.ndarray, other: float | np.ndarray) -> bool:
    return np.shape(one) != np.shape(other) or not np.allclose(one, other, rtol=1e-6, atol=1e-9)


def _begins(task: Task, bundle: Bundle) -> bool:
    """Whether episodes begin in the bundle's golden initial states."""
    evidence = bundle.description["evidence"]
    keys = jax.random.split(jax.random.key(evidence["seed"]), evidence["episodes"])
    backend = CpuBackend(task, keys)
    backend.reset()
    with np.load(
        bundle.folder / bundle.description["golden"]["file"], allow_pickle=False
    ) as golden:
        first = slice(len(golden["initial_qpos"]))
        return all(
            np.allclose(golden[f"initial_{name}"], getattr(backend, name)[first], atol=1e-6)
            for name in ("qpos", "qvel")
        )


def _functions_apart(task: Task, bundle: Bundle, steps: Transitions) -> Iterator[str]:
    """Yield the names of the task's functions that compute otherwise than the bundle's networks."""
    arrays = {name: getattr(steps, name) for name in ("state", "action", "next_state")}
    judge = session(bundle.folder / bundle.description["simulation"]["judge"])
    judged, seen = _outputs(judge, arrays), _outputs(bundle.observe, {"state": steps.state})
    now: dict[str, Callable[[], jax.Array]] = {
        "observe": lambda: batched.observe(task, steps.state),
        "fitness": lambda: batched.fitness(task, *arrays.values()),
        "terminated": lambda: batched.terminated(task, steps.next_state),
        "success": lambda: batched.success(task, steps.next_state),
    }
    for name, value in now.items():
        was = seen["observation"] if name == "observe" else judged[name]
        found = np.asarray(value(), np.float32)
        alike = found.shape == was.shape and np.isclose(found, was, rtol=_CLOSE, atol=_CLOSE)
        if np.mean(alike) < _SHARE:
            yield name


def _outputs(network: InferenceSession, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a network's outputs by name, (b, ...), for the b rows of its inputs."""
    names = [output.name for output in network.get_outputs()]
    rows = [
        network.run(None, dict(zip(inputs, row, strict=True)))
        for row in zip(*inputs.values(), strict=True)
    ]
    return {
        name: np.stack([np.asarray(x) for x in column])
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
