"""Whatever is killed and whenever: a run that is continued ends as if nothing had happened.

KILLS says how often something is killed, such as KILLS=50; a few times without it.
"""

from __future__ import annotations

import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reward_synth.errors import RunError
from reward_synth.propose.operators import Operator
from reward_synth.report.build import build_report
from reward_synth.report.run import read_run
from reward_synth.reward.screen import Exploit, Registry
from reward_synth.search.config import FinalSettings, SearchSettings
from reward_synth.search.store import INCUMBENT, Store
from reward_synth.task import load_task
from tests.reward.screen.worlds import episodes
from tests.search.sitting import PHASES
from tests.search.test_loop import config, results  # noqa: F401 (config is a fixture)

KILLS = int(os.environ.get("KILLS", "6"))
ENOUGH_FOR_ALL_PHASES = 50
PATIENT_S = 600.0

# What an earlier run has found out; some of the offline proposer's rewards pay for it.
AT_HOME = Exploit(episodes(np.zeros(5)), episodes(np.ones(5)), "It stays where it begins.")

# How likely a kill falls after a line about each phase: those that train say many lines.
CHANCES = {"proposing": 0.4, "screening": 0.3}
CHANCE, CHANCE_OF_THE_FIRST, CHANCE_AT_THE_START = 0.08, 0.6, 0.1


@pytest.fixture(scope="module")
def settings(config):  # noqa: F811
    """Everything that a run can do, on a task that trains in a blink."""
    return replace(
        config,
        seed=1,
        isolate=True,
        stall_s=PATIENT_S,
        checkpoint_s=0.0,
        search=SearchSettings(
            generations=3,
            candidates=6,
            steps=384,
            episodes=6,
            lineages=2,
            audit=0.5,
            duplicates=0.2,
            reruns=2,
        ),
        final=FinalSettings(trainings=2, episodes=4),
    )


@pytest.fixture(scope="module")
def cache(config, tmp_path_factory):  # noqa: F811
    """A user's cache, in which there is an exploit of an earlier run."""
    folder = tmp_path_factory.mktemp("cache")
    task = load_task(config.task)
    kept = folder / "reward-synth" / "exploits"
    Registry.open(kept, task.fingerprint, task.description).add(AT_HOME)
    return folder


@dataclass
class Sitting:
    """A process that sits at a run, and what it says."""

    process: subprocess.Popen[str]
    said: queue.Queue[list[str] | None]
    doing: str = "starting"
    trains: int = 0

    def hear(self, line: list[str] | None) -> bool:
        if line is not None:
            self.doing, self.trains = line[0], int(line[1])
        return line is not None

    def catch_up(self) -> None:
        with suppress(queue.Empty):
            while self.hear(self.said.get_nowait()):
                pass

    def kill_training(self) -> None:
        self.catch_up()
        assert self.trains > 0, "the training process is gone already"  # 0 is our own group
        with suppress(ProcessLookupError):
            os.killpg(self.trains, signal.SIGKILL)

    def kill(self) -> None:
        self.process.kill()
        while self.hear(self.said.get()):  # what it said last is where it was
            pass


@contextmanager
def sitting(folder: Path, settings: Any, cache: Path) -> Iterator[Sitting]:
    """Sit down at a run, with a cache of its own but for the compiled programs in it."""
    mine = folder.with_name(f"{folder.name}_cache")
    if not mine.is_dir():
        shutil.copytree(cache / "reward-synth/exploits", mine / "reward-synth/exploits")
        (cache / "reward-synth/xla").mkdir(exist_ok=True)
        (mine / "reward-synth/xla").symlink_to(cache / "reward-synth/xla")
    command = [sys.executable, "-m", "tests.search.sitting"]
    with (
        folder.with_name(f"{folder.name}.log").open("a") as log,
        subprocess.Popen(
            [*command, str(folder), json.dumps(asdict(settings))],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(mine)},
        ) as process,
    ):
        said: queue.Queue[list[str] | None] = queue.Queue()

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                if line.endswith("\n"):  # the last may have been cut off
                    said.put(line.split())
            said.put(None)

        ear = threading.Thread(target=listen)
        ear.start()
        try:
            yield Sitting(process, said)
        finally:
            process.kill()
            ear.join()


def everything(folder: Path) -> dict[str, Any]:
    """All that a run found and left, without what depends on the clock."""
    found = results(folder)
    with Store.read(folder) as store:
        found["distances"] = store.get("distances")
        found["incumbents"] = [
            {name: value for name, value in detail.items() if name != "seconds"}
            for _, kind, detail in store.events()
            if kind == INCUMBENT
        ]
        found["jobs"] = {
            id: store.job(id) for id, _, _ in store.ledger() if store.job(id) is not None
        }
        events = [(kind, detail) for _, kind, detail in store.events() if kind == "generation"]
        found["generations"] = events
    for path in sorted(folder.glob("exploits/*/*.npz")):
        found[str(path.relative_to(folder))] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def whole(settings, cache, tmp_path_factory):
    """What a run ends with that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with sitting(folder, settings, cache) as undisturbed:
        while undisturbed.hear(undisturbed.said.get()):
            pass
        assert undisturbed.process.wait() == 0, folder.with_name("run.log").read_text()
    with Store.read(folder) as store:
        candidates = store.candidates()
        assert store.job("final/train")
        assert len(store.get("distances")["ids"]) > 1
        assert store.job("gen_00/rerun") or store.job("gen_01/rerun")
    assert any(c.cut for c in candidates)
    assert any(c.audited for c in candidates)
    assert any(f.screen == "duplicate" for c in candidates for f in c.findings)
    assert any(c.kind == Operator.PARAMETERS.value for c in candidates)
    assert list(folder.glob("exploits/*/*.npz"))
    return everything(folder)


class Killer:
    """Kills, the run and its training process in turn, at random."""

    def __init__(self) -> None:
        self.dice = random.Random(0)
        self.kills: list[tuple[str, str]] = []  # who, and doing what

    @property
    def phases(self) -> Counter[str]:
        return Counter(phase for _, phase in self.kills)

    def sit(self, present: Sitting) -> bool:
        """Let a run sit until it is killed or has come to its end, which is returned.

        The training process is killed once in a sitting, if at all: that of which the second
        process in a row is lost has its candidates trained one by one.
        """
        dice, spared = self.dice, len(self.kills) >= KILLS
        if not spared and dice.random() < self.chance("starting", CHANCE_AT_THE_START):
            time.sleep(dice.uniform(0.0, 2.0))
            return self.kill(present)
        worker_lives = not self.kills or self.kills[-1][0] == "run"
        while present.hear(present.said.get()):
            chance = self.chance(present.doing, CHANCES.get(present.doing, CHANCE))
            if len(self.kills) >= KILLS or dice.random() >= chance:
                continue
            time.sleep(dice.uniform(0.0, 0.1))
            if not worker_lives:
                return self.kill(present)
            present.kill_training()
            self.note("training", present.doing)
            worker_lives = False
        return True

    def chance(self, phase: str, usual: float) -> float:
        return usual if phase in self.phases else CHANCE_OF_THE_FIRST

    def kill(self, present: Sitting) -> bool:
        present.kill()
        self.note("run", present.doing)
        return False

    def note(self, who: str, doing: str) -> None:
        self.kills.append((who, doing))
        print(f"kill {len(self.kills)}: of the {who}, {doing}", flush=True)


def test_whatever_is_killed_a_run_ends_the_same(whole, settings, cache, tmp_path):
    killer, runs, looked_at = Killer(), 0, set()
    while len(killer.kills) < KILLS:
        runs += 1
        folder, ended = tmp_path / f"run_{runs}", False
        while not ended:
            with sitting(folder, settings, cache) as present:
                ended = killer.sit(present)
                code = present.process.wait()
            assert code == (0 if ended else -signal.SIGKILL), _log(folder)
            phase = killer.kills[-1][1] if killer.kills else ""
            if not ended and phase not in looked_at:
                looked_at.add(phase)
                _look_at(folder)
        found = everything(folder)
        assert {k for k in whole if found.get(k) != whole[k]} == set(), killer.kills
        assert found == whole
        assert not list(folder.rglob(".*.part"))
    who = Counter(victim for victim, _ in killer.kills)
    print(f"{dict(who)} killed in {runs} runs: {dict(killer.phases)}")
    assert min(who["run"], who["training"]) >= KILLS // 4
    if KILLS >= ENOUGH_FOR_ALL_PHASES:
        assert set(killer.phases) == set(PHASES)


def _look_at(folder: Path) -> None:
    """Read a run that was killed: what it has is there, unless it has not begun."""
    try:
        run = read_run(folder)
    except RunError as error:
        assert "run.db" in str(error)
    else:
        build_report(folder)
        assert (folder / "report.html").is_file()
        assert all(c.generation < 3 for c in run.candidates)


def _log(folder: Path) -> str:
    return folder.with_name(f"{folder.name}.log").read_text()
