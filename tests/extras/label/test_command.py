"""``reward-synth label`` as a process: its address, its end, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx2
import pytest

from reward_synth.label.desk import Desk
from tests.label.labelled_run import begin, said

# As in a terminal, whatever the tests were started from: there, Ctrl-C is not ignored.
COMMAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from reward_synth.cli import main; sys.exit(main())"
)


@pytest.fixture
def run(tmp_path):
    return begin(tmp_path / "run", 8)


@contextmanager
def process(run, *arguments) -> Iterator[tuple[subprocess.Popen, str]]:
    """Start it on a free port; yields it with the address that it prints."""
    command = [sys.executable, "-c", COMMAND, "label", str(run), "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ) as server:
        try:
            server.stdout.readline()
            yield server, server.stdout.readline().strip()
        finally:
            server.kill()


def test_what_was_called_saved_survives_a_kill(run):
    saved = []
    with process(run) as (server, address), httpx2.Client(base_url=address) as client:
        client.headers["Origin"] = address.rstrip("/")
        for number in range(12):
            answer = next(iter(Desk(run).turn("Ada").asked.answers("Ada").values()))
            said_now = replace(answer, id=f"{number:032x}").to_json()
            assert client.post("/say", json=said_now).json()["new"]
            saved.append(said_now["id"])
        os.kill(server.pid, signal.SIGKILL)
    assert [one.id for one in said(run)] == saved


def test_ctrl_c_ends_it_in_a_line(run):
    with process(run, "--who", "Ada B") as (server, address):
        assert address.endswith("/?who=Ada%20B")
        assert httpx2.get(address).status_code == 200
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 130
        assert server.stderr.read() == "Stopped.\n"


def test_on_all_addresses_the_printed_one_holds_a_token(run):
    with process(run, "--host", "0.0.0.0") as (_, address):
        url = httpx2.URL(address)
        token = url.params["token"]
        local = f"http://127.0.0.1:{url.port}/"
        assert httpx2.get(local).status_code == 403
        assert httpx2.get(local, params={"token": token}).status_code == 200
