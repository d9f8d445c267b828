"""How fast training is on a GPU, beside physics alone, trainings one by one, and Brax's PPO.

    .venv/bin/python -m pip install -c constraints.txt -e '.[gpu]'       # laptop: .[mjx]
    .venv/bin/python -m pip install -c constraints.txt playground brax   # for the comparison
    .venv/bin/python -m benchmarks.gpu --minutes 9                       # again to go on
    .venv/bin/python -m benchmarks.gpu --toy --work outputs/gpu_toy      # to see that it runs

Every measurement, a cell, is a process of its own with a time limit: one that runs out of
memory or crashes is recorded as such, and the rest goes on. Results are kept in ``--work`` after
each cell, so that a stopped benchmark goes on where it was. The most important cells come
first: lists such as ``--envs 1024 4096 256`` are in order of importance. Prints tables and,
as its last line, everything as JSON.

What a step is: one action of one environment. Training times whole iterations: collecting with
the policy, all rewards, all updates; their median after the first, which compiles. Every
candidate has a reward function of its own, as in a search, though all say the same. Beside it
stands collecting alone, the same program with a policy that has learned nothing. Backend ``mjx``
runs on MJX's best implementation for the device; ``--backend mjx-warp mjx-jax`` times both.

Brax trains MuJoCo Playground's version of the task with as many environments, the same
networks (tanh, one for the policy and one for values), horizon, epochs, minibatches, learning
rate and number of physics steps an action. What differs:

- models: Playground's cheetah and humanoid are dm_control's, with time steps of 10 and 5 ms and
  at most 4 iterations of the solver; ours are gymnasium's, with 10 and 3 ms and at most 100 and 4;
- observations: 17 and 67 numbers, ours 17 and 45; rewards: theirs are of dm_control;
- episodes: a humanoid that fell plays on in Playground, and environments start again from the
  state that they first started from, where ours draw a new one;
- Brax squashes actions by tanh, ours are clipped; it neither clips gradients nor scales rewards
  by what it saw;
- Brax trains one candidate at a time and compiles for each, so that sixteen take sixteen times
  as long as one.
"""
