"""policy.onnx against the trainer's network."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_synth.deploy.onnx_file import opset
from reward_synth.deploy.onnx_graph import IR_VERSION, OPSET
from reward_synth.deploy.policy_onnx import INPUT, OUTPUT, policy_model
from reward_synth.train.networks import Layer, Network
from reward_synth.train.normalize import RunningStatistics
from reward_synth.train.policy import Policy


def random_policy(rng, sizes, gain):
    layers = tuple(
        Layer(
            jnp.asarray(gain * rng.normal(size=(n, m)) / n**0.5, jnp.float32),
            jnp.asarray(rng.normal(size=m), jnp.float32),
        )
        for n, m in pairwise(sizes)
    )
    statistics = RunningStatistics(
        jnp.asarray(10 * rng.normal(size=sizes[0]), jnp.float32),
        # from entries that hardly ever varied to those that vary by hundreds
        jnp.asarray(np.exp(rng.uniform(-12, 12, sizes[0])), jnp.float32),
        jnp.asarray(1e4, jnp.float32),
    )
    return Policy(Network(layers, layers, jnp.zeros(sizes[-1])), statistics)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 64), min_size=2, max_size=5),
    gain=st.sampled_from([0.01, 1.0, 3.0]),
    batch=st.integers(1, 33),
)
def test_any_network_gives_the_trainers_actions(seed, sizes, gain, batch):
    rng = np.random.default_rng(seed)
    policy = random_policy(rng, sizes, gain)
    model = policy_model(policy, {})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    spread = np.sqrt(np.asarray(policy.observations.variance))
    # to twenty standard deviations, where the normaliser clips
    observation = np.asarray(policy.observations.mean) + spread * rng.uniform(
        -20, 20, (batch, sizes[0])
    )
    observation = observation.astype(np.float32)
    (found,) = session.run([OUTPUT], {INPUT: observation})
    expected = np.asarray(jax.jit(policy.act)(observation))
    assert found.shape == (batch, sizes[-1])
    assert np.abs(found - expected).max() <= 1e-5


def test_the_file_says_what_it_is():
    metadata = {"joint_names": "a,b", "action_scale": "0.1,0.30000000000000004"}
    policy = random_policy(np.random.default_rng(0), [3, 8, 2], 1.0)
    data = policy_model(policy, metadata).SerializeToString()
    model = onnx.load_from_string(data)
    assert {p.key: p.value for p in model.metadata_props} == metadata
    assert (opset(data), model.ir_version) == (OPSET, IR_VERSION) == (17, 8)
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
