"""Which steps are looked at: the first of an episode, every k-th, and the one that ends it."""

import jax
import numpy as np
import pytest

from reward_synth.errors import TaskError
from reward_synth.looks import LooksConfig
from reward_synth.looks.steps import Looks, Watched, WatchedBackend, with_clip_score
from reward_synth.rollout.episodes import _look
from reward_synth.rollout.explore import explore
from reward_synth.sim.vector import VectorEnv
from reward_synth.task import load_task

FIELD = LooksConfig(model="a:b", goal="g").field(0.0)


@pytest.fixture(scope="module")
def task(point_task_folder):
    return with_clip_score(load_task(point_task_folder), FIELD)


class Eye:
    """Scores a posture by its first number, and keeps all that it was shown."""

    def __init__(self):
        self.seen = []

    def __call__(self, postures):
        self.seen.append(postures.copy())
        return postures[:, 0].astype(np.float32)


def watched(lengths, ended, begun_at=0.0):
    """Steps of one environment: postures count up, and from 100 after an end."""
    before, after, now = [], [], begun_at
    for over in ended:
        before.append(now)
        now += 1.0
        after.append(now)
        if over:
            now = 100.0 * round(1 + now // 100)
    column = (len(lengths), 1)
    return Watched(
        np.array(before).reshape(*column, 1),
        np.array(after).reshape(*column, 1),
        np.array(lengths).reshape(column),
        np.array(ended).reshape(column),
    )


def test_by_hand_over_the_end_of_an_episode():
    # An episode of 5 steps, 0 to 5, then another from 100; a picture every third state.
    steps = watched([1, 2, 3, 4, 5, 1, 2, 3], [False] * 4 + [True] + [False] * 3)
    eye, held = Eye(), np.array([-9.0], np.float32)  # of an episode before; nobody may see it
    first, last = Looks(eye, 3).of_steps(steps, held)
    assert first[:, 0].tolist() == [0, 0, 0, 3, 3, 100, 100, 100]
    # 5 is the state that the episode ended in: neither that of the reset, 100, nor 3 held.
    assert last[:, 0].tolist() == [0, 0, 3, 3, 5, 100, 100, 103]
    assert held.tolist() == [103]
    (seen,) = eye.seen
    assert sorted(seen[:, 0]) == [0, 3, 5, 100, 103]  # and no picture more


def test_a_score_is_held_from_one_batch_to_the_next():
    ended = [False] * 9
    whole = watched(range(1, 10), ended)
    held = np.zeros(1, np.float32)
    first, last = Looks(Eye(), 4).of_steps(whole, held)
    parts, again = [], np.zeros(1, np.float32)
    for some in (slice(0, 2), slice(2, 3), slice(3, 9)):
        names = Watched.__slots__
        part = Watched(*(getattr(whole, name)[some] for name in names))
        parts.append(Looks(Eye(), 4).of_steps(part, again))
    for together, separate in zip((first, last), zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(together, np.concatenate(separate))
    assert held == again


def test_nothing_to_look_at_asks_nobody():
    def refuse(postures):
        raise AssertionError

    steps, held = watched([2, 3], [False, False]), np.array([7.0], np.float32)
    first, last = Looks(refuse, 4).of_steps(steps, held)
    assert first[:, 0].tolist() == last[:, 0].tolist() == [7, 7]


@pytest.mark.parametrize("every", [1, 3])
def test_explored_states_have_the_scores_of_their_own_pictures(task, every):
    """The point's only coordinate is a field: what a picture shows can be compared with it."""
    plain, seen = (
        explore(task, 0, 4, 50, threads=1, looks=looks) for looks in (None, Looks(Eye(), every))
    )
    np.testing.assert_array_equal(plain.state[:, :-1], seen.state[:, :-1])
    np.testing.assert_array_equal(plain.next_state[:, :-1], seen.next_state[:, :-1])
    assert not plain.state[:, -1].any()
    if every == 1:
        np.testing.assert_array_equal(seen.state[:, -1], seen.state[:, 0])
        np.testing.assert_array_equal(seen.next_state[:, -1], seen.next_state[:, 0])
    else:
        assert (seen.state[:, -1] != seen.state[:, 0]).any()
        # Episodes of 20 steps: the last state of each is looked at, and each begins anew.
        state, after = (x.reshape(50, 4, -1) for x in (seen.state, seen.next_state))
        np.testing.assert_array_equal(after[19, :, -1], after[19, :, 0])
        np.testing.assert_array_equal(state[20, :, -1], state[20, :, 0])
        assert (after[19, :, 0] != state[20, :, 0]).all()
        np.testing.assert_array_equal(after[21, :, -1], state[20, :, 0])


def test_a_backend_remembers_where_it_was_before_the_reset(task):
    keys = jax.random.split(jax.random.key(0), 3)
    backend = WatchedBackend(task, keys, threads=1)
    env = VectorEnv(task, backend)
    for t in range(25):
        np.testing.assert_array_equal(backend.posture[:, 0], env.state[:, 0])
        step = env.step(np.full((3, 1), 0.1))
        np.testing.assert_array_equal(backend.stepped[:, 0], step.next_state[:, 0])
        assert step.done.all() == (t == 19)
    saved = env.checkpoint()
    other = WatchedBackend(task, keys, threads=1)
    VectorEnv(task, other).restore(saved)
    np.testing.assert_array_equal(other.posture, backend.posture)


def test_what_diverged_keeps_its_last_finite_posture(task):
    keys = jax.random.split(jax.random.key(0), 2)
    backend = WatchedBackend(task, keys, threads=1)
    backend.reset()
    before = backend.posture.copy()
    backend.qpos[0] = np.nan
    backend.step(np.zeros((2, 1)))
    np.testing.assert_array_equal(backend.stepped[0], before[0])
    assert np.isfinite(backend.stepped).all()


def test_held_out_episodes_stand_still_beyond_their_end():
    # Two episodes, of 2 and of 5 steps; the first one's posture may go on and means nothing.
    qpos = np.array([[0, 50], [1, 51], [2, 52], [77, 53], [78, 54], [79, 55]], np.float32)[
        ..., None
    ]
    state = np.zeros((6, 2, 3), np.float32)
    eye = Eye()
    _look(Looks(eye, 3), state, qpos, np.array([2, 5]))
    assert state[..., -1].T.tolist() == [[0, 0, 2, 2, 2, 2], [50, 50, 50, 53, 53, 55]]
    assert not {77, 78, 79} & set(np.concatenate(eye.seen).ravel())
    every = np.zeros((6, 2, 3), np.float32)
    _look(Looks(eye, 1), every, qpos, np.array([2, 5]))
    assert every[..., -1].T.tolist() == [[0, 1, 2, 2, 2, 2], [50, 51, 52, 53, 54, 55]]


def test_a_held_out_episode_that_diverged_ends_with_its_last_finite_posture():
    qpos = np.array([0, 1, 2, np.nan, np.nan], np.float32)[:, None, None]
    state, eye = np.zeros((5, 1, 3), np.float32), Eye()
    _look(Looks(eye, 2), state, qpos, np.array([3]))
    assert state[:, 0, -1].tolist() == [0, 0, 2, 2, 2]
    assert np.isfinite(np.concatenate(eye.seen)).all()
    assert np.isnan(qpos[3:]).all()  # what is kept of the episode stays as it was


def test_the_field_is_the_last_and_taken_once(task, point_task_folder):
    assert task.description.fields[:-1] == load_task(point_task_folder).description.fields
    assert task.description.fields[-1] == FIELD
    assert task.layout.size == task.description.state_size
    with pytest.raises(TaskError, match=r"clip_score.*rename"):
        with_clip_score(task, FIELD)
