"""A run's annotations: a table in its run.db to which several processes may append at once.

A search holds its run folder alone; people who label, in a web page or a terminal, do not wait
for it. SQLite's write-ahead log lets them all write: what ``append`` has returned from survives
a kill at any moment, and readers see whole records only.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reward_synth.errors import FeedbackError, RunError
from reward_synth.feedback.annotations import Annotation
from reward_synth.files import write_text
from reward_synth.run_folder import DATABASE, check_run

SCHEMA = """
CREATE TABLE IF NOT EXISTS annotations (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time REAL NOT NULL, record TEXT NOT NULL
) STRICT;
"""


class Journal:
    """The annotations of one run, in the order in which they came."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Journal]:
        """Open the journal of the run in ``folder``, also while other processes use it.

        Raises:
          RunError: there is no run in ``folder``, or its run.db cannot be read.
        """
        check_run(folder)
        connection = connect(folder / DATABASE)
        try:
            connection.executescript(SCHEMA)
            yield cls(connection)
        finally:
            connection.close()

    def append(self, annotations: Iterable[Annotation]) -> int:
        """Append annotations, all or none; return how many are new.

        One whose id is there already is not added again: whoever posts twice is heard once.
        """
        now, before = time.time(), self._db.total_changes
        rows = [(a.id, now, json.dumps(a.to_json(), sort_keys=True)) for a in annotations]
        with self._db:
            self._db.executemany(
                "INSERT OR IGNORE INTO annotations (id, time, record) VALUES (?, ?, ?)", rows
            )
        return self._db.total_changes - before

    def read(self, *, after: int = 0, upto: int | None = None) -> list[Annotation]:
        """Return annotations in their order.

        Args:
          after: leave out the first so many.
          upto: leave out all after so many; None for none.
        """
        if not self._exists():
            return []  # a run of an earlier version, opened to look at it
        rows = self._db.execute(
            "SELECT record FROM annotations ORDER BY seq LIMIT ? OFFSET ?",
            (-1 if upto is None else max(0, upto - after), after),
        )
        return [Annotation.from_json(json.loads(record)) for (record,) in rows]

    def __len__(self) -> int:
        if not self._exists():
            return 0
        return int(self._db.execute("SELECT count(*) FROM annotations").fetchone()[0])

    def export(self, path: Path) -> int:
        """Write all as JSON lines, in one piece or not at all; return how many there are."""
        said = self.read()
        lines = (json.dumps(a.to_json(), sort_keys=True, ensure_ascii=False) for a in said)
        write_text(path, "".join(f"{line}\n" for line in lines))
        return len(said)

    def take_in(self, path: Path, candidates: Iterable[str]) -> int:
        """Append what ``export`` wrote, all or nothing; return how many are new.

        Args:
          path: JSON lines.
          candidates: ids of those that the run has.

        Raises:
          FeedbackError: a line is no annotation, or is about a candidate that there is not.
        """
        known = set(candidates)
        said = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                found = Annotation.from_json(json.loads(line))
            except (ValueError, AttributeError) as error:
                raise FeedbackError(f"{path}, line {number}: {error}") from error
            strangers = set(found.candidates) - known
            if strangers:
                raise FeedbackError(
                    f"{path}, line {number}, is about {', '.join(sorted(strangers))}, which this "
                    "run does not have: it is of another run."
                )
            said.append(found)
        return self.append(said)

    def _exists(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE name = 'annotations'"
        return self._db.execute(query).fetchone() is not None


def connect(path: Path) -> sqlite3.Connection:
    """Open a run's database; writers wait for each other.

    Raises:
      RunError: it cannot be read.
    """
    try:
        connection = sqlite3.connect(path, timeout=30.0)
    except sqlite3.DatabaseError as error:
        raise RunError(f"{path} cannot be opened: {error}.") from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise RunError(f"{path} cannot be read: {error}.") from error
    return connection
