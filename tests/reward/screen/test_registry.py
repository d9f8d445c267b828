"""Exploits on disk: whole, bounded, shared by processes."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from reward_synth.reward.screen import Exploit, Registry
from tests.reward.screen.worlds import episodes


def exploit(number: int) -> Exploit:
    bad = episodes(np.full(3, -2.0 - number / 1000)).thinned(8, np.random.default_rng(0))
    return Exploit(bad, episodes(np.ones(2)), f"Number {number}: übel.")


@pytest.fixture
def registry(point, tmp_path) -> Registry:
    return Registry.open(tmp_path / "exploits", point.fingerprint, point.description)


def test_nothing_is_made_by_looking(registry, tmp_path):
    assert registry.all() == ()
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_comes_back(registry):
    kept = exploit(1)
    registry.add(kept)
    (found,) = registry.all()
    assert found.words == kept.words
    for one, other in ((found.shown, kept.shown), (found.reference, kept.reference)):
        for name in ("episode", "weight", "terminated", "success", "fitness"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        for name in ("state", "action", "next_state"):
            np.testing.assert_array_equal(
                getattr(one.transitions, name), getattr(other.transitions, name)
            )


def test_the_same_is_kept_once(registry):
    registry.add(exploit(1))
    registry.add(exploit(1))
    assert len(registry.all()) == 1


def test_tasks_do_not_share(registry, point, tmp_path):
    registry.add(exploit(1))
    changed = Registry.open(tmp_path / "exploits", "0" * 64, point.description)
    assert changed.all() == ()


def test_the_newest_32_are_kept(registry):
    """Newest by the files' times, which are set here: those of one tick have no order."""
    for number in range(35):
        before = set(registry.folder.glob("*.npz"))
        registry.add(exploit(number))
        (added,) = set(registry.folder.glob("*.npz")) - before
        os.utime(added, ns=(number, number))
    numbers = [int(found.words.split()[1][:-1]) for found in registry.all()]
    assert numbers == list(range(34, 2, -1))


BROKEN = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "something else": lambda content: b"exploit",
    "flipped": lambda content: (
        content[:300] + bytes(b ^ 255 for b in content[300:900]) + content[900:]
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_is_left_out_with_a_warning(registry, how, caplog):
    registry.add(exploit(1))
    (path,) = registry.folder.glob("*.npz")
    path.write_bytes(BROKEN[how](path.read_bytes()))
    registry.add(exploit(2))
    with caplog.at_level(logging.WARNING):
        (found,) = registry.all()
    assert "Number 2" in found.words
    assert "left out" in caplog.text


def test_a_pickle_is_not_opened(registry, caplog):
    registry.folder.mkdir(parents=True)
    np.savez(registry.folder / "evil.npz", words=np.array([print], dtype=object))
    assert registry.all() == ()
    assert "left out" in caplog.text


def spoiled(**changes):
    """An exploit's arrays, of which some are not as they should be."""

    def spoil(path):
        with np.load(path) as arrays:
            found = dict(arrays)
        for name, change in changes.items():
            key = name.replace("__", ".")
            found[key] = change(found[key])
        np.savez(path, **found)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        spoiled(shown__state=lambda a: a[:, :1]),
        spoiled(shown__action=lambda a: a[:-1]),
        spoiled(shown__next_state=lambda a: a * np.nan),
        spoiled(shown__episode=lambda a: a[::-1]),
        spoiled(shown__episode=lambda a: a * 0),
        spoiled(reference__weight=lambda a: a[:-1]),
        spoiled(reference__fitness=lambda a: a[:-1]),
    ],
    ids=["state", "action", "finite", "order", "count", "weight", "fitness"],
)
def test_what_is_of_another_shape_is_left_out(registry, spoil, caplog):
    registry.add(exploit(1))
    (path,) = registry.folder.glob("*.npz")
    spoil(path)
    assert registry.all() == ()
    assert "left out" in caplog.text


def test_a_folder_that_cannot_be_written_stops_nothing(point, tmp_path, caplog):
    (tmp_path / "exploits").write_text("a file")
    registry = Registry.open(tmp_path / "exploits", point.fingerprint, point.description)
    registry.add(exploit(1))
    assert "cannot keep an exploit" in caplog.text
    assert registry.all() == ()


WRITER = """
import sys
from pathlib import Path
from reward_synth.reward.screen import Registry
from tests.reward.screen.test_registry import exploit
registry = Registry(Path(sys.argv[1]), 3, 1)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 30):
    registry.add(exploit(number))
"""


def test_two_processes_write_while_a_third_reads(registry, caplog):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(registry.folder), str(first)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in (0, 30)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.close()
    while any(writer.poll() is None for writer in writers):
        assert all("Number" in found.words for found in registry.all())
    assert [writer.returncode for writer in writers] == [0, 0]
    for writer in writers:
        writer.stdout.close()
    assert len(registry.all()) == 32
    assert len(list(registry.folder.iterdir())) == 32
    assert caplog.text == ""
