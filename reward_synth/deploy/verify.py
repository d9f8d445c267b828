"""Whether a bundle is whole and does what it says, from its files alone. Imports no JAX.

Each check is by itself: a file that was changed fails by its hash, and once more by what the
change means. Somebody who signs a changed bundle anew still meets the second.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_synth import __version__
from reward_synth.errors import ConfigError

if TYPE_CHECKING:
    from reward_synth.deploy.runtime import Bundle

_PACKAGES = ("jsonschema", "onnxruntime")
_SCHEMA = Path(__file__).with_name("deploy.schema.json")
_TIMED, _WARM = 1000, 50  # steps of the controller whose latency is measured, and before them
_STATES = 64  # on which terms are held against observe.onnx
_CLOSE = 1e-5


@dataclass(frozen=True, slots=True)
class Check:
    """One of verify's findings.

    Attributes:
      name: what was checked.
      sound: whether nothing is wrong with it.
      words: what was found, each a line.
    """

    name: str
    sound: bool
    words: tuple[str, ...]


@dataclass(slots=True)
class _Work:
    """What checks leave for those after them."""

    folder: Path
    description: dict[str, Any] = field(default_factory=dict)
    bundle: Bundle | None = None

    @property
    def opened(self) -> Bundle:
        """The bundle with its networks, if they could be opened."""
        if self.bundle is None:
            raise _SkipError("not checked: the networks could not be opened.")
        return self.bundle


class _SkipError(Exception):
    """This check cannot be done."""


class _StopError(Exception):
    """Nothing after this check can be done."""


Found = list[str]
_Step = Callable[[_Work, Found], str]  # adds what is wrong, returns what is right


def verify(folder: Path) -> Iterator[Check]:
    """Check a bundle; yields each finding as soon as it is made.

    Raises:
      ConfigError: there is no bundle in the folder, or the deploy extra is missing.
    """
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"verify needs {' and '.join(missing)}, of the deploy extra: "
            "pip install 'reward-synth[deploy]'."
        )
    if not (folder / "deploy.json").is_file() and not (folder / "policy.onnx").is_file():
        raise ConfigError(f"{folder} is no bundle: give one that `reward-synth export` made.")
    return _checks(folder)


def _checks(folder: Path) -> Iterator[Check]:
    from reward_synth.deploy.runtime import BundleError

    work = _Work(folder)
    for name, step in _STEPS.items():
        wrong: Found = []
        stopped = False
        right = ""
        try:
            right = step(work, wrong)
        except _StopError as error:
            stopped = True
            wrong.append(str(error))
        except (_SkipError, BundleError) as error:
            wrong.append(str(error))
        except Exception as error:  # noqa: BLE001 (a damaged file can break a check in any way)
            wrong.append(" ".join(f"{type(error).__name__}: {error}".split()))
        yield Check(name, not wrong, tuple(wrong) or (right,))
        if stopped:
            return


def _description(work: _Work, wrong: Found) -> str:
    from reward_synth.deploy.runtime import FORMAT, digest

    path = work.folder / "deploy.json"
    if not path.is_file():
        raise _StopError("deploy.json is missing.")
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise _StopError(f"deploy.json is cut off or damaged: {error}.") from error
    if not isinstance(found, dict):
        raise _StopError("deploy.json is no JSON object.")
    if found.get("format") != FORMAT:
        raise _StopError(
            f"the bundle has format {found.get('format')}, and reward-synth {__version__} reads "
            f"{FORMAT}: use the version that wrote it, or export it again."
        )
    work.description = found
    if found.get("digest") != digest(found):
        wrong.append("deploy.json was changed after the export: its digest is another.")
    return f"format {FORMAT}, signed"


def _schema(work: _Work, wrong: Found) -> str:
    import jsonschema

    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(work.description), key=lambda e: list(map(str, e.path)))
    for error in errors[:5]:
        place = "/".join(map(str, error.path)) or "the top"
        wrong.append(f"deploy.json, {place}: {error.message[:200]}.")
    if errors:
        raise _StopError(f"{len(errors)} places do not fit the schema; the rest cannot be checked.")
    return "deploy.json fits deploy.schema.json"


def _files(work: _Work, wrong: Found) -> str:
    listed = work.description["files"]
    there = {
        path.relative_to(work.folder).as_posix()
        for path in work.folder.rglob("*")
        if path.is_file() and path.name != "deploy.json"
    }
    size = 0
    for name, expected in listed.items():
        path = work.folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing.")
            continue
        data = path.read_bytes()
        size += len(data)
        if hashlib.sha256(data).hexdigest() != expected:
            wrong.append(f"{name} was changed after the export: its SHA-256 is another.")
    wrong.extend(f"{name} does not belong to the bundle." for name in sorted(there - set(listed)))
    return f"{len(listed)} files, {size / 1e3:,.0f} kB, all as exported"


def _network(work: _Work, wrong: Found) -> str:
    from reward_synth.deploy.describe import metadata
    from reward_synth.deploy.onnx_file import opset
    from reward_synth.deploy.runtime import open_bundle

    said = work.description["policy"]
    path = work.folder / said["file"]
    try:
        found = opset(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path.name} is no ONNX file: {error}") from error
    if found != said["opset"]:
        wrong.append(f"{path.name} has opset {found}; deploy.json says {said['opset']}.")
    work.bundle = open_bundle(work.folder, work.description)
    network = work.bundle.policy
    given, taken = network.get_inputs()[0], network.get_outputs()[0]
    for what, value in (("input", given), ("output", taken)):
        if value.name != said[what]:
            wrong.append(f"the {what} of {path.name} is {value.name!r}, not {said[what]!r}.")
        if isinstance(value.shape[0], int):
            wrong.append(f"the batch of the {what} of {path.name} is fixed to {value.shape[0]}.")
    written = network.get_modelmeta().custom_metadata_map
    for key, expected in metadata(work.description).items():
        if written.get(key) != expected:
            wrong.append(
                f"{path.name} says {key} = {written.get(key)}; deploy.json says {expected}."
            )
    sizes = f"{given.name} (batch, {given.shape[1]}) to {taken.name} (batch, {taken.shape[1]})"
    return f"opset {found}, {sizes}"


def _robot(work: _Work, wrong: Found) -> str:
    from reward_synth.deploy.describe import joints, owner
    from reward_synth.deploy.model import read_model
    from reward_synth.deploy.robot import driven_joints
    from reward_synth.deploy.runtime import joint_map

    described, model = work.description, None
    joint_map(described)
    simulation, timing = described["simulation"], described["timing"]
    model = read_model(work.folder / simulation["model"])
    for size in ("nq", "nv", "nu"):
        if getattr(model, size) != simulation[size]:
            wrong.append(
                f"{simulation['model']} is another robot's: {size} is {getattr(model, size)}, "
                f"not {simulation[size]}."
            )
    if wrong:
        return ""
    wrong.extend(_differences(joints(driven_joints(model)), described["joints"], "joints"))
    for entry in described["fields"]:
        of = entry["mujoco"]
        owners = [owner(model, of["array"], place) for place in of["entries"]]
        if list(dict.fromkeys(owners)) != of["objects"]:
            wrong.append(f"field {entry['name']} reads {', '.join(owners)} of the model.")
    period = model.opt.timestep * timing["decimation"]
    for what, value, expected in (
        ("physics_timestep", timing["physics_timestep"], model.opt.timestep),
        ("period", timing["period"], period),
        ("control_rate", timing["control_rate"], 1 / period),
    ):
        if not np.isclose(value, expected, rtol=1e-9):
            wrong.append(f"timing/{what} is {value:g}; the model makes it {expected:g}.")
    return f"{model.nu} driven joints, {len(described['fields'])} fields, {1 / period:g} Hz"


def _differences(expected: Any, found: Any, place: str) -> Iterator[str]:  # noqa: ANN401
    """Yield where deploy.json says something else than the model; watches are not the model's."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key != "watch":
                yield from _differences(value, found.get(key), f"{place}/{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for i, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _differences(one, other, f"{place}/{i}")
    elif isinstance(expected, float) and isinstance(found, int | float):
        if not np.isclose(expected, found, rtol=1e-9, atol=1e-12):
            yield f"{place} is {found:g}; the model says {expected:g}."
    elif expected != found:
        yield f"{place} is {found!r}; the model says {expected!r}."


def _observation(work: _Work, wrong: Found) -> str:
    bundle = work.opened
    described = work.description
    places: dict[str, tuple[int, int]] = {}
    start = 0
    for entry in described["fields"]:
        size = len(entry["mujoco"]["entries"])
        places[entry["name"]] = (start, start + size)
        start += size
    states = np.random.default_rng(0).normal(scale=5.0, size=(_STATES, start)).astype(np.float32)
    observed = np.stack([bundle.observe.run(None, {"state": s})[0] for s in states])
    at, computed = 0, 0
    for term in described["observation"]["terms"]:
        values = observed[:, at : at + term["size"]]
        at += term["size"]
        if term["function"] == "computed":
            computed += 1
            continue
        first, last = places[term["fields"][0]]
        expected = _term(states[:, first:last][:, term["components"]], term)
        if not np.allclose(values, expected, rtol=_CLOSE, atol=_CLOSE, equal_nan=True):
            wrong.append(f"the term {term['name']} is not what observe.onnx computes.")
    if at != observed.shape[1]:
        wrong.append(f"observe.onnx gives {observed.shape[1]} numbers, and the terms are {at}.")
    terms = len(described["observation"]["terms"])
    held = f"{terms - computed} of {terms} terms held against observe.onnx"
    return held + (f", {computed} only computed by it" if computed else "")


def _term(values: np.ndarray, term: dict[str, Any]) -> np.ndarray:
    with np.errstate(all="ignore"):
        if term["function"] != "identity":
            values = getattr(np, term["function"])(values)
        low, high = term["clip"]
        scaled = np.float32(term["scale"]) * values
        return np.clip(scaled, -np.inf if low is None else low, np.inf if high is None else high)


def _golden(work: _Work, wrong: Found) -> str:
    from reward_synth.deploy.runtime import golden_error

    bundle = work.opened
    golden = work.description["golden"]
    error = golden_error(bundle)
    if not error <= golden["tolerance"]:
        wrong.append(
            f"policy.onnx gives actions that differ by {error:.1e} from the trainer's; "
            f"{golden['tolerance']:.0e} is the most."
        )
    return f"{len(golden['actions'])} actions within {error:.1e} of the trainer's"


def _closed_loop(work: _Work, wrong: Found) -> str:
    from reward_synth.deploy.closed_loop import apart, golden_episodes
    from reward_synth.deploy.runtime import Controller

    bundle = work.opened
    golden = work.description["golden"]
    path = work.folder / golden["file"]
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        saved = {name: arrays[name] for name in arrays.files}
    episodes = golden_episodes(bundle, Controller(bundle), saved)
    for i, episode in enumerate(episodes):
        if episode.stopped:
            wrong.append(f"in episode {i} the runtime stopped itself: {episode.stopped}.")
    furthest = float(apart(episodes, saved)[: golden["horizon"] + 1].max())
    if not furthest <= golden["position_tolerance"]:
        wrong.append(
            f"positions leave the trainer's by {furthest:.1e} in the first {golden['horizon']} "
            f"steps; {golden['position_tolerance']:g} is the most."
        )
    said = []
    for name, tolerance in golden["return_tolerance"].items():
        mean, expected = np.mean([getattr(e, name) for e in episodes]), np.mean(saved[name])
        said.append(f"{name} {mean:.4g} (trainer's {expected:.4g} ± {tolerance:.2g})")
        if not abs(mean - expected) <= tolerance:
            wrong.append(
                f"the mean {name} is {mean:.4g}; the trainer's is {expected:.4g}, and "
                f"{tolerance:.2g} apart is the most."
            )
    return f"{len(episodes)} episodes: {', '.join(said)}; positions within {furthest:.1e}"


def _latency(work: _Work, wrong: Found) -> str:
    from reward_synth.deploy.closed_loop import Simulation
    from reward_synth.deploy.runtime import Controller

    bundle = work.opened
    simulation, controller = Simulation(bundle), Controller(bundle, watch=False)
    simulation.begin(simulation.model.qpos0, np.zeros(simulation.model.nv))
    reading, taken = simulation.reading(), []
    for _ in range(_WARM + _TIMED):
        began = time.perf_counter()
        controller.step(reading, reading.stamp)
        taken.append(time.perf_counter() - began)
    median, slow = np.percentile(taken[_WARM:], [50, 99])
    period = bundle.period
    words = (
        f"a step takes {median * 1e6:.0f} µs (median), {slow * 1e6:.0f} µs (99th percentile) "
        f"of the {period * 1e3:g} ms between two"
    )
    # The 99th percentile is of how busy this machine is as well, which is no fault of a bundle.
    if not median < period:
        wrong.append(f"{words}: this machine is too slow for it.")
    elif not slow < period:
        words += "; this machine is too busy to control a robot"
    return words


_STEPS: dict[str, _Step] = {
    "description": _description,
    "schema": _schema,
    "files": _files,
    "network": _network,
    "robot": _robot,
    "observation": _observation,
    "golden pairs": _golden,
    "closed loop": _closed_loop,
    "latency": _latency,
}
