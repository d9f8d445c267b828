"""What a run asks of whoever says which policies are better. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from reward_synth.feedback.annotations import Annotation, Kind, Question, standing
from reward_synth.feedback.queries import AnswersLeft, answers_left, next_pair
from reward_synth.search.archive import Archive
from reward_synth.search.config import RunConfig, config_from_json
from reward_synth.search.seeds import derive_seed
from reward_synth.search.store import Store
from reward_synth.search.strategies import strategy_of
from reward_synth.search.strategies.strategy import Asking


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked after a generation, given all that was said.

    Attributes:
      config: of the run.
      archive: all generations until then, and all that was said until now.
      fresh: what was said since the generation before was decided on, which is not in the
        decisions yet.
      waiting: whether the run does not go on without answers.
    """

    config: RunConfig
    archive: Archive
    fresh: tuple[Annotation, ...]
    waiting: bool

    @property
    def generation(self) -> int:
        """The one that was trained last."""
        return self.archive.generations - 1

    @property
    def given(self) -> int:
        """Comparisons that fresh answers come down to."""
        return sum(len(said.comparisons) for said in self.fresh)

    @property
    def wanted(self) -> int:
        """Comparisons after which the run goes on."""
        if self._asking:
            return self._asking.due(self.archive)
        shown = len(self.archive.scored)
        return min(self.config.feedback.answers, shown * (shown - 1) // 2)

    @property
    def done(self) -> bool:
        """Whether the run can go on."""
        if self._asking:
            return self._asking.question(self.archive) is None
        enough = any(said.kind is Kind.ENOUGH for said in self.fresh)
        return enough or self.given >= self.wanted

    def next(self, who: str) -> Question | None:
        """Return what somebody is asked next; None if there is nothing left to ask them.

        The same inquiry asks the same of the same. After it is done there may be more to ask:
        the generation after the next is decided on that too.
        """
        if self._asking:
            question = self._asking.question(self.archive)
            return None if question is None or self._heard(question, who) else question
        pairs, passed = self.archive.compared, self._passed(who)
        seed = derive_seed(self.config.seed, "ask", who, len(pairs), len(passed))
        rng = np.random.default_rng(seed)
        pair = next_pair(self.archive.preferred, pairs, who, rng, passed=passed)
        return None if pair is None else Question(Kind.PAIR, pair)

    def left(self, who: str) -> AnswersLeft:
        """Estimate how many more answers by somebody settle who is best."""
        pairs, passed = self.archive.compared, self._passed(who)
        rng = np.random.default_rng(derive_seed(self.config.seed, "left", who, len(pairs)))
        return answers_left(self.archive.preferred, pairs, who, rng, passed=passed)

    @property
    def _asking(self) -> Asking | None:
        """The strategy, if it has questions of its own."""
        strategy = strategy_of(self.config.search.strategy)
        return strategy if isinstance(strategy, Asking) else None

    def _heard(self, question: Question, who: str) -> bool:
        """Whether somebody has answered or skipped it, and it stays open for those who decide."""
        return any(
            said.who == who
            and said.kind in (question.kind, Kind.SKIP)
            and set(said.candidates) == set(question.candidates)
            for said in self.archive.said
        )

    def _passed(self, who: str) -> list[tuple[str, str]]:
        """Return the pairs that somebody skipped."""
        skipped = [s for s in self.archive.said if s.kind is Kind.SKIP and s.who == who]
        return [(s.candidates[0], s.candidates[1]) for s in skipped if len(s.candidates) == 2]


def hearing(generation: int) -> str:
    """Return the job under which it is kept what was heard after a generation."""
    return f"gen_{generation:02d}/hear"


def archive_of(
    store: Store, config: RunConfig, generations: int, models: tuple[str, ...] = ()
) -> Archive:
    """Return what was tried in the first so many generations, and what was heard until then.

    What is said later, or while nobody listens, is not in it: a run that is continued decides
    the same.
    """
    heard = _heard(store, generations)
    said = store.journal.read(upto=heard["upto"])
    return _archive(store, config, generations, said, heard, models)


def inquiry(store: Store, *more: Annotation) -> Inquiry | None:
    """Return what a run asks just now; None before anything was trained.

    Args:
      store: of the run, which another process may hold.
      more: taken to be said as well, to see what would be asked then.
    """
    saved = store.get("config")
    if saved is None:
        return None
    config = config_from_json(saved)
    trained = [
        number
        for number in range(config.search.generations)
        if store.job(f"gen_{number:02d}/train") is not None
    ]
    return inquiry_after(store, config, trained[-1], *more) if trained else None


def inquiry_after(
    store: Store, config: RunConfig, generation: int, *more: Annotation
) -> Inquiry | None:
    """Return what a run asks after a generation; None if there is nothing to show."""
    said = (*store.journal.read(), *more)
    archive = _archive(store, config, generation + 1, said)
    if not archive.scored:
        return None
    old = {one.id for one in said[: _heard(store, generation)["upto"]]}
    fresh = tuple(one for one in archive.said if one.id not in old)
    waiting = config.feedback.source == "people" and store.job(hearing(generation)) is None
    return Inquiry(config, archive, fresh, waiting)


def _heard(store: Store, generations: int) -> dict[str, Any]:
    """Return what was heard after the last of the first so many generations that was heard of."""
    jobs = (store.job(hearing(number)) for number in reversed(range(generations)))
    return next((job for job in jobs if job is not None), {"upto": 0})


def _archive(
    store: Store,
    config: RunConfig,
    generations: int,
    said: Sequence[Annotation],
    heard: Mapping[str, Any] = MappingProxyType({}),
    models: tuple[str, ...] = (),
) -> Archive:
    known = tuple(c for c in store.candidates() if c.generation < generations)
    return Archive(
        known,
        generations,
        models,
        said=standing(said),
        remarks=heard.get("remarks", {}),
        fits={id: tuple(weights) for id, weights in heard.get("fits", {}).items()},
        by_fitness=config.feedback.fitness,
        rank_for=config.feedback.rank_for,
    )
