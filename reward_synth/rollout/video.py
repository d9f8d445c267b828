"""Videos and footage of episodes, made in a process apart so that training never waits for one.

As a program:

    python -m reward_synth.rollout.video <task folder> <rollout.npz> <out> ...

where an out.mp4 becomes a video, and an out.zip footage for a judge (``rollout.footage``).

One process makes several, because it takes longer to start than to draw. Drawing is
done in software through EGL, or through OSMesa where EGL does not work; MUJOCO_GL
overrides.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType

from reward_synth.errors import RewardSynthError
from reward_synth.rollout.shots import Shots

_NO_GL = 3  # exit status: no GL library draws on this machine
_NO_GL_NOTICE = (
    "no videos: neither EGL nor OSMesa works on this machine; install the system package libegl1 "
    "(with libgl1-mesa-dri) or libosmesa6, then continue the run."
)
_NO_VIDEO = "no video"  # how each complaint of the program begins
_UNREADABLE = (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile)  # a broken npz
_LONGEST_S = 600.0  # for one video, of wall-clock time


class VideoWorker:
    """Makes videos in the background, one subprocess at a time, at low priority.

    Nothing that goes wrong with a video stops a run: it becomes a notice, given
    in the caller's thread at the next ``submit`` or ``wait``.

    Args:
      notice: hears of failures, one line each.
      width, height: in pixels, even.
      seconds: at the most.
      fps: pictures a second, at the most about.
      shots: how footage is shot.
    """

    def __init__(
        self,
        notice: Callable[[str], None],
        *,
        width: int = 384,
        height: int = 288,
        seconds: float = 6.0,
        fps: float = 30.0,
        shots: Shots = Shots(),  # noqa: B008 (frozen)
    ) -> None:
        self._notice = notice
        self._options = [f"--width={width}", f"--height={height}"]
        self._options += [f"--seconds={seconds}", f"--fps={fps}", "--nice=10"]
        self._options += ["--shots", *map(str, astuple(shots))]
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="video")
        self._waiting: list[Future[list[str]]] = []
        self._process: subprocess.Popen[str] | None = None
        self._closed = False
        self._no_gl = False

    def __enter__(self) -> VideoWorker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the videos asked for; after an exception, drop them."""
        try:
            if kind is None:
                self.wait()
        finally:
            self._closed = True
            self._pool.shutdown(wait=False, cancel_futures=True)
            if self._process is not None:
                self._process.kill()
            self._pool.shutdown()

    def submit(self, task_folder: Path, videos: Sequence[tuple[Path, Path]]) -> None:
        """Ask for videos of rollouts' typical episodes, (rollout, video) each; return at once.

        What ends in .zip is footage of it instead.
        """
        self._report([future for future in self._waiting if future.done()])
        if videos and not self._no_gl:
            self._waiting.append(self._pool.submit(self._make, task_folder, videos))

    def wait(self) -> None:
        """Wait until all videos asked for are made or have failed."""
        self._report(list(self._waiting))

    def _report(self, futures: list[Future[list[str]]]) -> None:
        for future in futures:
            problems = future.result()
            self._waiting.remove(future)
            for problem in problems:
                self._notice(problem)

    def _make(self, task_folder: Path, videos: Sequence[tuple[Path, Path]]) -> list[str]:
        """Make videos; returns what went wrong, one line each."""
        if self._no_gl or self._closed:
            return []
        command = [sys.executable, "-m", __name__, str(task_folder)]
        command += [str(path) for pair in videos for path in pair]
        try:
            # A session of its own: Ctrl-C reaches the run, which then ends the worker quietly.
            self._process = subprocess.Popen(
                [*command, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            _, stderr = self._process.communicate(timeout=_LONGEST_S * len(videos))
        except subprocess.TimeoutExpired:
            assert self._process is not None
            self._process.kill()
            self._process.communicate()
            return [f"no videos: they took more than {_LONGEST_S:.0f} s each."]
        except OSError as error:
            return [f"no videos: {error}."]
        status = self._process.returncode
        if status == 0 or self._closed:
            return []
        if status == _NO_GL:
            self._no_gl = True
            return [_NO_GL_NOTICE]
        lines = stderr.strip().splitlines() or [f"exit status {status}"]
        return [line for line in lines if line.startswith(_NO_VIDEO)] or [
            f"{_NO_VIDEO}: {lines[-1]}"
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make videos; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    parser.add_argument("task_folder", type=Path)
    parser.add_argument(
        "paths", type=Path, nargs="+", help="rollout.npz and out.mp4 or out.zip, in turns"
    )
    parser.add_argument(
        "--episode", default="typical", help='a number, or "typical": the one of median length'
    )
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--height", type=int, default=288)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument(
        "--shots",
        type=int,
        nargs=4,
        default=astuple(Shots()),
        metavar=tuple(field.name.upper() for field in fields(Shots)),
        help="of footage: instants, cameras, width and height of its pictures",
    )
    parser.add_argument("--nice", type=int, default=0)
    options = parser.parse_args(arguments)
    os.nice(options.nice)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # task.py imports JAX; leave the GPU to training
    if sys.platform.startswith("linux") and not _open_gl(arguments):
        print(_NO_GL_NOTICE, file=sys.stderr)
        return _NO_GL
    from reward_synth.rollout.episodes import Rollouts
    from reward_synth.rollout.film import Film, write_mp4
    from reward_synth.rollout.shoot import footage
    from reward_synth.task import load_task

    failed = False
    task = load_task(options.task_folder)
    for rollout, out in zip(options.paths[::2], options.paths[1::2], strict=True):
        try:
            if out.suffix == ".zip":
                footage(task, rollout, Shots(*options.shots)).save(out)
                continue
            episodes = Rollouts.load(rollout)
            film = Film.of(task, episodes, options.episode, options.seconds, options.fps)
            write_mp4(film.pictures(options.width, options.height), film.fps, out)
        except (RewardSynthError, *_UNREADABLE) as error:
            print(f"{_NO_VIDEO} {out}: {error}", file=sys.stderr)
            failed = True
    return int(failed)


def _open_gl(arguments: Sequence[str]) -> bool:
    """Choose the GL library, before MuJoCo is imported; False if none works.

    PyOpenGL cannot change its mind within a process, so OSMesa is tried in a fresh one.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco  # fails itself if the library is missing altogether

        mujoco.GLContext(64, 64).free()
    except Exception:  # noqa: BLE001 (PyOpenGL raises whatever the library's absence leads to)
        if os.environ["MUJOCO_GL"] != "egl":
            return False
        os.environ.pop("PYOPENGL_PLATFORM", None)
        os.environ["MUJOCO_GL"] = "osmesa"
        os.execv(sys.executable, [sys.executable, "-m", __spec__.name, *arguments])
    return True


if __name__ == "__main__":
    sys.exit(main())
