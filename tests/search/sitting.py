"""One sitting of a run, as a program that says aloud what it is doing.

    python -m tests.search.sitting FOLDER SETTINGS

Each line that it prints is what it does now and the id of the process that trains for it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from reward_synth.search import loop
from reward_synth.search.config import config_from_json
from reward_synth.search.generations import Search
from reward_synth.search.listener import Silence, Tick
from reward_synth.search.store import Store

WORK = {
    "explore": "screening",
    "screen": "screening",
    "preselect": "screening",
    "distances": "screening",
    "generation": "racing",
    "rerun": "re-running",
    "comparison": "comparing",
}
PHASES = ("starting", "proposing", *dict.fromkeys(WORK.values()), "between")


class Loud(Silence):
    """Says what it is doing: at once, and at each tick again."""

    pid = 0
    doing = "between"

    def say(self, doing: str) -> None:
        self.doing = doing
        print(doing, self.pid, flush=True)

    def tick(self, tick: Tick) -> None:
        assert tick.done <= tick.total
        self.say(self.doing)


class LoudTraining:
    """A ``TrainingProcess`` of which one hears when it works."""

    def __init__(self, training: Any, listener: Loud) -> None:
        self._training = training
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            self.say(WORK[name])
            try:
                return getattr(self._training, name)(*args)
            finally:
                self.say("between")

        return call

    def say(self, doing: str) -> None:
        self._listener.pid = self._training._worker.pid or 0
        self._listener.say(doing)


class LoudSearch(Search):
    """A search of which one hears what it is at."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._loud = LoudTraining(self._training, self._listener)
        self._training = self._loud

    def _propose(self, generation: int) -> Any:
        self._loud.say("proposing")
        try:
            return super()._propose(generation)
        finally:
            self._loud.say("between")


def main(folder: Path, settings: str) -> None:
    with Store.open(folder) as store:
        begun = store.get("config") is not None
    loop.Search = LoudSearch
    if begun:
        loop.resume(folder, Loud())
    else:
        loop.start(config_from_json(json.loads(settings)), folder, Loud())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
