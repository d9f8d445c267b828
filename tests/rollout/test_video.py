import ctypes.util
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from reward_synth.content import content_folder
from reward_synth.errors import RewardSynthError
from reward_synth.rollout.episodes import ENDS, Rollouts
from reward_synth.rollout.film import Film, write_mp4
from reward_synth.rollout.video import VideoWorker
from reward_synth.task import Task, load_task

HOPPER = content_folder("envs") / "hopper"
needs_gl = pytest.mark.skipif(
    not (ctypes.util.find_library("EGL") or ctypes.util.find_library("OSMesa")),
    reason="no GL library: install libegl1 with libgl1-mesa-dri, or libosmesa6",
)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(HOPPER)


def episodes(task: Task, *lengths: int, end: str = "time limit") -> Rollouts:
    """Episodes of a hopper that glides at 1 m/s; fitness is 0.01 a step, more in later ones."""
    longest, count = max(lengths), len(lengths)
    qpos = np.zeros((longest + 1, count, task.model.nq), np.float32)
    qpos[:, :, 0] = 0.008 * np.arange(longest + 1)[:, None]
    qpos[:, :, 1] = 1.25
    step = np.zeros((longest, count))
    return Rollouts(
        length=np.array(lengths),
        end=np.full(count, ENDS.index(end)),
        success=np.zeros(count, bool),
        state=np.zeros((longest + 1, count, 1)),
        action=np.zeros((longest, count, 3)),
        fitness=step + 0.01 * (1 + np.arange(count)),
        reward=step,
        terms=step[..., None],
        qpos=qpos,
    )


def decoded(path: Path, width: int, height: int) -> tuple[np.ndarray, str]:
    """Return a video's frames, (F, height, width, 3), and what ffmpeg says of it."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    result = subprocess.run(command, capture_output=True, check=True)
    frames = np.frombuffer(result.stdout, np.uint8).reshape(-1, height, width, 3)
    return frames, result.stderr.decode()


def test_film_keeps_real_time(task):
    film = Film.of(task, episodes(task, 1000), "0", seconds=2.0, most_fps=30.0)
    assert film.fps == pytest.approx(1 / (4 * 0.008))
    assert len(film.postures) == 250 // 4 + 1
    assert film.postures[10, 0] == pytest.approx(40 * 0.008)
    assert film.captions[10] == "0.3 s"


def test_film_of_an_early_end_stays_on_the_last_state(task):
    film = Film.of(task, episodes(task, 50, end="terminated"), "0", seconds=2.0, most_fps=30.0)
    assert film.captions[-1] == "0.4 s    terminated"
    assert film.postures[-1, 0] == pytest.approx(50 * 0.008)
    assert len(film.postures) == 50 // 4 + 1 + 25


def test_typical_episode_is_shown(task):
    rollouts = episodes(task, 100, 100, 100)
    rollouts.qpos[:, :, 1] = [1.0, 2.0, 3.0]
    film = Film.of(task, rollouts, "typical", seconds=0.8, most_fps=125.0)
    assert film.postures[:, 1].tolist() == [2.0] * 101


@pytest.mark.parametrize("episode", ["1", "-1", "last"])
def test_no_such_episode(task, episode):
    with pytest.raises(RewardSynthError, match="no episode"):
        Film.of(task, episodes(task, 10), episode, seconds=1.0, most_fps=30.0)


def test_mp4_plays_in_browsers(tmp_path):
    pictures = [Image.new("RGB", (64, 48), (10 * i, 0, 0)) for i in range(12)]
    write_mp4(pictures, 31.25, tmp_path / "a.mp4")
    write_mp4(pictures, 31.25, tmp_path / "b.mp4")
    frames, said = decoded(tmp_path / "a.mp4", 64, 48)
    assert len(frames) == 12
    assert re.search(r"Video: h264 .*yuv420p.* 64x48.* 31\.25 fps", said)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays before it has loaded
    assert data == (tmp_path / "b.mp4").read_bytes()


@needs_gl
def test_worker_makes_a_video(task, tmp_path):
    episodes(task, 60, 80, 70).save(tmp_path / "rollout.npz")
    notices: list[str] = []
    with VideoWorker(notices.append, width=128, height=96, seconds=0.4) as worker:
        worker.submit(HOPPER, [(tmp_path / "rollout.npz", tmp_path / "rollout.mp4")])
    assert notices == []
    frames, _ = decoded(tmp_path / "rollout.mp4", 128, 96)
    assert len(frames) == 50 // 4 + 1
    sky, robot = frames[0][5, 5].astype(int), frames[0][48, 64].astype(int)
    assert sky.min() > 220  # the pale background
    assert robot[0] > robot[2] + 40  # brown


@needs_gl
def test_no_pixel_knows_the_fitness(task, tmp_path):
    """Whoever is asked about a run's videos, of any run, is not told in them what is right."""
    poor = episodes(task, 60, 80, 70, end="terminated")
    good = dataclasses.replace(poor, fitness=1e3 * poor.fitness, success=np.ones(3, bool))
    for name, rollouts in {"poor": poor, "good": good}.items():
        rollouts.save(tmp_path / f"{name}.npz")
    with VideoWorker(pytest.fail, width=256, height=192, seconds=1.0) as worker:
        worker.submit(
            HOPPER, [(tmp_path / f"{x}.npz", tmp_path / f"{x}.mp4") for x in ("poor", "good")]
        )
    assert (tmp_path / "poor.mp4").read_bytes() == (tmp_path / "good.mp4").read_bytes()


def test_failures_become_notices(tmp_path):
    notices: list[str] = []
    with VideoWorker(notices.append) as worker:
        worker.submit(
            HOPPER,
            [
                (tmp_path / "missing.npz", tmp_path / "rollout.mp4"),
                (tmp_path / "gone.npz", tmp_path / "other.mp4"),
            ],
        )
        worker.wait()
    assert not any("\n" in notice for notice in notices)
    assert len(notices) == 2 or "libegl1" in notices[0]
    assert "missing.npz" in notices[0] or "libegl1" in notices[0]
    assert not (tmp_path / "rollout.mp4").exists()


def test_without_gl_one_notice_names_the_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "off")
    notices: list[str] = []
    with VideoWorker(notices.append) as worker:
        for index in range(3):
            worker.submit(HOPPER, [(tmp_path / "rollout.npz", tmp_path / f"{index}.mp4")])
    assert len(notices) == 1
    assert "libegl1" in notices[0]
    assert "libosmesa6" in notices[0]


def test_leaving_on_an_error_does_not_wait(tmp_path):
    with pytest.raises(KeyboardInterrupt), VideoWorker(lambda text: None) as worker:
        for index in range(20):
            worker.submit(HOPPER, [(tmp_path / "rollout.npz", tmp_path / f"{index}.mp4")])
        raise KeyboardInterrupt


def test_program_needs_no_package_to_be_imported_first(tmp_path):
    command = [sys.executable, "-m", "reward_synth.rollout.video", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "typical" in result.stdout
