"""A trained policy as an ONNX model: normaliser, network and clip of the actions in one file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper

from reward_synth.deploy.describe import POLICY
from reward_synth.deploy.onnx_graph import Writer, finished
from reward_synth.train.normalize import CLIP, EPSILON
from reward_synth.train.policy import Policy

# Named as the exporters of rsl_rl, mjlab and Isaac Lab name them.
INPUT, OUTPUT = POLICY["input"], POLICY["output"]


def policy_model(policy: Policy, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Return a model from observations, (batch, O), to actions, (batch, A) in [-1, 1].

    The operations are those of ``Policy.act``, in its order and in float32, so that only the
    order of the sums inside a matrix product is the runtime's own.

    Args:
      policy: the policy.
      metadata: written into the file as its ``metadata_props``.
    """
    statistics, actor = policy.observations, policy.network.actor
    sizes = len(np.asarray(statistics.mean)), len(np.asarray(actor[-1].bias))
    writer = Writer("policy")

    def number(value: object) -> str:
        return writer.constant(np.asarray(value, np.float32))

    deviation = np.sqrt(np.asarray(statistics.variance, np.float32) + np.float32(EPSILON))
    value = writer.add("Sub", [INPUT, number(statistics.mean)])
    value = writer.add("Div", [value, number(deviation)])
    value = writer.add("Clip", [value, number(-CLIP), number(CLIP)])
    for i, layer in enumerate(actor):
        value = writer.add("MatMul", [value, number(layer.weight)])
        value = writer.add("Add", [value, number(layer.bias)])
        if i < len(actor) - 1:
            value = writer.add("Tanh", [value])
    writer.add("Clip", [value, number(-1.0), number(1.0)], output=OUTPUT)
    (given, taken) = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in zip((INPUT, OUTPUT), sizes, strict=True)
    )
    model = finished(helper.make_graph(writer.nodes, "policy", [given], [taken], writer.constants))
    helper.set_model_props(model, dict(metadata))
    return model
