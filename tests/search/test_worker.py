"""Worker processes that compute, and mostly those that do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reward_synth.errors import BudgetError, TaskError, TrainingError
from reward_synth.search.failure import Failure, FailureKind, WorkerError
from reward_synth.search.recovery import once_more
from reward_synth.search.worker import Worker
from tests.search import services

ROOT = Path(__file__).parents[2]
PATIENT_S = 120.0  # for what must happen; nothing is asserted about how soon
STALL_S = 3.0  # for what never happens


def alive(pid):
    """Whether a process runs; a zombie that its new parent has yet to collect does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def wait_until_gone(*pids):
    until = time.monotonic() + PATIENT_S
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < until, f"still there: {[p for p in pids if alive(p)]}"
        time.sleep(0.02)


def processes():
    """(id, parent's id, group's id, state) of each."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return [(int(pid), int(parent), int(group), state) for pid, parent, group, state in rows]


def group_of(leader):
    """The processes in a process group."""
    return [pid for pid, _, group, state in processes() if group == leader and state[0] != "Z"]


def no_zombie_left():
    return not any(parent == os.getpid() and state[0] == "Z" for _, parent, _, state in processes())


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run" / "training.log"


@pytest.fixture
def worker(log):
    with Worker(services.make, (), stall_s=PATIENT_S, log=log) as made:
        yield made
    assert no_zombie_left()


@pytest.fixture
def hasty(log):
    """A worker with little patience, except that it has been waited for until it was up."""
    with Worker(services.make, (), stall_s=STALL_S, log=log) as made:
        made._stall_s = PATIENT_S
        made.call("count")
        made._stall_s = STALL_S
        yield made
    assert no_zombie_left()


def failure_of(call, *args, **kwargs):
    with pytest.raises(WorkerError) as info:
        call(*args, **kwargs)
    message = str(info.value)
    assert "\n" not in message
    assert message.startswith("the training process ")
    assert f"its log is {info.value.failure.log}" in message
    return info.value.failure


# It works.


def test_calls_and_their_answers(worker):
    assert worker.call("add", 1, 2, 3) == 6
    assert worker.call("count") == 1
    assert worker.call("count") == 2  # the same object
    assert worker.call("pid") == worker.pid != os.getpid()
    assert len(worker.call("big", 3_000_000)) == 3_000_000


def test_the_factory_gets_its_arguments_and_may_report(log):
    with Worker(services.make_with, ("hello",), stall_s=PATIENT_S, log=log) as worker:
        assert worker.call("greet") == "hello"


def test_progress_arrives_in_order_and_before_the_answer(worker):
    heard = []
    assert worker.call("report", 5, on_progress=lambda *v: heard.append(v)) == 5
    assert heard == [(i, f"step {i}") for i in range(5)]
    heard.clear()
    worker.call("thread_report", 20, on_progress=lambda *v: heard.append(v))
    assert sorted(heard) == sorted([(i, f"step {i}") for i in range(20)] * 4)


def test_neither_side_imports_jax_by_itself(worker):
    assert "jax" not in worker.call("modules")


def test_progress_is_a_sign_of_life(hasty):
    # Together far longer than the patience, of which each pause is a part.
    assert hasty.call("report", 5, STALL_S / 3) == 5


def test_output_goes_to_the_log(worker, log, capfd):
    worker.call("noise")
    worker.call("count")
    assert capfd.readouterr() == ("", "")
    text = log.read_text()
    assert "warned of" in text
    assert "written past Python" in text


# It raises.


def test_what_says_its_remedy_comes_back_as_it_is(worker):
    worker.call("count")
    with pytest.raises(BudgetError, match="3 apples"):
        worker.call("raise_budget")
    with pytest.raises(OSError, match="No space left") as info:
        worker.call("raise_disk")
    assert info.value.errno == 28
    assert worker.call("count") == 2  # and the process goes on


@pytest.mark.parametrize(
    ("method", "cause", "words"),
    [
        ("raise_bug", "ZeroDivisionError", "crashed: ZeroDivisionError (the last line)"),
        ("no_such_method", "AttributeError", "no_such_method"),
        ("unpicklable", ("PicklingError", "AttributeError"), "crashed: "),
    ],
)
def test_a_fault_of_ours_is_a_crash_with_a_traceback_in_the_log(worker, log, method, cause, words):
    failure = failure_of(worker.call, method)
    assert failure.kind is FailureKind.CRASHED
    assert failure.cause == cause or failure.cause in cause
    assert words in failure.words
    assert failure.during == method
    assert "Traceback (most recent call last)" in log.read_text()
    assert worker.call("count") == 1  # a new process


# It is no more.


@pytest.mark.parametrize(
    ("method", "args", "cause", "words"),
    [
        ("kill_oneself", (signal.SIGSEGV,), "SIGSEGV", "Segmentation fault"),
        ("kill_oneself", (signal.SIGKILL,), "SIGKILL", "memory runs out"),
        ("kill_oneself", (signal.SIGTERM,), "SIGTERM", "Terminated"),
        ("null_pointer", (), "SIGSEGV", "Segmentation fault"),
        ("leave", (3,), "exit 3", "it ended with exit 3"),
        ("leave", (0,), "exit 0", "it ended with exit 0"),
    ],
)
def test_death_is_told_in_words(worker, method, args, cause, words):
    group = worker.pid
    failure = failure_of(worker.call, method, *args)
    assert (failure.kind, failure.cause) == (FailureKind.CRASHED, cause)
    assert words in failure.words
    assert worker.pid is None
    wait_until_gone(*group_of(group))
    assert worker.call("add", 1, 1) == 2


def test_a_segmentation_fault_says_in_the_log_where(worker, log):
    failure_of(worker.call, "null_pointer")
    assert "in null_pointer" in log.read_text()


@pytest.mark.parametrize("method", ["hang", "hang_deaf", "stop_oneself"])
def test_a_silent_process_is_killed(hasty, method):
    group = hasty.pid
    failure = failure_of(hasty.call, method)
    assert (failure.kind, failure.cause) == (FailureKind.HUNG, "silence")
    assert failure.words == f"hung: no sign of life for {STALL_S:g} s"
    wait_until_gone(*group_of(group))
    hasty._stall_s = PATIENT_S
    assert hasty.call("count") == 1


def test_a_process_that_stops_in_the_middle_of_a_message(hasty):
    group = hasty.pid

    def stop_it(value):
        if value == "begun":
            time.sleep(0.5)  # until what a socket holds is full
            os.kill(group, signal.SIGSTOP)

    failure = failure_of(hasty.call, "long_message", 50_000_000, on_progress=stop_it)
    assert failure.kind is FailureKind.HUNG
    wait_until_gone(*group_of(group))


def test_the_log_says_where_it_hung(hasty, log):
    failure_of(hasty.call, "hang_deaf")
    assert "in hang_deaf" in log.read_text()


def test_a_process_that_dies_while_idle_is_replaced(worker):
    worker.call("count")
    os.kill(worker.pid, signal.SIGKILL)
    worker._process.wait(PATIENT_S)  # ps says that it is gone while its last threads still go
    assert worker.call("count") == 1


def test_one_accident_is_forgiven(worker):
    told, deaths = [], iter([True, False])

    def work():
        return worker.call(*(("leave", 1) if next(deaths) else ("add", 2, 2)))

    assert once_more(work, told.append) == 4
    assert len(told) == 1
    with pytest.raises(WorkerError):
        once_more(lambda: worker.call("leave", 1), told.append)


# It does not even start.


@pytest.mark.parametrize(
    ("factory", "kind", "cause"),
    [
        (services.make_broken, FailureKind.CRASHED, "ZeroDivisionError"),
        (services.make_crash, FailureKind.CRASHED, "SIGSEGV"),
        (services.make_never, FailureKind.HUNG, "silence"),
    ],
)
def test_an_object_that_cannot_be_made(log, factory, kind, cause):
    patience = STALL_S if kind is FailureKind.HUNG else PATIENT_S
    with Worker(factory, (), stall_s=patience, log=log) as worker:
        failure = failure_of(worker.call, "count")
        assert (failure.kind, failure.cause, failure.during) == (kind, cause, "")
    assert no_zombie_left()


def test_a_mistake_in_the_task_is_the_users_to_mend(log, tmp_path):
    mended = str(tmp_path / "mended")
    with Worker(services.make_if, (mended,), stall_s=PATIENT_S, log=log) as worker:
        for _ in range(2):
            with pytest.raises(TaskError, match="mend me first"):
                worker.call("count")
        Path(mended).touch()
        assert worker.call("count") == 1
    assert no_zombie_left()


def test_arguments_that_cannot_be_pickled_leave_no_process(log):
    with (
        pytest.raises(Exception, match="pickle"),
        Worker(services.make, (lambda: None,), stall_s=PATIENT_S, log=log),
    ):
        pass
    assert no_zombie_left()


# The caller has had enough.


@pytest.mark.parametrize("error", [BudgetError("time is up."), KeyboardInterrupt()])
def test_an_exception_in_progress_ends_it_at_once(worker, error):
    def enough(*_):
        raise error

    group = worker.pid
    with pytest.raises(type(error)):
        worker.call("hang_deaf", on_progress=enough)
    assert worker.pid is None
    wait_until_gone(*group_of(group))
    assert worker.call("count") == 1  # the comparison may still be affordable


@pytest.mark.parametrize("then", ["return", "hang", "crash"])
def test_what_it_started_goes_with_it(log, then):
    started = []

    def keep(*values):
        started.extend(value for value in values if value != "begun")

    with Worker(services.make, (), stall_s=PATIENT_S, log=log) as worker:
        worker.call("count")
        worker._stall_s = STALL_S if then == "hang" else PATIENT_S
        group = worker.pid
        if then == "return":
            worker.call("spawn", on_progress=keep)
        else:
            with pytest.raises(TrainingError):
                worker.call("spawn", then, on_progress=keep)
    assert len(started) == 2
    wait_until_gone(group, *started, *group_of(group))
    assert no_zombie_left()


# The caller is gone.


def start_main(log, *call):
    return subprocess.Popen(
        [sys.executable, "-c", services.MAIN, str(log), *call],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("method", ["hang", "hang_deaf", "spawn"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_caller_that_is_killed_leaves_nothing(log, method, number):
    with start_main(log, *([method, "hang"] if method == "spawn" else [method])) as main:
        first = main.stdout.readline().split()
        worker, rest = int(first[1]), first[2:]
        started = [int(pid) for pid in rest if pid.isdigit()]
        group = group_of(worker)
        assert {worker, *started} < set(group)  # and the watcher
        main.send_signal(number)
        assert main.wait() == -number
        wait_until_gone(*group)


def test_ctrl_c_in_a_terminal_prints_nothing_of_the_workers(log):
    with start_main(log, "hang") as main:
        worker = int(main.stdout.readline().split()[1])
        os.killpg(main.pid, signal.SIGINT)  # as a terminal does: to all in its foreground
        out, err = main.communicate()
    assert (out, err, main.returncode) == ("stopped\n", "", 0)
    wait_until_gone(worker)


def test_ctrl_c_while_it_starts(log):
    for pause in (0.0, 0.05, 0.2):
        with start_main(log, "hang") as main:
            while not log.exists():
                time.sleep(0.005)
            time.sleep(pause)
            os.killpg(main.pid, signal.SIGINT)
            _, err = main.communicate()
        assert "worker_child" not in err
        log.unlink()


def test_without_its_watcher_it_still_ends_with_its_caller(log):
    with start_main(log, "report", "1000000", "0.01") as main:
        worker = int(main.stdout.readline().split()[1])
        (watcher,) = [pid for pid in group_of(worker) if pid != worker]
        os.kill(watcher, signal.SIGKILL)
        assert main.stdout.readline()  # the run goes on
        main.kill()
        main.wait()
        wait_until_gone(worker)


def test_failures_survive_json(tmp_path):
    for failure in (
        Failure.silent(2.5, "generation", tmp_path),
        Failure.ended(-11, "", tmp_path),
        Failure.ended(-40, "generation", tmp_path),
        Failure.raised("ValueError", "", "generation", tmp_path),
    ):
        assert Failure.from_json(failure.to_json()) == failure
