"""The task of these tests."""

import pytest

from reward_synth.task import Task, load_task


@pytest.fixture(scope="session")
def point(point_task_folder) -> Task:
    return load_task(str(point_task_folder))
