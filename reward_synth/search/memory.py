"""What a run takes over from runs of other tasks, and leaves to them: rewards, as examples."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from pathlib import Path

from reward_synth.files import cache_folder
from reward_synth.propose import library
from reward_synth.propose.library import Example
from reward_synth.records import TaskDescription
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.store import Store

log = logging.getLogger(__name__)

_EXAMPLES = 3


def library_folder() -> Path:
    """Return where rewards are kept from run to run."""
    return cache_folder() / "library"


def examples_of(store: Store, config: RunConfig, task: TaskDescription) -> tuple[Example, ...]:
    """Return programs for similar tasks, those that the library held when the run began.

    They are kept in the run: what other runs add meanwhile does not change this one.
    """
    kept = store.get("examples")
    if kept is None:
        remembered = library.load(library_folder()) if config.search.remember else []
        kept = [asdict(example) for example in library.similar(remembered, task, _EXAMPLES)]
        store.put("examples", kept)
    return tuple(Example(**example) for example in kept)


def leave(store: Store, config: RunConfig, task: TaskDescription, best: Candidate) -> None:
    """Add what a run stands by to the library, once; a library that cannot be written is said."""
    if not config.search.remember or store.get("in_library") == best.id:
        return
    assert best.program is not None
    note = f"{best.id} by {best.author}, search.strategy={config.search.strategy}"
    try:
        library.add(library_folder(), library.example(task, best.program, note, time.time()))
    except OSError as error:
        log.warning("cannot keep the reward in %s (%s).", library_folder(), error.strerror)
        return
    store.put("in_library", best.id)
