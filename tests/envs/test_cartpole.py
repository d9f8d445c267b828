"""Cart-pole swing-up against numbers computed with dm_control 1.0.50's own model and reward."""

from __future__ import annotations

import jax
import numpy as np

from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import load_task

# From (x, angle) = (0.01, pi + 0.02), velocities (0.01, -0.01), with force sin(0.04 t) in step t
# and 1 from step 300 on: (x, angle, their velocities) and the reward after each 100 steps of
# 0.02 s. The cart runs into both stops.
DM_CONTROL = np.array(
    [
        [1.6027648, 2.44446087, -1.3970178, 2.85377971, 0.04710533894334624],
        [-0.06739278, 3.20060244, 5.1097656, -5.08940114, 0.0003807172064018229],
        [-1.93936652, -9.13389597, 0.99543141, -12.26440891, 0.005473384099621999],
        [1.80264469, -27.05516658, -5.5063127e-03, -9.2592641, 0.07568346638231654],
        [1.8036364, -44.04902699, -3.03684197e-03, -6.77693043, 0.2338408603451443],
    ]
)


def test_dynamics_and_expert_are_those_of_dm_control():
    with jax.enable_x64(True):
        task = load_task("cartpole_swingup")
        keys = jax.random.split(jax.random.key(0), 1)
        backend = CpuBackend(task, keys, threads=1, dtype=np.float64)
        backend.reset()
        backend.qpos[0], backend.qvel[0] = (0.01, np.pi + 0.02), (0.01, -0.01)
        assert task.expert_reward is not None
        rows = []
        for t in range(500):
            action = np.array([np.sin(0.04 * t) if t < 300 else 1.0])
            before = task.view(backend.step(action[None])[0][0])
            if t % 100 == 99:
                reward, _ = task.expert_reward(before, action, before)  # it reads the next state
                rows.append([*backend.qpos[0], *backend.qvel[0], float(reward)])
    np.testing.assert_allclose(rows, DM_CONTROL, rtol=0, atol=1e-7)


def test_starts_hanging_in_the_middle_as_in_dm_control():
    task = load_task("cartpole_swingup")
    backend = CpuBackend(task, jax.random.split(jax.random.key(0), 1000))
    backend.reset()
    np.testing.assert_allclose(backend.qpos.mean(0), [0.0, np.pi], atol=0.002)
    np.testing.assert_allclose(backend.qpos.std(0), 0.01, rtol=0.1)
    np.testing.assert_allclose(backend.qvel.mean(0), 0.0, atol=0.002)
    np.testing.assert_allclose(backend.qvel.std(0), 0.01, rtol=0.1)
