"""From a folder to a Task."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import mujoco
import numpy as np

from reward_synth.content import content_folder
from reward_synth.errors import TaskError, did_you_mean
from reward_synth.randomisation import Randomisation
from reward_synth.records import TaskDescription
from reward_synth.task.fields import resolve
from reward_synth.task.limits import resolve_limits
from reward_synth.task.models import tolerate_old_models
from reward_synth.task.task import Task

_REQUIRED = ("model", "reset", "observe", "success", "fitness")


def bundled_tasks() -> tuple[str, ...]:
    """Return the names of the tasks that come with the package, sorted."""
    return tuple(sorted(path.parent.name for path in content_folder("envs").glob("*/task.py")))


def find_task(name_or_path: str | Path) -> Path:
    """Return the folder of a bundled task's name or of a user's path.

    A name is that of the bundled task, whatever the current directory holds; a folder of the
    same name is ``./<name>``, or a ``Path``.

    Raises:
      TaskError: there is no such task.
    """
    known = bundled_tasks()
    if name_or_path in known:
        return content_folder("envs") / str(name_or_path)
    path = Path(name_or_path).expanduser()
    if (path / "task.py").is_file():
        return path.resolve()
    if path.is_dir():
        raise TaskError(f"{path} has no task.py: a task is a folder with task.py and task.md.")
    raise TaskError(
        f"no task {str(name_or_path)!r}.{did_you_mean(str(name_or_path), known)} Bundled: "
        f"{', '.join(known)}; or give the path of a folder with a task.py."
    )


def load_task(name_or_path: str | Path) -> Task:
    """Load a task folder; it is the user's own code and runs with the user's rights.

    Raises:
      TaskError: with what is missing or wrong, in one line.
    """
    folder = find_task(name_or_path)
    sentence, notes = _read_markdown(folder)
    module = _import(folder)
    missing = [name for name in _REQUIRED if not callable(getattr(module, name, None))]
    if missing:
        raise TaskError(
            f"{folder / 'task.py'} does not define {', '.join(f'{m}()' for m in missing)}."
        )
    model = _compile(module, folder)
    layout = resolve(model, getattr(module, "FIELDS", None))
    scale, offset = _action_range(model, folder)
    frame_skip = _positive(module, "FRAME_SKIP", folder)
    camera = getattr(module, "CAMERA", None)
    cameras = [model.camera(i).name for i in range(model.ncam)]
    if camera is not None and camera not in cameras:
        raise TaskError(f"CAMERA = {camera!r} is not in the model.{did_you_mean(camera, cameras)}")
    description = TaskDescription(
        name=folder.name,
        sentence=sentence,
        notes=notes,
        fields=layout.fields,
        actions=tuple(_actuator_name(model, i) for i in range(model.nu)),
        timestep=float(model.opt.timestep) * frame_skip,
        episode_steps=_positive(module, "EPISODE_STEPS", folder),
        terminates=hasattr(module, "terminated"),
    )
    return Task(
        description=description,
        model=model,
        layout=layout,
        frame_skip=frame_skip,
        action_scale=scale,
        action_offset=offset,
        reset=module.reset,
        observe=module.observe,
        terminated=getattr(module, "terminated", _never),
        success=module.success,
        fitness=module.fitness,
        expert_reward=getattr(module, "expert_reward", None),
        expert_source=getattr(module, "EXPERT_SOURCE", ""),
        train_steps=_positive(module, "TRAIN_STEPS", folder),
        camera=camera,
        folder=folder,
        fingerprint=_fingerprint(folder),
        randomisation=_randomisation(module, folder),
        limits=resolve_limits(model, getattr(module, "LIMITS", None)),
    )


def task_spec(task: Task) -> mujoco.MjSpec | mujoco.MjModel:
    """Return what a loaded task's ``model()`` gives, anew: the model before it is compiled."""
    return _import(task.folder).model()


def _never(state: object) -> Any:  # noqa: ANN401
    return np.zeros((), dtype=bool)


def _read_markdown(folder: Path) -> tuple[str, str]:
    path = folder / "task.md"
    if not path.is_file():
        raise TaskError(f"{folder} has no task.md; its first paragraph is the task's sentence.")
    paragraphs = [p.strip() for p in path.read_text(encoding="utf-8").split("\n\n")]
    body = [p for p in paragraphs if p and not (p.startswith("# ") and "\n" not in p)]
    if not body:
        raise TaskError(f"{path} is empty; its first paragraph is the task's sentence.")
    return " ".join(body[0].split()), "\n\n".join(body[1:])


def _import(folder: Path) -> ModuleType:
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    name = f"_reward_synth_task_{digest}"
    spec = importlib.util.spec_from_file_location(name, folder / "task.py")
    if spec is None or spec.loader is None:
        raise TaskError(f"{folder / 'task.py'} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise TaskError(f"{folder / 'task.py'} {where(error, folder)}: {error!r}") from error
    return module


def where(error: BaseException, folder: Path) -> str:
    """Return ``"line N"`` of the task's own code in which an error arose, or ``"failed"``."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent == folder
    ]
    return f"line {lines[-1]}" if lines else "failed"


def _compile(module: ModuleType, folder: Path) -> mujoco.MjModel:
    try:
        with tolerate_old_models():
            spec = module.model()
            model = spec.compile() if isinstance(spec, mujoco.MjSpec) else spec
    except TaskError:
        raise
    except Exception as error:
        first_line = " ".join(str(error).split())
        raise TaskError(
            f"the model of {folder.name} does not compile ({where(error, folder)}): {first_line}"
        ) from error
    if not isinstance(model, mujoco.MjModel):
        raise TaskError(f"model() of {folder.name} must return a mujoco.MjSpec or MjModel.")
    if model.nu == 0:
        raise TaskError(f"the model of {folder.name} has no actuators, so nothing can be learned.")
    return model


def _action_range(model: mujoco.MjModel, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    unlimited = [model.actuator(i).name for i in np.flatnonzero(model.actuator_ctrllimited == 0)]
    if unlimited:
        raise TaskError(
            f"actuators {', '.join(unlimited)} of {folder.name} have no ctrlrange; an action in "
            "[-1, 1] is scaled to it, so give each one."
        )
    low, high = model.actuator_ctrlrange.T
    return (high - low) / 2, (high + low) / 2


def _actuator_name(model: mujoco.MjModel, index: int) -> str:
    actuator = model.actuator(index)
    if actuator.name:
        return actuator.name
    on_joint = actuator.trntype[0] == mujoco.mjtTrn.mjTRN_JOINT
    return model.joint(actuator.trnid[0]).name if on_joint else f"actuator_{index}"


def _positive(module: ModuleType, name: str, folder: Path) -> int:
    value = getattr(module, name, None)
    if not isinstance(value, int) or value < 1:
        raise TaskError(f"{folder / 'task.py'} must set {name} to a whole number above 0.")
    return value


def _randomisation(module: ModuleType, folder: Path) -> Randomisation | None:
    found = getattr(module, "RANDOMISATION", None)
    if found is None:
        return None
    if not isinstance(found, Randomisation):
        raise TaskError(f"RANDOMISATION of {folder / 'task.py'} must be a Randomisation(...).")
    if problem := found.problem():
        raise TaskError(f"RANDOMISATION of {folder / 'task.py'}: {problem}.")
    return found or None


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    files = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    for path in sorted(files):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
