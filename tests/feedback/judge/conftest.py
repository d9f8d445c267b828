"""Judges that ask a server on this machine."""

import itertools

import pytest

from reward_synth.feedback.judge.judge import open_judge
from reward_synth.feedback.judge.settings import JudgeSettings
from reward_synth.records import TaskDescription
from tests.feedback.judge import eyes
from tests.propose.conftest import quick_and_direct, server  # noqa: F401 (fixtures)

LIFT = TaskDescription(
    name="lift",
    sentence="Lift the ball as high as you can.",
    notes="The ball starts on the floor.",
    fields=(),
    actions=("winch",),
    timestep=0.02,
    episode_steps=100,
    terminates=False,
)


@pytest.fixture
def judge(server, tmp_path):  # noqa: F811
    """Builds a judge whose model looks; keyword arguments are settings."""
    server.plays(eyes.looks)

    def build(*, on_answer=lambda _: None, before_request=None, clock=None, **settings):
        values = {"model": "eyes", "base_url": server.url, "timeout_s": 5.0, **settings}
        built = open_judge(
            JudgeSettings(**values),
            LIFT,
            tmp_path / "answers",
            {},
            on_answer=on_answer,
            before_request=before_request,
        )
        built._clock = clock or itertools.count(1000.0, 2.5).__next__
        return built

    return build
