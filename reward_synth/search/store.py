"""The run's memory: run.db in the run folder, an SQLite file in WAL mode.

What is recorded is final: a step whose result is here is not done again when a
run is continued. Large things (policies, rollouts, videos) are files beside it.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from reward_synth import __version__
from reward_synth.errors import RunError
from reward_synth.feedback import journal
from reward_synth.feedback.journal import Journal, connect
from reward_synth.run_folder import DATABASE, check_run
from reward_synth.search.candidate import Candidate

FORMAT = 3
INCUMBENT = "incumbent"  # the event after each generation: what the search would end with

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS candidates (
    id TEXT PRIMARY KEY, generation INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, result TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS ledger (
    id TEXT PRIMARY KEY, purpose TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, dollars REAL NOT NULL, env_steps INTEGER NOT NULL,
    seconds REAL NOT NULL, time REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What something took.

    Attributes:
      prompt_tokens, completion_tokens: read and written by language models.
      dollars: paid to them, as far as prices are known.
      env_steps: environment steps, of training and evaluation.
      seconds: of wall-clock time.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float = 0.0
    env_steps: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Read and written together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Spent) -> Spent:
        return Spent(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Expense:
    """An entry in the ledger.

    Attributes:
      id: unique in the run; an entry of the same id takes its place.
      purpose: what it was for, in a word or two.
      time: when it was entered, Unix time; what it paid for ended then.
      spent: what it took.
    """

    id: str
    purpose: str
    time: float
    spent: Spent


class Store:
    """One run's records. Open it with ``Store.open``; one writer at a time."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._db = connection

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Store]:
        """Open, or begin, the run in ``folder`` and hold it alone.

        Raises:
          RunError: another process runs in it, or it is of another format.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(
                    f"another process is running in {folder}: wait for it or choose another."
                ) from None
            store = cls(folder, connect(folder / DATABASE))
            try:
                store._db.executescript(_SCHEMA + journal.SCHEMA)
                store._check_format()
                yield store
            finally:
                store._db.close()

    @classmethod
    @contextmanager
    def read(cls, folder: Path) -> Iterator[Store]:
        """Open a run to look at it, also while another process runs in it.

        Raises:
          RunError: there is no run in ``folder``, or it is of another format.
        """
        check_run(folder)
        store = cls(folder, connect(folder / DATABASE))
        try:
            store._check_format()
            yield store
        finally:
            store._db.close()

    def _check_format(self) -> None:
        try:
            found = self.get("format")
        except sqlite3.DatabaseError as error:
            raise RunError(f"{self.folder / DATABASE} cannot be read: {error}.") from error
        if found is None:
            self.put("format", FORMAT)
            self.put("version", __version__)
        elif found != FORMAT:
            raise RunError(
                f"{self.folder} was written by reward-synth {self.get('version')} (run format "
                f"{found}); this is {__version__} (format {FORMAT}): continue it with that version."
            )

    def get(self, key: str) -> Any:  # noqa: ANN401 (any JSON value)
        """Return a value of the run's own settings and results, None if it is not there."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, value: Any) -> None:  # noqa: ANN401
        """Set such a value."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def save_candidates(self, candidates: list[Candidate]) -> None:
        """Write candidates, all or none, over earlier records of the same places."""
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO candidates VALUES (?, ?, ?)",
                [(c.id, c.generation, json.dumps(c.to_json())) for c in candidates],
            )

    def candidates(self, generation: int | None = None) -> list[Candidate]:
        """Return all candidates, or those of one generation, by place."""
        query, values = "SELECT record FROM candidates", ()
        if generation is not None:
            query, values = f"{query} WHERE generation = ?", (generation,)
        rows = self._db.execute(f"{query} ORDER BY id", values)
        return [Candidate.from_json(json.loads(record)) for (record,) in rows]

    def job(self, id: str) -> Any:  # noqa: ANN401
        """Return a finished job's result, None if it is not finished."""
        row = self._db.execute("SELECT result FROM jobs WHERE id = ?", (id,)).fetchone()
        return None if row is None else json.loads(row[0])

    def finish_job(
        self,
        id: str,
        result: Any,  # noqa: ANN401
        purpose: str,
        spent: Spent,
        candidates: list[Candidate] | None = None,
    ) -> None:
        """Record a job's result, what it took and the candidates it changed, all or none."""
        with self._db:
            self._db.execute("INSERT INTO jobs VALUES (?, ?)", (id, json.dumps(result)))
            self._charge(id, purpose, spent)
            self._db.executemany(
                "INSERT OR REPLACE INTO candidates VALUES (?, ?, ?)",
                [(c.id, c.generation, json.dumps(c.to_json())) for c in candidates or []],
            )

    def charge(self, id: str, purpose: str, spent: Spent) -> None:
        """Enter an expense; an entry of the same id is replaced, not added to."""
        with self._db:
            self._charge(id, purpose, spent)

    def _charge(self, id: str, purpose: str, spent: Spent) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (id, purpose, *astuple(spent), time.time()),
        )

    def expenses(self) -> list[Expense]:
        """Return the ledger's entries in the order they were made."""
        columns = ", ".join(field.name for field in fields(Spent))
        rows = self._db.execute(f"SELECT id, purpose, time, {columns} FROM ledger ORDER BY rowid")
        return [Expense(id, purpose, when, Spent(*spent)) for id, purpose, when, *spent in rows]

    def ledger(self) -> list[tuple[str, str, Spent]]:
        """Return the same as (id, purpose, spent)."""
        return [(entry.id, entry.purpose, entry.spent) for entry in self.expenses()]

    def spent(self) -> Spent:
        """Return the sum of the ledger."""
        return sum((entry for _, _, entry in self.ledger()), Spent())

    def log(self, kind: str, **detail: Any) -> None:  # noqa: ANN401
        """Append an event."""
        with self._db:
            self._db.execute(
                "INSERT INTO events (time, kind, detail) VALUES (?, ?, ?)",
                (time.time(), kind, json.dumps(detail)),
            )

    def events(self) -> list[tuple[float, str, dict[str, Any]]]:
        """Return all events: (Unix time, kind, detail), in order."""
        rows = self._db.execute("SELECT time, kind, detail FROM events ORDER BY seq")
        return [(when, kind, json.loads(detail)) for when, kind, detail in rows]

    @property
    def journal(self) -> Journal:
        """What people, models and teachers have said of the run's candidates."""
        return Journal(self._db)
