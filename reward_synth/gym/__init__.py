"""Tasks and reward programs as Gymnasium environments, for every library that trains on these.

    import gymnasium
    import reward_synth.gym

    env = gymnasium.make("reward_synth/Task-v0", task="hopper", reward="expert")
    envs = gymnasium.make_vec("reward_synth/Task-v0", num_envs=64, task="ant", reward="sparse")

Importing this module registers the environment and does nothing else; JAX and MuJoCo
come in when one is made. Gymnasium gave up its plug-in entry point in version 1.0, so
the import is needed; ``"reward_synth.gym:reward_synth/Task-v0"`` names it in the id, for
libraries that take no more than an id. ``TaskEnv`` says what ``task`` and ``reward`` may be.

``reward_synth.gym.wrapper`` puts a reward program on environments from elsewhere.
"""

import gymnasium

ENV_ID = "reward_synth/Task-v0"

# No max_episode_steps: the task knows its own, and Gymnasium's limit would be a second one.
gymnasium.register(
    ENV_ID,
    entry_point="reward_synth.gym.env:TaskEnv",
    vector_entry_point="reward_synth.gym.vector:TaskVectorEnv",
)
