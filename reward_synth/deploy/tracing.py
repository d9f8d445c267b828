"""The functions of a task as graphs: what its policy observes, and what a step is worth."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import onnx

from reward_synth.deploy.graph import Graph, Node
from reward_synth.deploy.lower import nodes_of
from reward_synth.deploy.onnx_graph import onnx_model
from reward_synth.deploy.terms import Term, observation_terms
from reward_synth.errors import ExportError
from reward_synth.records import TracedReward
from reward_synth.reward.array_program import ArrayProgramError, encode, read
from reward_synth.task.task import Task


def observe_model(task: Task) -> tuple[onnx.ModelProto, list[Term]]:
    """Return the model from a state, (S,), to the observation, (O,), and its terms.

    Raises:
      ExportError: ``observe`` does what ONNX has not.
    """
    graph = Graph()
    state = graph.leaf("input", ("state",), (task.description.state_size,))
    (observation,) = _traced(
        graph, lambda s: (jnp.asarray(task.observe(task.view(s)), jnp.float32),), [state], task
    )
    model = onnx_model({"observation": observation}, [state], f"observe() of {task.name}")
    return model, observation_terms(observation, task.description.fields)


def judge_model(task: Task, reward: TracedReward) -> onnx.ModelProto:
    """Return the model from state, action and next_state to a step's numbers, all float32.

    They are fitness, reward (the sum that the policy was trained on), terminated and success,
    the last two 0 or 1 and of the next state.

    Raises:
      ExportError: one of the task's functions does what ONNX has not.
    """
    size, actions = task.description.state_size, task.description.action_size
    graph = Graph()
    leaves = [
        graph.leaf("input", (name,), (length,))
        for name, length in (("state", size), ("action", actions), ("next_state", size))
    ]

    def step(s: jax.Array, a: jax.Array, n: jax.Array) -> tuple[jax.Array, ...]:
        before, after = task.view(s), task.view(n)
        found = task.fitness(before, a, after), task.terminated(after), task.success(after)
        return tuple(jnp.asarray(value, jnp.float32) for value in found)

    fitness, terminated, success = _traced(graph, step, leaves, task)
    weights = graph.constant(np.array([w for _, w in reward.program.weights], np.float32))
    value, _ = nodes_of(graph, read(reward.arrays), [*leaves, weights])
    outputs = {"fitness": fitness, "reward": value, "terminated": terminated, "success": success}
    return onnx_model(outputs, leaves, f"judge of {task.name}")


def _traced(
    graph: Graph, function: Callable[..., tuple[jax.Array, ...]], leaves: list[Node], task: Task
) -> list[Node]:
    shapes = [jax.ShapeDtypeStruct(leaf.shape, jnp.float32) for leaf in leaves]
    try:
        return nodes_of(graph, read(encode(function, *shapes)), leaves)
    except ArrayProgramError as error:
        raise ExportError(f"task {task.name} cannot be exported: {error}") from error
