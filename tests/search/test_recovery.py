"""Trainings whose process is lost, with real processes and with a kill at every point."""

from __future__ import annotations

import signal
from collections import Counter
from functools import partial

import pytest

from reward_synth.errors import TrainingError
from reward_synth.search.failure import Failure, FailureKind, WorkerError
from reward_synth.search.recovery import train_all
from reward_synth.search.store import Spent, Store
from reward_synth.search.worker import Worker
from tests.search import services

PATIENT_S = 120.0
JOB = "gen_00/train"
SEGFAULT = Failure.ended(-signal.SIGSEGV, "train", "training.log")


class KilledError(BaseException):
    """Stands for a kill: nothing after it runs."""


class Generation:
    """A generation whose members have fates; keeps results in a store, as the loop does.

    Args:
      fates: a failure for each member that ends every process it trains in.
      kill_at: which of the points that are passed is the last of this sitting.
    """

    def __init__(self, store, fates, kill_at=None):
        self.store = store
        self.fates = fates
        self.kill_at = kill_at
        self.trained = Counter()
        self.notices = []
        self.ids = [f"g00c{i:02d}" for i in range(len(fates))]

    def point(self):
        if self.kill_at is not None:
            self.kill_at -= 1
            if self.kill_at < 0:
                raise KilledError

    def train(self, places):
        self.point()
        for place in places:
            if self.fates[place]:
                raise WorkerError(self.fates[place])
        for place in places:
            self.trained[place] += 1
        self.point()

    def together(self):
        if self.store.job(JOB) is None:
            self.train(range(len(self.fates)))
            self.store.finish_job(JOB, self.ids, "training", Spent(env_steps=len(self.fates)))
            self.point()

    def alone(self, place):
        id = f"{JOB}/{self.ids[place]}"
        if self.store.job(id) is None:
            self.train([place])
            self.store.finish_job(id, place, "training", Spent(env_steps=1))
            self.point()

    def run(self):
        guilty = train_all(
            self.store, JOB, self.ids, self.together, self.alone, self.notices.append
        )
        self.point()
        return guilty


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path) as store:
        yield store


def test_nothing_happens_if_nothing_is_lost(store):
    generation = Generation(store, [None] * 3)
    assert generation.run() == {}
    assert generation.notices == []
    assert store.get(f"{JOB}/lost") is None


def test_the_guilty_are_found_and_the_others_trained(store):
    generation = Generation(store, [None, SEGFAULT, None])
    assert generation.run() == {1: SEGFAULT}
    assert generation.trained == {0: 1, 2: 1}
    assert any("SIGSEGV" in text and "alone" in text for text in generation.notices)


def test_one_member_is_alone_already(store):
    assert Generation(store, [SEGFAULT]).run() == {0: SEGFAULT}


def test_the_environments_fault_is_an_error_and_forgotten(store):
    with pytest.raises(TrainingError, match="whatever the reward"):
        Generation(store, [SEGFAULT] * 4).run()
    assert Generation(store, [None] * 4).run() == {}  # mended


def test_a_process_that_cannot_start_is_nobodys_fault(store):
    unborn = Failure.ended(1, "", "training.log")
    with pytest.raises(TrainingError, match="whatever the reward"):
        Generation(store, [None, unborn, None]).run()
    assert store.get(f"{JOB}/lost") is None


@pytest.mark.parametrize("fates", [[None] * 3, [None, SEGFAULT, None], [SEGFAULT, None, None]])
def test_killed_at_every_point_it_ends_the_same(tmp_path, fates):
    kill_at, ended = 0, False
    while not ended:
        trained = Counter()
        with Store.open(tmp_path / f"{kill_at}") as store:
            sitting = Generation(store, fates, kill_at)
            try:
                sitting.run()
                ended = True  # there are no more points than that
            except KilledError:
                pass
            trained += sitting.trained
            sitting = Generation(store, fates)
            guilty = sitting.run()
            trained += sitting.trained
            assert guilty == {i: fate for i, fate in enumerate(fates) if fate}
            # Trained twice at the most is what it was killed in before it was kept.
            assert all(count <= 2 for count in trained.values())
            together = store.job(JOB) is not None
            kept = len(fates) if together else len(fates) - len(guilty)
            assert store.spent().env_steps == kept
        kill_at += 1
    assert kill_at > 3


def test_with_real_processes_that_hang_and_crash(store, tmp_path):
    """One hangs and one crashes; each takes all with it, and the others end up trained."""
    fates, trained, notices = ["hang", "add", "leave", "add"], [], []
    with Worker(services.make, (), stall_s=PATIENT_S, log=tmp_path / "log") as worker:

        def train(places):
            for place in places:
                worker.call("count")  # it is up, so that only the training can hang
                worker._stall_s = 0.5 if fates[place] == "hang" else PATIENT_S
                try:
                    worker.call(fates[place], *([3] if fates[place] == "leave" else []))
                finally:
                    worker._stall_s = PATIENT_S
            trained.extend(places)

        guilty = train_all(
            store,
            JOB,
            list("abcd"),
            partial(train, range(4)),
            lambda place: train([place]),
            notices.append,
        )
    assert trained == [1, 3]
    assert {place: failure.kind for place, failure in guilty.items()} == {
        0: FailureKind.HUNG,
        2: FailureKind.CRASHED,
    }
    assert len(notices) == 4  # once more together, alone, and each of the two once more
