"""Footage: pictures from two sides, facts worked out by hand, files that are whole or refused."""

import dataclasses
import io
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from reward_synth.content import content_folder
from reward_synth.errors import FeedbackError
from reward_synth.rollout.episodes import ENDS, Rollouts
from reward_synth.rollout.facts import facts
from reward_synth.rollout.footage import Footage, Frame, encoded
from reward_synth.rollout.shots import Shots
from reward_synth.rollout.video import VideoWorker
from reward_synth.task import load_task
from tests.rollout.test_video import needs_gl

HOPPER = content_folder("envs") / "hopper"
TIMESTEP = 0.008
SMALL = Shots(instants=3, cameras=2, width=96, height=72)


@pytest.fixture(scope="module")
def hopper():
    return load_task(HOPPER)


def gliding(task, *lengths, speed=1.0, height=1.25, pitch=0.0, fitness=0.01, success=False):
    """Episodes of a hopper that glides; those that are shorter than the longest ended early."""
    longest, count = max(lengths), len(lengths)
    times = np.minimum(np.arange(longest + 1)[:, None], np.array(lengths)) * TIMESTEP  # (L + 1, E)
    qpos = np.zeros((longest + 1, count, task.model.nq), np.float32)
    qpos[..., 0], qpos[..., 1], qpos[..., 2] = speed * times, height, pitch * times
    state = np.zeros((longest + 1, count, task.description.state_size))
    state[..., :3] = qpos[..., :3]
    step = np.zeros((longest, count))
    return Rollouts(
        length=np.array(lengths),
        end=np.array([ENDS.index("time limit" if n == longest else "terminated") for n in lengths]),
        success=np.full(count, success),
        state=state,
        action=np.full((longest, count, 3), -0.5),
        fitness=step + fitness,
        reward=step,
        terms=step[..., None],
        qpos=qpos,
    )


def footage_of(rollouts, folder, shots=SMALL, **options):
    """Shot as a run does it: in a process apart."""
    rollouts.save(folder / "rollout.npz")
    notices = []
    with VideoWorker(notices.append, shots=shots, **options) as worker:
        worker.submit(HOPPER, [(folder / "rollout.npz", folder / "footage.zip")])
    assert notices == []
    return Footage.load(folder / "footage.zip")


# Which episode, and what is said of it.


def test_the_typical_episode_is_of_median_length_and_fitness_is_not_asked(hopper):
    rollouts = gliding(hopper, 300, 100, 200, fitness=np.nan)
    assert rollouts.typical == 2
    reward = np.tile([3.0, 1.0, 2.0], (10, 1))
    assert dataclasses.replace(gliding(hopper, 10, 10, 10), reward=reward).typical == 2


def test_facts_are_those_of_the_motion(hopper):
    """1 m/s for 250 steps of 8 ms is 2 m; of the others, one is as far and one 0.8 m."""
    told = facts(hopper, gliding(hopper, 250, 100, 250), 0)
    assert told[0] == "It lasted the whole 8 s."
    assert told[1] == "Of the policy's 3 episodes 1 ended early, after 0.8 s."
    travel = told[2]
    assert travel.startswith(
        "The centre of mass of torso and of what hangs on it moved by (2, 0, 0) m in x, y and z "
        "from first to last, 2 m along its path, at 1 m/s on average and 1 m/s at most; its height"
    )
    assert "tilted" not in travel
    assert told[3] == "Nothing touched anything."
    assert told[4] == (
        "The motors ran at 50% of their range on average, and 0% of the time at its limit."
    )
    assert told[5].startswith("torso_position (x (forward")
    assert told[5].endswith(
        "m): first (0, 1.25); last (2, 1.25); lowest (0, 1.25); highest (2, 1.25); mean (1, 1.25); "
        "last of all episodes, mean (1.6, 1.25)."
    )


def test_a_fall_is_told_by_its_angle(hopper):
    """10 degrees a second for 2 s, of which the first and the last instant tell 20."""
    told = facts(hopper, gliding(hopper, 250, pitch=np.radians(10.0)), 0)
    assert told[1].endswith(
        "torso was tilted by up to 20 degrees from how it began, and by 20 degrees at last."
    )


def test_an_early_end_and_what_lies_on_the_floor_are_told(hopper):
    told = facts(hopper, gliding(hopper, 100, 250, speed=0.0, height=1.2), 0)
    assert told[:2] == (
        "It ended early, after 0.8 s of 8 s, by the task's rule of when an episode is over.",
        "Of the policy's 2 episodes 1 ended early, after 0.8 s.",
    )
    assert told[2:4] == (
        "torso stayed where it was.",
        "What touched, by share of the time: foot and floor 100%.",
    )
    lying = facts(hopper, gliding(hopper, 100, height=0.1), 0)
    assert "torso and floor 100%" in "".join(lying)


def test_contacts_are_shares_of_the_time(hopper):
    rollouts = gliding(hopper, 99)
    rollouts.qpos[75:, :, 1] = 1.1  # the foot is pressed into the floor for a quarter of it
    assert "foot and floor 25%" in "".join(facts(hopper, rollouts, 0))


def test_a_breakdown_is_told(hopper):
    rollouts = dataclasses.replace(gliding(hopper, 50), end=np.array([ENDS.index("diverged")]))
    assert facts(hopper, rollouts, 0)[0].endswith("because the simulation broke down.")


def test_an_episode_without_a_step_has_facts(hopper):
    assert "No motor was used." in facts(hopper, gliding(hopper, 0, 20), 0)


@pytest.mark.parametrize("task", ["ant", "pusher", "reacher", "cartpole_swingup", "half_cheetah"])
def test_any_task_has_facts(task):
    loaded = load_task(content_folder("envs") / task)
    home = np.tile(loaded.model.qpos0.astype(np.float32), (5, 2, 1))
    state = np.zeros((5, 2, loaded.description.state_size))
    step = np.zeros((4, 2))
    action = np.zeros((4, 2, loaded.description.action_size))
    ended = np.array([4, 4]), np.array([1, 1]), np.zeros(2, bool)
    told = facts(loaded, Rollouts(*ended, state, action, step, step, step[..., None], home), 0)
    names = [field.name for field in loaded.description.fields[:-1] if field.size <= 12]
    assert [fact.split(" ")[0] for fact in told[-len(names) :]] == names
    assert not any("\n" in fact or "nan" in fact for fact in told)


def test_fitness_success_and_the_expert_are_not_looked_at(hopper):
    def never(*_):
        raise AssertionError("the judge would owe its verdict to the ground truth.")

    blind = dataclasses.replace(hopper, fitness=never, success=never, expert_reward=never)
    seen = facts(hopper, gliding(hopper, 250, 100, 200), 2)
    rollouts = gliding(hopper, 250, 100, 200, fitness=np.nan, success=True)
    assert facts(blind, rollouts, 2) == seen
    assert not re.search("fitness|success|reward", " ".join(seen))


# Pictures.


@needs_gl
def test_footage_is_shot_from_two_sides(hopper, tmp_path):
    footage = footage_of(gliding(hopper, 250, 100, 200), tmp_path)
    assert [(frame.seconds, frame.camera) for frame in footage.frames] == [
        (0.0, 1), (0.0, 2), (0.8, 1), (0.8, 2), (1.6, 1), (1.6, 2)
    ]  # fmt: skip
    assert footage.seconds == 1.6
    assert footage.facts[0].startswith("It ended early, after 1.6 s")
    pictures = [
        np.asarray(Image.open(io.BytesIO(frame.jpeg))).astype(int) for frame in footage.frames
    ]
    assert {picture.shape for picture in pictures} == {(72, 96, 3)}
    brown = [(p[..., 0] > p[..., 2] + 40).sum() for p in pictures]
    assert min(brown) > 50  # the hopper is in all of them, as large in the one as in the other
    assert max(brown) < 3 * min(brown)
    assert np.abs(pictures[0] - pictures[1]).mean() > 3


@needs_gl
def test_without_a_camera_of_the_task_the_second_goes_along(point_task_folder, tmp_path):
    task = load_task(point_task_folder)
    qpos = np.array([0.0, 2.5], np.float32).reshape(2, 1, 1)  # out of the free camera's sight
    state, step = np.zeros((2, 1, task.description.state_size)), np.zeros((1, 1))
    ended = np.array([1]), np.array([1]), np.array([False])
    rollouts = Rollouts(*ended, state, step[..., None], step, step, step[..., None], qpos)
    rollouts.save(tmp_path / "rollout.npz")
    with VideoWorker(pytest.fail, shots=SMALL) as worker:
        worker.submit(point_task_folder, [(tmp_path / "rollout.npz", tmp_path / "footage.zip")])
    frames = Footage.load(tmp_path / "footage.zip").frames
    assert [frame.seconds for frame in frames] == [0.0, 0.0, 0.1, 0.1]  # no instant twice
    middles = [
        Image.open(io.BytesIO(frame.jpeg)).convert("L").getpixel((48, 36)) for frame in frames
    ]
    assert middles[2] > 230  # nothing but the background
    assert max(middles[0], middles[1], middles[3]) < 200


@needs_gl
def test_footage_owes_nothing_to_fitness_and_is_always_the_same(hopper, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, unseen in ((one, {}), (other, {"fitness": np.nan, "success": True})):
        folder.mkdir()
        footage_of(gliding(hopper, 250, 100, 200, **unseen), folder)
    assert (one / "footage.zip").read_bytes() == (other / "footage.zip").read_bytes()


@needs_gl
def test_a_broken_rollout_costs_no_other_its_footage(hopper, tmp_path):
    gliding(hopper, 20).save(tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    notices = []
    asked = [(tmp_path / f"{name}.npz", tmp_path / f"{name}.zip") for name in ("half", "whole")]
    with VideoWorker(notices.append, shots=SMALL) as worker:
        worker.submit(HOPPER, asked)
    assert len(notices) == 1
    assert "half.zip" in notices[0]
    assert not (tmp_path / "half.zip").exists()
    assert len(Footage.load(tmp_path / "whole.zip").frames) == 6


# Files.


def picture(colour):
    return encoded(Image.new("RGB", (32, 24), colour))


FOOTAGE = Footage(
    tuple(
        Frame(seconds, camera, picture((50 * camera, int(90 * seconds), 0)))
        for seconds in (0.0, 1.0, 2.0)
        for camera in (1, 2)
    ),
    ("It lasted 2 s.", "Nothing touched anything."),
    2.0,
)


def test_what_is_saved_is_loaded(tmp_path):
    FOOTAGE.save(tmp_path / "a.zip")
    loaded = Footage.load(tmp_path / "a.zip", "gen_00/cand_00/rollout.npz")
    assert dataclasses.replace(loaded, rollout="") == FOOTAGE
    assert loaded.rollout == "gen_00/cand_00/rollout.npz"
    assert loaded.digest == FOOTAGE.digest
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_the_digest_is_of_all_that_is_shown():
    frames = FOOTAGE.frames
    changed = (
        {"facts": ("It fell.",)},
        {"seconds": 3.0},
        {"frames": frames[2:]},
        {"frames": (dataclasses.replace(frames[0], jpeg=picture("blue")), *frames[1:])},
        {"frames": (dataclasses.replace(frames[0], seconds=0.5), *frames[1:])},
    )
    digests = {dataclasses.replace(FOOTAGE, **change).digest for change in changed}
    assert len(digests | {FOOTAGE.digest}) == 6


def test_a_contact_sheet_has_a_column_an_instant_and_a_row_a_camera():
    sheet = np.asarray(Image.open(io.BytesIO(FOOTAGE.sheet()))).astype(int)
    assert sheet.shape == (2 * 24 + 2, 3 * 32 + 4, 3)
    for column, seconds in enumerate((0, 1, 2)):
        for row in (0, 1):
            middle = sheet[row * 26 + 12, column * 34 + 16]
            assert middle == pytest.approx([50 * (row + 1), 90 * seconds, 0], abs=6)


def rewritten(path, change):
    """The file with its members, name to bytes, changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def without_a_picture(members):
    del members[next(iter(members))]


def half_a_picture(members):
    name = next(iter(members))
    members[name] = members[name][:300]


def no_pictures(members):
    record = json.loads(members["footage.json"])
    members["footage.json"] = json.dumps({**record, "frames": []}).encode()


def odd_pictures(members):
    record = json.loads(members["footage.json"])
    members["footage.json"] = json.dumps({**record, "frames": record["frames"][1:]}).encode()


def no_record(members):
    del members["footage.json"]


def other_record(members):
    members["footage.json"] = b"[]"


@pytest.mark.parametrize(
    "change",
    [without_a_picture, half_a_picture, no_pictures, odd_pictures, no_record, other_record],
)
def test_what_is_not_whole_is_refused(tmp_path, change):
    FOOTAGE.save(tmp_path / "a.zip")
    rewritten(tmp_path / "a.zip", change)
    with pytest.raises(FeedbackError, match=r"a\.zip (is broken|lacks pictures)"):
        Footage.load(tmp_path / "a.zip")


def test_every_damage_to_a_file_is_noticed(tmp_path):
    FOOTAGE.save(tmp_path / "a.zip")
    whole = (tmp_path / "a.zip").read_bytes()
    for size in range(0, len(whole), 97):
        (tmp_path / "cut.zip").write_bytes(whole[:size])
        with pytest.raises(FeedbackError, match="is broken"):
            Footage.load(tmp_path / "cut.zip")
    pixels = whole.index(FOOTAGE.frames[3].jpeg) + 400
    (tmp_path / "bit.zip").write_bytes(
        whole[:pixels] + bytes([whole[pixels] ^ 1]) + whole[pixels + 1 :]
    )
    with pytest.raises(FeedbackError, match="is broken"):
        Footage.load(tmp_path / "bit.zip")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FeedbackError, match=r"there is no footage .*gone\.zip"):
        Footage.load(tmp_path / "gone.zip")
