"""A bundle's episodes in plain MuJoCo, driven by the runtime as a robot is. Imports no JAX.

Everything comes from the bundle's files: the model, how its fields are read, what the
policy observes, what a step is worth. The simulation is stepped as the trainer's backend
steps it, see ``sim.cpu``: held for ``decimation`` physics steps, and read with its
sensors made current.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from reward_synth.deploy.model import read_model
from reward_synth.deploy.runtime import Bundle, Controller, Reading, session
from reward_synth.task.models import DIVERGENCE


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """One episode.

    Attributes:
      length: steps.
      fitness: sum over its steps.
      reward: sum of the reward that the policy was trained on.
      success: whether the goal held in its last state.
      qpos: (length + 1, nq).
      joints: (2, length + 1, J) positions and velocities of the driven joints.
      stopped: why the runtime stopped itself, "" if it did not.
    """

    length: int
    fitness: float
    reward: float
    success: bool
    qpos: np.ndarray
    joints: np.ndarray
    stopped: str


def golden_episodes(
    bundle: Bundle, controller: Controller, golden: Mapping[str, np.ndarray]
) -> list[Episode]:
    """Run an episode from each of a bundle's golden initial states.

    Args:
      bundle: the bundle.
      controller: of its policy.
      golden: with "initial_qpos", (E, nq), and "initial_qvel", (E, nv).
    """
    simulation, judge = Simulation(bundle), Judge(bundle)
    starts = zip(golden["initial_qpos"], golden["initial_qvel"], strict=True)
    return [run_episode(simulation, controller, judge, *start) for start in starts]


def apart(episodes: Sequence[Episode], golden: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return how far positions are from the trainer's, the largest over all episodes, by step.

    Args:
      episodes: E of them.
      golden: with the trainer's "qpos", (H + 1, E, nq), and "length", (E,); H is the shape of the
        result less one. Beyond the end of either's episode nothing is compared.
    """
    largest = np.zeros(len(golden["qpos"]))
    for i, episode in enumerate(episodes):
        steps = min(len(largest), episode.length + 1, int(golden["length"][i]) + 1)
        difference = np.abs(episode.qpos[:steps] - golden["qpos"][:steps, i]).max(1)
        largest[:steps] = np.maximum(largest[:steps], difference)
    return largest


class Simulation:
    """The robot that a bundle describes, in MuJoCo; measures what ``Reading`` wants."""

    def __init__(self, bundle: Bundle) -> None:
        description = bundle.description
        self.model = read_model(bundle.folder / description["simulation"]["model"])
        self.data = mujoco.MjData(self.model)
        self.bundle = bundle
        self._decimation = description["timing"]["decimation"]
        self._qpos = [joint["mujoco"]["qpos"] for joint in description["joints"]]
        self._qvel = [joint["mujoco"]["qvel"] for joint in description["joints"]]
        self._control = np.array([joint["mujoco"]["control"] for joint in description["joints"]])
        self._action = np.zeros(self.model.nu, np.float32)

    @property
    def joints(self) -> np.ndarray:
        """(2, J) positions and velocities of the driven joints, in the simulation's order."""
        return np.stack([self.data.qpos[self._qpos], self.data.qvel[self._qvel]])

    @property
    def diverged(self) -> bool:
        """Whether MuJoCo could not go on, and would have put the robot back home."""
        warned = any(self.data.warning[kind].number for kind in DIVERGENCE)
        return warned or not bool(np.isfinite(self.data.qpos).all())

    def begin(self, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Put the robot into a state, (nq,) and (nv,)."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        self._action[:] = 0.0
        mujoco.mj_forward(self.model, self.data)

    def reading(self) -> Reading:
        """Return what the robot measures now, in its own order of joints."""
        position, velocity = self.joints[:, self.bundle.to_robot]
        fields = {
            field["name"]: self._field(field)
            for field in self.bundle.description["fields"]
            if field["source"] == "robot"
        }
        return Reading(self.data.time, position, velocity, fields)

    def state(self) -> np.ndarray:
        """Return the state vector, (S,) float32, as the task's functions take it."""
        fields = self.bundle.description["fields"]
        return np.concatenate([self._field(field) for field in fields]).astype(np.float32)

    def apply(self, values: np.ndarray, action: np.ndarray) -> None:
        """Hold a command for one control period; see ``command`` for the arguments."""
        self.command(values, action)
        for _ in range(self._decimation):
            self.step()
        self.sense()

    def command(self, values: np.ndarray, action: np.ndarray) -> None:
        """Take a command.

        Args:
          values: (J,) in the robot's order, from a ``Command``.
          action: (J,) that it came from; the next state's field of the last action.
        """
        ordered = np.empty(self.model.nu)
        ordered[self.bundle.to_robot] = values
        self.data.ctrl[:] = ordered * self._control
        self._action[:] = action

    def step(self) -> None:
        """Do one physics step."""
        mujoco.mj_step(self.model, self.data)

    def sense(self) -> None:
        """Make sensors of positions and velocities current, which a step leaves one behind."""
        mujoco.mj_fwdPosition(self.model, self.data)
        mujoco.mj_sensorPos(self.model, self.data)
        mujoco.mj_fwdVelocity(self.model, self.data)
        mujoco.mj_sensorVel(self.model, self.data)

    def _field(self, field: dict[str, Any]) -> np.ndarray:
        if field["source"] == "action":
            return self._action
        return getattr(self.data, field["mujoco"]["array"])[field["mujoco"]["entries"]]


class Judge:
    """What a step of a bundle's task is worth, from judge.onnx."""

    def __init__(self, bundle: Bundle) -> None:
        self._network = session(bundle.folder / bundle.description["simulation"]["judge"])
        self._names = [output.name for output in self._network.get_outputs()]

    def __call__(
        self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray
    ) -> dict[str, float]:
        """Return fitness, reward, terminated and success of a step."""
        values = self._network.run(
            None, {"state": state, "action": action, "next_state": next_state}
        )
        return {n: float(np.asarray(v)) for n, v in zip(self._names, values, strict=True)}


def run_episode(
    simulation: Simulation,
    controller: Controller,
    judge: Judge,
    qpos: np.ndarray,
    qvel: np.ndarray,
) -> Episode:
    """Run an episode from an initial state, (nq,) and (nv,), until it ends or time is up."""
    simulation.begin(qpos, qvel)
    controller.reset()
    state, found = simulation.state(), {"success": 0.0}
    positions, joints = [simulation.data.qpos.copy()], [simulation.joints]
    fitness = reward = 0.0
    for _ in range(controller.bundle.description["timing"]["episode_steps"]):
        command = controller.step(simulation.reading(), simulation.data.time)
        if command.stopped:
            break
        simulation.apply(command.values, command.action)
        before, state = state, simulation.state()
        found = judge(before, command.action, state)
        fitness += found["fitness"]
        reward += found["reward"]
        positions.append(simulation.data.qpos.copy())
        joints.append(simulation.joints)
        if simulation.diverged or found["terminated"]:
            break
    return Episode(
        length=len(positions) - 1,
        fitness=fitness,
        reward=reward,
        success=found["success"] > 0.5,
        qpos=np.stack(positions),
        joints=np.stack(joints, axis=1),
        stopped=controller.stopped,
    )
