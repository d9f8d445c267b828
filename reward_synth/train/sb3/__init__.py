"""The same trainings with Stable-Baselines3's PPO, an optional extra.

``job`` does what ``train.job`` does; ``model`` translates hyperparameters one way and the
trained policy the other; ``vec_env`` is the simulation as Stable-Baselines3 sees it. This
module imports neither it nor torch, so that settings can be checked without them.
"""

from __future__ import annotations

from importlib.util import find_spec

from reward_synth.errors import ConfigError

NO_CAPS = (
    "trainer=sb3 cannot change a reward during training, as train.transform=caps does: use "
    "trainer=jax, or train.transform=par or carl."
)

NOMINAL_ONLY = (
    "trainer=sb3 trains in the model as it is, without domain randomisation: use trainer=jax."
)


def require() -> None:
    """Check that the extra is installed.

    Raises:
      ConfigError: it is not, with the command that installs it.
    """
    if find_spec("stable_baselines3") is None or find_spec("torch") is None:
        raise ConfigError("trainer=sb3 needs the sb3 extra: pip install 'reward-synth[sb3]'.")
