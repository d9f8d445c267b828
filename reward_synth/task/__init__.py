"""A folder becomes a validated task.

This module is also what a task author imports; see envs/hopper/task.py.
"""

from reward_synth.randomisation import Randomisation
from reward_synth.task.fields import FieldSource, joint_positions, joint_velocities, sensors
from reward_synth.task.limits import (
    joint_load,
    joint_range,
    joint_speed,
    joint_stops,
    joint_torque,
    sensor_limit,
)
from reward_synth.task.load import bundled_tasks, find_task, load_task
from reward_synth.task.models import add_camera, add_sensor, dress, gymnasium_model, scene
from reward_synth.task.task import Task

__all__ = [
    "FieldSource",
    "Randomisation",
    "Task",
    "add_camera",
    "add_sensor",
    "bundled_tasks",
    "dress",
    "find_task",
    "gymnasium_model",
    "joint_load",
    "joint_positions",
    "joint_range",
    "joint_speed",
    "joint_stops",
    "joint_torque",
    "joint_velocities",
    "load_task",
    "scene",
    "sensor_limit",
    "sensors",
]
