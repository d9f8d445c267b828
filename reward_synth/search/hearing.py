"""After each generation: somebody is asked which policies are better, and heard. No JAX here."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reward_synth.errors import FeedbackError, ModelError, RunError
from reward_synth.feedback.annotations import Annotation, Question, standing
from reward_synth.feedback.judge.judge import Judge, open_judge
from reward_synth.feedback.teachers import (
    Indifferent,
    Mistaken,
    Myopic,
    Noisy,
    Oracle,
    Skipping,
    Teacher,
    respond,
)
from reward_synth.records import TaskDescription
from reward_synth.rollout.footage import Footage
from reward_synth.rollout.video import VideoWorker
from reward_synth.search.asking import Inquiry, hearing, inquiry_after
from reward_synth.search.budget import Budget
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig
from reward_synth.search.listener import Listener
from reward_synth.search.store import Spent, Store
from reward_synth.search.training_process import Training

_JUDGEMENTS = "judgements"  # folder of a judge's answers
_LOOK_S = 0.5  # between two looks at what people have answered


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who is asked, and what is made of it.

    What was said until then is written down with the generation; what is said later is heard
    after the next. So a run that is continued decides on the same answers.

    Attributes:
      config: the run's settings.
      task: that policies are for.
      folder: the task's.
      store: the run's records.
      safely: does work in the training process; see ``Search``.
      training: where recorded episodes are looked at.
      budget: what the run may spend; waiting for people is free.
      videos: that people are shown.
      listener: hears that the run waits.
    """

    config: RunConfig
    task: TaskDescription
    folder: str
    store: Store
    safely: Callable[[Callable[[], dict]], dict]
    training: Training
    budget: Budget
    videos: VideoWorker
    listener: Listener

    def hear(self, generation: int) -> None:
        """Ask about all generations so far until there is enough to go on.

        Raises:
          RunError: people have not answered in time; the run waits for them when it is continued.
        """
        source, job = self.config.feedback.source, hearing(generation)
        if source == "none" or self.store.job(job) is not None:
            return
        began = time.monotonic()
        match source:
            case "people":
                self._wait(generation)
            case "vlm":
                self._ask_judge(generation)
            case _:
                self._ask_teacher(generation)
        upto = len(self.store.journal)
        said = standing(self.store.journal.read(upto=upto))
        scored = [c for c in self.store.candidates() if c.score is not None]
        told = self.safely(lambda: self.training.remarks(said, scored))
        leaders = self._to_fit(generation)
        fits = self.safely(lambda: self.training.fits(said, scored, leaders)) if leaders else {}
        spent = Spent(seconds=0.0 if source == "people" else time.monotonic() - began)
        heard = {"upto": upto, "remarks": told, "fits": fits}
        self.store.finish_job(job, heard, "asking", spent)

    def _to_fit(self, generation: int) -> Sequence[Candidate]:
        """Return whose weights are fitted to what was said: the leaders', if they may be varied."""
        search, asked = self.config.search, self._inquiry(generation)
        if search.strategy != "evolve" or not search.fit_weights or asked is None:
            return ()
        return asked.archive.leaders[: search.lineages]

    def _wait(self, generation: int) -> None:
        """Wait until people have said enough."""
        self.videos.wait()
        asked = self._inquiry(generation)
        if asked is None or asked.done:
            return
        self.listener.notice(
            f"Generation {generation + 1} is to be judged: {asked.wanted - asked.given} "
            f"comparisons are wanted. Give them with: reward-synth label {self.store.folder}"
        )
        patience, began, heard = self.config.feedback.patience_s, time.monotonic(), -1
        with self.budget.paused():
            while True:
                count = len(self.store.journal)
                if count != heard:
                    asked, heard = self._inquiry(generation), count
                    if asked is None or asked.done:
                        return
                if patience is not None and time.monotonic() - began >= patience:
                    folder = self.store.folder
                    raise RunError(
                        f"nobody has answered within {patience:g} s: answer with `reward-synth "
                        f"label {folder}`, then continue with resume={folder}."
                    )
                time.sleep(_LOOK_S)

    def _ask_judge(self, generation: int) -> None:
        """Have a vision-language model answer, and say what it sees in this generation's clips."""
        asked = self._inquiry(generation)
        if asked is None:
            return
        judge = self._judge(self.store.folder / _JUDGEMENTS)
        clips = self._footage(asked.archive.scored)
        self.budget.title = f"gen_{generation:02d}/judge"
        self._ask(asked, judge.name, lambda question: judge.answer(question, clips))
        mine = [c.id for c in asked.archive.scored_in(generation)]
        self.store.journal.append(judge.diagnoses({id: clips[id] for id in mine if id in clips}))

    def prepare(self) -> None:
        """See that a judge sees what it is shown, before anything is trained.

        Raises:
          ModelError: it cannot be asked, or is blind; it is asked again when the run is continued.
        """
        if self.config.feedback.source != "vlm" or self.store.job("judge/check") is not None:
            return
        answers = self.store.folder / _JUDGEMENTS / "sight"
        judge = self._judge(answers)
        self.budget.title = "judge/check"
        try:
            judge.check()
        except ModelError:
            shutil.rmtree(answers, ignore_errors=True)  # what is mended is to be seen
            raise
        self.store.finish_job("judge/check", judge.name, "asking", Spent())

    def _judge(self, answers: Path) -> Judge:
        return open_judge(
            self.config.feedback.judge,
            self.task,
            answers,
            os.environ,
            on_answer=self.budget.on_answer,
            before_request=self.budget.before_request,
        )

    def _footage(self, candidates: Sequence[Candidate]) -> dict[str, Footage]:
        """Return what the judge is shown; what could not be shot is left out, and said."""
        run = self.store.folder
        places = {c.id: Path(c.folder) / "rollout.npz" for c in candidates}
        missing = [
            (run / place, run / place.with_name("footage.zip"))
            for place in places.values()
            if not (run / place.with_name("footage.zip")).is_file()
        ]
        self.videos.submit(Path(self.folder), missing)
        self.videos.wait()
        shot = {}
        for id, place in places.items():
            try:
                shot[id] = Footage.load(run / place.with_name("footage.zip"), rollout=str(place))
            except FeedbackError as error:
                self.listener.notice(f"{id} is not judged: {error}")
        if not shot:
            raise FeedbackError(
                "nothing can be shown to the judge: this machine draws no pictures; the notices "
                "above say why. Mend that and continue the run, or start one with feedback=none."
            )
        return shot

    def _ask_teacher(self, generation: int) -> None:
        """Have a synthetic teacher answer until there is enough."""
        teacher = teacher_of(self.config)
        asked = self._inquiry(generation)
        if asked is None or asked.done:
            return
        scored = asked.archive.scored
        steps = self.safely(lambda: self.training.sight(scored))
        fitness = {id: sum(values) for id, values in steps.items()}
        self._ask(asked, teacher.name, lambda question: respond(teacher, question, fitness, steps))

    def _ask(
        self, asked: Inquiry | None, who: str, answer: Callable[[Question], Annotation]
    ) -> None:
        """Have somebody answer until there is enough, or nothing is left to ask them."""
        while asked is not None and not asked.done:
            question = asked.next(who)
            if question is None or not self.store.journal.append([answer(question)]):
                return  # all is asked, and asked again they say the same
            asked = self._inquiry(asked.generation)

    def _inquiry(self, generation: int) -> Inquiry | None:
        return inquiry_after(self.store, self.config, generation)


def teacher_of(config: RunConfig) -> Teacher:
    """Return the synthetic teacher that a run asks: B-Pref's, from the inside out."""
    settings, seed = config.feedback.teacher, config.seed
    rationality = settings.rationality
    teacher: Teacher = Oracle() if rationality is None else Noisy(rationality, seed)
    if settings.discount < 1.0:
        teacher = Myopic(teacher, settings.discount)
    if settings.mistakes:
        teacher = Mistaken(teacher, settings.mistakes, seed)
    if settings.equal_within:
        teacher = Indifferent(teacher, settings.equal_within)
    if settings.skip_below is not None:
        teacher = Skipping(teacher, settings.skip_below)
    return teacher
