"""Runs an exported policy on a robot. Copy this one file there: it needs numpy and onnxruntime.

    bundle = load_bundle("policies/cartpole_swingup")
    controller = Controller(bundle)
    while True:  # once every bundle.period seconds
        command = controller.step(Reading(stamp, position, velocity, fields), now=clock())
        robot.send(command.values)  # one number a joint, in the robot's order and units

Read it from top to bottom: what a bundle is, what goes in and out, one step, the watches.

What it stops for: a reading that is late, that runs backwards in time or that is not finite;
a joint outside of the range or above the speed that the policy was seen to need; an action
that is not finite. A stop is for good, until ``reset``: a robot that has fallen should not
start to hop when its sensors come back.

What a stop commands, joint by joint: no effort where efforts are commanded, zero where
velocities are, and where positions are, the position that was measured last while all was
well: the joint is held where it is. (If no good reading ever came, that is the home pose.)
This is all that a policy's process can promise. Without effort a standing robot falls, and a
process that has died commands nothing at all, so the robot's own controller needs a damping
mode and a timeout of its own beneath this.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

FORMAT = 1
DESCRIPTION = "deploy.json"


class BundleError(Exception):
    """A bundle that is damaged, of another version or for another robot; says which."""


# -- What a bundle is --------------------------------------------------------------------------


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and found whole.

    Attributes:
      description: deploy.json.
      folder: where it lies.
      joints: their names in the simulation, in its order, which is that of the actions.
      robot_joints: the robot's names of them, in the robot's order.
      to_robot: for each joint of the robot, its place in ``joints``.
      period: seconds between two actions.
      policy, observe: the two networks.
    """

    description: dict[str, Any]
    folder: Path
    joints: tuple[str, ...]
    robot_joints: tuple[str, ...]
    to_robot: np.ndarray
    period: float
    policy: onnxruntime.InferenceSession
    observe: onnxruntime.InferenceSession


def load_bundle(folder: str | Path, robot_joints: Sequence[str] | None = None) -> Bundle:
    """Read a bundle and check that it is whole and gives the actions that it was exported with.

    Args:
      folder: of the bundle.
      robot_joints: the names that the robot reports, in its order; a bundle that was written
        for other joints, or in another order, is refused. None takes the bundle's word.

    Raises:
      BundleError: with what is wrong.
    """
    folder = Path(folder)
    try:
        description = read_description(folder)
        check_files(folder, description)
        bundle = open_bundle(folder, description)
    except KeyError as error:
        raise BundleError(f"{DESCRIPTION} has no {error.args[0]!r}.") from error
    if robot_joints is not None and tuple(robot_joints) != bundle.robot_joints:
        raise BundleError(
            f"the bundle is for a robot with the joints {', '.join(bundle.robot_joints)}, in this "
            f"order; this one has {', '.join(robot_joints)}. Export it with --joints."
        )
    error = golden_error(bundle)
    if not error <= description["golden"]["tolerance"]:
        raise BundleError(
            f"the policy's actions differ by {error:.1e} from those that it was exported with."
        )
    return bundle


def read_description(folder: Path) -> dict[str, Any]:
    """Return deploy.json, of this format and signed."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError(f"{folder} is no bundle: it has no {DESCRIPTION}.") from error
    except ValueError as error:
        raise BundleError(f"{DESCRIPTION} is cut off or damaged: {error}.") from error
    if not isinstance(description, dict):
        raise BundleError(f"{DESCRIPTION} is not an object.")
    found = description.get("format")
    if found != FORMAT:
        raise BundleError(f"the bundle has format {found}, and this runtime reads {FORMAT}.")
    if description.get("digest") != digest(description):
        raise BundleError(f"{DESCRIPTION} was changed after the export: its digest is another.")
    return description


def digest(description: Mapping[str, Any]) -> str:
    """Return the SHA-256 of deploy.json, but for the digest itself."""
    signed = {key: value for key, value in description.items() if key != "digest"}
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_files(folder: Path, description: Mapping[str, Any]) -> None:
    """Hold every file against its hash."""
    for name, expected in description["files"].items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{name} is missing.")
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise BundleError(f"{name} was changed after the export: its hash is another.")


def joint_map(description: Mapping[str, Any]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the robot's names of its joints, and the place of each among the simulation's."""
    names = [joint["name"] for joint in description["joints"]]
    mapped = [entry["simulation"] for entry in description["robot"]["joints"]]
    if sorted(mapped) != sorted(names):
        raise BundleError(
            f"the robot's joints are mapped to {', '.join(mapped)}; each of {', '.join(names)} "
            "has to be there once."
        )
    called = tuple(entry["name"] for entry in description["robot"]["joints"])
    for name, of in zip(called, mapped, strict=True):
        if name in names and name != of:
            raise BundleError(
                f"the robot's joint {name} is mapped to {of}, though the simulation has a {name}."
            )
    return called, np.array([names.index(name) for name in mapped])


def session(path: Path) -> onnxruntime.InferenceSession:
    """Open a network for the CPU; one thread is fastest for networks as small as these."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise BundleError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error


def golden_error(bundle: Bundle) -> float:
    """Return the largest difference from the actions that the trainer's network gave."""
    golden = bundle.description["golden"]
    observations = np.asarray(golden["observations"], np.float32)
    expected = np.asarray(golden["actions"], np.float32)
    return float(np.abs(_run(bundle.policy, observations) - expected).max())


def open_bundle(folder: Path, description: dict[str, Any]) -> Bundle:
    """Return a bundle whose files were not checked."""
    robot_joints, to_robot = joint_map(description)
    bundle = Bundle(
        description=description,
        folder=folder,
        joints=tuple(joint["name"] for joint in description["joints"]),
        robot_joints=robot_joints,
        to_robot=to_robot,
        period=description["timing"]["period"],
        policy=session(folder / description["policy"]["file"]),
        observe=session(folder / description["observation"]["file"]),
    )
    terms = description["observation"]["terms"]
    for what, size, expected in (
        (
            "observations of",
            bundle.policy.get_inputs()[0].shape[-1],
            sum(term["size"] * term["history"] for term in terms),
        ),
        ("actions for", bundle.policy.get_outputs()[0].shape[-1], len(bundle.joints)),
    ):
        if size != expected:
            raise BundleError(
                f"the policy has {what} {size} numbers, and {DESCRIPTION} speaks of {expected}."
            )
    return bundle


# -- What goes in and out ----------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What the robot measured.

    Attributes:
      stamp: when, in seconds of the clock that ``step``'s ``now`` is of.
      position, velocity: (J,) of the joints, in the robot's order, in m or rad and per second.
      fields: by name, those of deploy.json that are observed and whose source is "robot", in
        their unit and frame: what a state estimator or a sensor says.
    """

    stamp: float
    position: np.ndarray
    velocity: np.ndarray
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """What the robot is to do until the next one.

    Attributes:
      values: (J,) for the joints, in the robot's order and in their units.
      action: (J,) the policy's, in [-1, 1] and in the simulation's order, as it was applied.
      stopped: why the controller has stopped, "" while it runs.
    """

    values: np.ndarray
    action: np.ndarray
    stopped: str


# -- One step ----------------------------------------------------------------------------------


class Controller:
    """Turns readings into commands; holds what the policy remembers.

    Args:
      bundle: from ``load_bundle``.
      largest_change: of each action from one step to the next, in (0, 2]; 2 is no limit, which
        is how the policy was trained. A smaller one is gentler, and no longer what was tested.
      watch: whether joints outside of what was seen stop it.
    """

    def __init__(self, bundle: Bundle, *, largest_change: float = 2.0, watch: bool = True) -> None:
        self.bundle = bundle
        self._largest_change = largest_change
        self._watch = watch
        description = bundle.description
        self._joints = description["joints"]
        self._fields = description["fields"]
        self._terms = description["observation"]["terms"]
        self._stale_after = description["timing"]["stale_after"]
        self._holds = np.array([joint["kind"] == "position" for joint in self._joints])
        self._scale = np.array([joint["scale"] for joint in self._joints])
        self._offset = np.array([joint["offset"] for joint in self._joints])
        self._most = np.array(
            [
                joint["limits"]["effort"] if joint["kind"] == "effort" else np.inf
                for joint in self._joints
            ],
            float,
        )
        self.reset()

    def reset(self) -> None:
        """Forget everything, a stop included: an episode begins."""
        self.stopped = ""
        self._action = np.zeros(len(self._joints), np.float32)
        self._history: list[deque[np.ndarray]] = []
        self._stamp = -np.inf
        self._held: np.ndarray | None = None

    def step(self, reading: Reading, now: float) -> Command:
        """Return the command for one period.

        Args:
          reading: the newest.
          now: in seconds; a clock that is never set back.
        """
        if not self.stopped:
            self.stopped = self._trouble(reading, now)
        if self.stopped:
            return self._stop()
        position = self._in_simulation(reading.position)
        velocity = self._in_simulation(reading.velocity)
        self._stamp, self._held = reading.stamp, position
        state = self._state(reading.fields, position, velocity)
        observation = self._remember(_run(self.bundle.observe, state))
        action = _run(self.bundle.policy, observation[None])[0]
        if not np.isfinite(action).all():
            self.stopped = "the policy's action is not finite"
            return self._stop()
        action = np.clip(action, -1.0, 1.0)
        change = np.clip(action - self._action, -self._largest_change, self._largest_change)
        self._action = np.asarray(
            action if self._largest_change >= 2.0 else self._action + change, np.float32
        )
        values = np.clip(self._offset + self._scale * self._action, -self._most, self._most)
        return Command(values[self.bundle.to_robot], self._action, "")

    def _in_simulation(self, values: np.ndarray) -> np.ndarray:
        """Bring numbers of joints from the robot's order into the simulation's."""
        ordered = np.empty(len(self._joints))
        ordered[self.bundle.to_robot] = values
        return ordered

    def _state(
        self, fields: Mapping[str, Any], position: np.ndarray, velocity: np.ndarray
    ) -> np.ndarray:
        """Return the state, (S,): the fields one after the other, as the task declares them."""
        parts = []
        for field in self._fields:
            match field["source"]:
                case "joint position":
                    parts.append(position[field["joints"]])
                case "joint velocity":
                    parts.append(velocity[field["joints"]])
                case "action":
                    parts.append(self._action)
                case _ if field["observed"]:
                    parts.append(np.ravel(fields[field["name"]]))
                case _:  # the policy does not see it
                    parts.append(np.zeros(int(np.prod(field["shape"]))))
        return np.concatenate(parts).astype(np.float32)

    def _remember(self, observed: np.ndarray) -> np.ndarray:
        """Return the observation: of each term as many of the last values as it asks for.

        The oldest is first; before there are enough, the first is repeated.
        """
        parts = np.split(observed, np.cumsum([term["size"] for term in self._terms])[:-1])
        if not self._history:
            self._history = [
                deque([part] * term["history"], term["history"])
                for term, part in zip(self._terms, parts, strict=True)
            ]
        for values, part in zip(self._history, parts, strict=True):
            values.append(part)
        return np.concatenate([value for values in self._history for value in values])

    # -- The watches ---------------------------------------------------------------------------

    def _trouble(self, reading: Reading, now: float) -> str:
        """Return why this reading must not be acted on, "" if it may be."""
        age = now - reading.stamp
        if not age <= self._stale_after:
            return f"the reading is {age:.3f} s old; {self._stale_after:g} s is the most"
        if reading.stamp < self._stamp:
            return "the reading is older than the one before it"
        for field in self._fields:
            if field["source"] != "robot" or not field["observed"]:
                continue
            name, size = field["name"], int(np.prod(field["shape"]))
            if name not in reading.fields:
                return f"the reading has no {name}"
            value = np.asarray(reading.fields[name], float)
            if value.size != size:
                return f"{name} has {value.size} numbers, not {size}"
            if not np.isfinite(value).all():
                return f"{name} is not finite"
        for what, values in (("position", reading.position), ("velocity", reading.velocity)):
            if np.shape(values) != (len(self._joints),):
                return f"there are {np.size(values)} joint {what}s, not {len(self._joints)}"
            if not np.isfinite(values).all():
                return f"a joint's {what} is not finite"
        return self._out_of_bounds(reading) if self._watch else ""

    def _out_of_bounds(self, reading: Reading) -> str:
        position = self._in_simulation(reading.position)
        speed = np.abs(self._in_simulation(reading.velocity))
        for joint, here, fast in zip(self._joints, position, speed, strict=True):
            (low, high), most = joint["watch"]["position"], joint["watch"]["speed"]
            if not low <= here <= high:
                return f"{joint['name']} is at {here:.3g}, outside of [{low:.3g}, {high:.3g}]"
            if not fast <= most:
                return f"{joint['name']} moves at {fast:.3g}, faster than {most:.3g}"
        return ""

    def _stop(self) -> Command:
        """Return the command of a robot that is to do nothing; see the head of this file."""
        default = np.array([joint["default"] for joint in self._joints])
        held = default if self._held is None else self._held
        values = np.where(self._holds, held, 0.0)
        still = np.zeros(len(self._joints), np.float32)
        return Command(values[self.bundle.to_robot], still, self.stopped)


def _run(network: onnxruntime.InferenceSession, value: np.ndarray) -> np.ndarray:
    """Return the one output of a network with one input."""
    return np.asarray(network.run(None, {network.get_inputs()[0].name: value})[0])
