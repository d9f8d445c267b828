"""A bundle drives a robot in another process, over UDP on the loopback address, in real time.

    python -m reward_synth.deploy.example_robot policies/cartpole_swingup

The robot is MuJoCo in a process of its own, stepped by the clock on the wall. Every control
period it sends what it measures and goes on; a command that is late is a command that is late.
Like a real one it has a timeout of its own: without a command for ``stale_after`` seconds it
goes without effort. The controller is what runs on a robot's computer: the runtime, a socket
and a loop, and nothing of MuJoCo. Put your driver in the place of the socket.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reward_synth.deploy.runtime import Bundle, BundleError, Controller, Reading, load_bundle

_HOST = "127.0.0.1"
_STARTING_S = 60.0  # that a process may take to start
_SPIN_S = 0.001  # before a deadline; a sleep may take that much longer than it was asked to
_DATAGRAM = 65_507


def main() -> int:
    """Run the controller, and the robot beside it; print how well time was kept."""
    parser = ArgumentParser(description="drive a simulated robot with a bundle, in real time")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--robot", type=int, help="be the robot, and talk to this port")
    options = parser.parse_args()
    try:
        bundle = load_bundle(options.bundle)
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    if options.robot is not None:
        print(json.dumps(run_robot(bundle, options.robot, options.seconds)))
        return 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind((_HOST, 0))
        command = [sys.executable, "-m", "reward_synth.deploy.example_robot", str(options.bundle)]
        command += ["--seconds", str(options.seconds), "--robot", str(link.getsockname()[1])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as robot:
            stopped = control(bundle, link)
            found = json.loads(robot.communicate()[0])
    _report(bundle, found, stopped)
    return 0


def control(bundle: Bundle, link: socket.socket) -> str:
    """Answer every reading with a command until the robot says that it is over.

    Returns:
      Why the controller stopped itself, "" if it did not.
    """
    controller = Controller(bundle)
    link.settimeout(_STARTING_S)
    while True:
        data, robot = link.recvfrom(_DATAGRAM)
        message = json.loads(data)
        if message["over"]:
            return controller.stopped
        reading = Reading(
            message["stamp"],
            np.array(message["position"]),
            np.array(message["velocity"]),
            message["fields"],
        )
        command = controller.step(reading, time.monotonic())
        answer = {
            "stamp": reading.stamp,
            "values": command.values.tolist(),
            "action": command.action.tolist(),
        }
        link.sendto(json.dumps(answer).encode(), robot)
        link.settimeout(10 * bundle.period + 1.0)  # a robot that says nothing is gone


def run_robot(bundle: Bundle, port: int, seconds: float) -> dict[str, Any]:
    """Be the robot.

    A physics step is computed when its time is over, with the command that was there by then:
    one that arrives within a physics step of its reading acts as it did in training.

    Returns:
      Of each control period its length and how long its command took in s, and how many periods
      had none; the fitness and how many steps it is of.
    """
    from reward_synth.deploy.closed_loop import Judge, Simulation

    timing = bundle.description["timing"]
    simulation, judge = Simulation(bundle), Judge(bundle)
    with np.load(bundle.folder / bundle.description["golden"]["file"]) as golden:
        simulation.begin(golden["initial_qpos"][0], golden["initial_qvel"][0])
    fitness, began, answered, ends = 0.0, [], [], False
    values = np.zeros(len(bundle.joints))
    action = np.zeros(len(bundle.joints), np.float32)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect((_HOST, port))
        start = heard = time.monotonic()
        periods = min(timing["episode_steps"], round(seconds / bundle.period))
        for period in range(periods):
            stamp = _wait(start + period * bundle.period)
            began.append(stamp)
            state, found, took = simulation.state(), simulation.reading(), float("nan")
            message = {
                "over": False,
                "stamp": stamp,
                "position": found.position.tolist(),
                "velocity": found.velocity.tolist(),
                "fields": {name: np.asarray(x).tolist() for name, x in found.fields.items()},
            }
            link.send(json.dumps(message).encode())
            for step in range(timing["decimation"]):
                for answer in _listen(link, stamp + (step + 0.9) * timing["physics_timestep"]):
                    heard = time.monotonic()
                    values, action = answer["values"], np.array(answer["action"], np.float32)
                    took = heard - stamp if answer["stamp"] == stamp else took
                if time.monotonic() - heard > timing["stale_after"]:
                    values = np.zeros(len(bundle.joints))
                simulation.command(values, action)
                simulation.step()
            simulation.sense()
            answered.append(took)
            value = judge(state, action, simulation.state())
            fitness += value["fitness"]
            ends = bool(value["terminated"])
            if ends:
                break
        link.send(json.dumps({"over": True}).encode())
    return {
        "periods": np.diff(began).tolist(),
        "answers": [x for x in answered if x == x],
        "missed": float(np.isnan(answered).sum()),
        "fitness": fitness,
        "steps": float(len(answered)),
    }


def _listen(link: socket.socket, until: float) -> Iterator[dict[str, Any]]:
    """Yield the commands that come until a time, each as it comes."""
    while (left := until - time.monotonic()) > 0:
        link.settimeout(left)
        try:
            yield json.loads(link.recv(_DATAGRAM))
        except TimeoutError:
            return


def _wait(until: float) -> float:
    """Sleep, and look at the clock for the last moment; return the time."""
    left = until - time.monotonic()
    if left > _SPIN_S:
        time.sleep(left - _SPIN_S)
    while time.monotonic() < until:
        pass
    return time.monotonic()


def _report(bundle: Bundle, found: dict[str, Any], stopped: str) -> None:
    jitter = 1e3 * np.abs(np.array(found["periods"]) - bundle.period)
    answers = 1e3 * np.array(found["answers"])
    steps, whole = int(found["steps"]), bundle.description["timing"]["episode_steps"]
    print(f"{steps} control periods of {bundle.period * 1e3:g} ms, over UDP on {_HOST}")
    for what, values in (("jitter", jitter), ("reading to command", answers)):
        median, slow = np.percentile(values, [50, 99])
        print(
            f"{what}: median {median:.2f} ms, 99th percentile {slow:.2f} ms, "
            f"worst {values.max():.2f} ms"
        )
    print(f"periods without a command: {int(found['missed'])}")
    print(f"fitness: {found['fitness']:.4g} in {steps} of {whole} steps")
    if stopped:
        print(f"the runtime stopped: {stopped}")


if __name__ == "__main__":
    sys.exit(main())
