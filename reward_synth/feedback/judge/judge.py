"""A vision-language model in the place of a person: it compares, rates and diagnoses clips."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from reward_synth.errors import ModelError
from reward_synth.feedback.annotations import CHOICES, Annotation, Clip, Kind, Question, Verdict
from reward_synth.feedback.judge.asking import Asker, Reply
from reward_synth.feedback.judge.prompts import Style, Way, judge_messages, prompt_digest
from reward_synth.feedback.judge.settings import SECTION, JudgeSettings
from reward_synth.feedback.judge.sight import BANDS, read_colours, sight_messages
from reward_synth.feedback.judge.verdicts import (
    Vote,
    both_ways,
    elected,
    read_diagnosis,
    read_rating,
    read_verdict,
    reasons,
)
from reward_synth.propose.llm.cache import CachedModel
from reward_synth.propose.llm.records import Answer, Message
from reward_synth.records import TaskDescription
from reward_synth.rollout.footage import Footage

Clips = Mapping[str, Footage]


class Judge:
    """Answers what a person could be asked, from footage.

    A question that it cannot answer (a clip is missing, every vote is void) is answered with a
    SKIP that says why: nothing is lost, and it can be asked again. It raises only what the user
    has to mend, ``ModelError``, and ``BudgetError``.

    Args:
      asker: asks the model.
      settings: what it is shown and how often it is asked.
      description: of the task.
      rubric: the user's principles, "" for none.
      clock: seconds since 1970.
    """

    def __init__(
        self,
        asker: Asker,
        settings: JudgeSettings,
        description: TaskDescription,
        rubric: str = "",
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asker = asker
        self._votes = settings.votes
        self._style = Style(settings.facts, settings.contact_sheet)
        self._description = description
        self._rubric = rubric
        self._clock = clock

    @property
    def name(self) -> str:
        """What its answers are signed with: the model's name."""
        return self._asker.model.name

    def check(self) -> None:
        """See whether the model can be asked and sees what it is shown, with one small request.

        Before the first training, because a server that drops pictures without a word gives
        verdicts all the same.

        Raises:
          BudgetError: it does not allow for a request.
          ModelError: it does not, and what to mend.
        """
        (reply,) = self._asker.ask(Way.SIGHT, [sight_messages()], [0], read_colours)
        if reply.value is None:
            raise ModelError(
                f"{self.name} did not say which colours a picture has ({reply.words.rstrip('.')}): "
                f"set {SECTION}.model to a vision-language model."
            )
        if reply.value != BANDS:
            raise ModelError(
                f"{self.name} does not see what it is shown: it took a picture in "
                f"{', '.join(BANDS)} for one in {', '.join(reply.value)}. Set {SECTION}.model to a "
                "vision-language model, and see that its server passes pictures on."
            )

    def answer(self, question: Question, clips: Clips) -> Annotation:
        """Answer one question; see ``answers``."""
        return self.answers([question], clips)[0]

    def answers(self, questions: Sequence[Question], clips: Clips) -> list[Annotation]:
        """Answer questions, all pairs at the same time.

        The best or worst of n is found as a cup is: pairs, then pairs of their winners, n - 1 in
        all. It is named only if it won each of its matches: the record would say that it is
        better than whatever it merely drew with.

        Args:
          questions: pairs, and the best or worst of some.
          clips: the footage of each candidate; one that is missing cannot be judged.

        Raises:
          BudgetError: it does not allow for another request.
          ModelError: the model cannot be asked until the user mends something.
          ValueError: a question of another kind.
        """
        for question in questions:
            if question.kind not in CHOICES:
                raise ValueError(f"a judge chooses among clips; it gives no {question.kind}.")
        begun = self._clock()
        pairs = [q.candidates for q in questions if q.kind is Kind.PAIR]
        outcomes = iter(self._compare(pairs, clips))
        answers = []
        for question in questions:
            if question.kind is Kind.PAIR:
                vote, prompt = next(outcomes)
                said = self._paired(question, vote, clips)
            else:
                begun = self._clock()
                said, prompt = self._cup(question, clips)
            answers.append(self._signed(said, prompt, begun))
        return answers

    def rate(self, candidate: str, footage: Footage) -> Annotation:
        """Rate one clip; see ``ratings``."""
        return self.ratings({candidate: footage})[0]

    def ratings(self, clips: Clips) -> list[Annotation]:
        """Say how good each clip is by itself, from 0 to 1, the mean of the votes.

        Ratings cost fewer requests than pairs do, n instead of n (n - 1), but two clips of
        nearly the same quality are told apart better side by side.

        Raises:
          BudgetError, ModelError: as in ``answers``.
        """
        begun = self._clock()
        chats = [self._messages(Way.RATE, footage) for footage in clips.values()]
        votes = range(self._votes)
        replies = self._asker.ask(
            Way.RATE, [chat for chat in chats for _ in votes], [*votes] * len(chats), read_rating
        )
        said = []
        for place, (chat, (candidate, footage)) in enumerate(
            zip(chats, clips.items(), strict=True)
        ):
            mine = replies[place * self._votes : (place + 1) * self._votes]
            valid = [(reply.value, reply.words) for reply in mine if reply.value is not None]
            shown = (_clip(candidate, footage),)
            if valid:
                value, words = fmean(value for value, _ in valid), reasons(valid[0][1])
                one = Annotation(self.name, Kind.RATING, shown, value=value, text=words)
            else:
                one = Annotation(self.name, Kind.SKIP, shown, text=mine[0].words)
            said.append(self._signed(one, prompt_digest(chat), begun))
        return said

    def diagnose(self, candidate: str, footage: Footage) -> Annotation:
        """Say what is wrong in one clip; see ``diagnoses``."""
        return self.diagnoses({candidate: footage})[0]

    def diagnoses(self, clips: Clips) -> list[Annotation]:
        """Say in words what is wrong in each clip, for whoever writes the next reward.

        Raises:
          BudgetError, ModelError: as in ``answers``.
        """
        begun = self._clock()
        chats = [self._messages(Way.DIAGNOSE, footage) for footage in clips.values()]
        replies = self._asker.ask(Way.DIAGNOSE, chats, [0] * len(chats), read_diagnosis)
        said = []
        for chat, reply, (candidate, footage) in zip(chats, replies, clips.items(), strict=True):
            kind, words = Kind.TEXT, reply.value
            if words is None:
                kind, words = Kind.SKIP, reply.words
            one = Annotation(self.name, kind, (_clip(candidate, footage),), text=words)
            said.append(self._signed(one, prompt_digest(chat), begun))
        return said

    def _compare(self, pairs: Sequence[tuple[str, ...]], clips: Clips) -> list[tuple[Vote, str]]:
        """Return for each pair the outcome of all votes, and the digest of what was asked."""
        asked = {}  # a pair's place to the question each way round
        for place, (first, second) in enumerate(pairs):
            if first in clips and second in clips:
                one, other = clips[first], clips[second]
                asked[place] = (
                    self._messages(Way.PAIR, one, other),
                    self._messages(Way.PAIR, other, one),
                )
        votes = [(place, k) for place in asked for k in range(self._votes)]
        chats = [chat for place, _ in votes for chat in asked[place]]
        samples = [k for _, k in votes for _ in range(2)]
        replies = self._asker.ask(Way.PAIR, chats, samples, read_verdict)
        heard: dict[int, list[Vote]] = {place: [] for place in asked}
        for (place, _), straight, turned in zip(votes, replies[::2], replies[1::2], strict=True):
            heard[place].append(both_ways(_vote(straight), _vote(turned)))
        return [
            (elected(heard[place]), prompt_digest(asked[place][0]))
            if place in asked
            else (_unseen(pair, clips), "")
            for place, pair in enumerate(pairs)
        ]

    def _paired(self, question: Question, vote: Vote, clips: Clips) -> Annotation:
        first, second = question.candidates
        shown = _clips(question, clips)
        if vote.verdict is None:
            return Annotation(self.name, Kind.SKIP, shown, text=vote.words)
        answers = {Verdict.FIRST: (first,), Verdict.SECOND: (second,), Verdict.EQUAL: ()}
        return Annotation(self.name, Kind.PAIR, shown, answers[vote.verdict], text=vote.words)

    def _cup(self, question: Question, clips: Clips) -> tuple[Annotation, str]:
        """Return the winner of all rounds, and the digest of what was asked in them."""
        shown = _clips(question, clips)
        winning = Verdict.SECOND if question.kind is Kind.WORST else Verdict.FIRST
        field, drawn, prompts, words = list(question.candidates), set[str](), "", ""
        while len(field) > 1:
            pairs = list(zip(field[::2], field[1::2], strict=False))
            field = field[2 * len(pairs) :]  # an odd one out has no match in this round
            outcomes = self._compare(pairs, clips)
            asked = "".join((prompts, *(prompt for _, prompt in outcomes)))
            prompts = hashlib.sha256(asked.encode()).hexdigest()
            for (first, second), (vote, _) in zip(pairs, outcomes, strict=True):
                words = f"In the last pair A is {first} and B is {second}. {vote.words}"
                if vote.verdict is None:
                    return Annotation(self.name, Kind.SKIP, shown, text=words), prompts
                if vote.verdict is Verdict.EQUAL:
                    drawn.add(first)
                field.append(second if vote.verdict is winning.turned else first)
        if field[0] in drawn:
            text = f"no clip is clearly the {question.kind} of all. {words}"
            return Annotation(self.name, Kind.SKIP, shown, text=text), prompts
        return Annotation(self.name, question.kind, shown, (field[0],), text=words), prompts

    def _messages(self, way: Way, *shown: Footage) -> tuple[Message, ...]:
        return judge_messages(way, self._description, self._rubric, shown, self._style)

    def _signed(self, said: Annotation, prompt: str, begun: float) -> Annotation:
        """Return what was said with when, how fast and to what question.

        Its id is made before the times are known: a run that is continued and reads the same
        answers from its cache enters the same record, and the journal has it once.
        """
        said = replace(said, prompt=prompt, id="")
        now = self._clock()
        return replace(said, when=now, seconds=now - begun)


def open_judge(
    settings: JudgeSettings,
    description: TaskDescription,
    folder: Path,
    env: Mapping[str, str],
    *,
    on_answer: Callable[[Answer], None] = lambda _: None,
    before_request: Callable[[], None] | None = None,
) -> Judge:
    """Return the judge that the settings describe.

    Args:
      settings: checked ones.
      description: of the task.
      folder: where its answers are kept, one file each.
      env: environment variables, for the key and the address.
      on_answer: hears each answer as it arrives, for the ledger.
      before_request: see ``OpenAIModel``.

    Raises:
      ConfigError: the rubric cannot be read.
      ModelError: the settings cannot work.
    """
    # Imported here because it takes a second, and runs without a judge need none of it.
    from reward_synth.propose.llm.openai import OpenAIModel

    server = settings.model_settings(env)
    key = env.get(server.key_variable, "").strip() if server.key_variable else ""
    model = CachedModel(OpenAIModel(server, key, before_request), folder, SECTION)
    return Judge(Asker(model, on_answer), settings, description, settings.principles())


def _vote(reply: Reply[Verdict]) -> Vote:
    return Vote(reply.value, reply.words if reply.value is None else reasons(reply.words))


def _unseen(pair: Sequence[str], clips: Clips) -> Vote:
    missing = " and ".join(id for id in pair if id not in clips)
    return Vote(None, f"there is no footage of {missing}.")


def _clips(question: Question, clips: Clips) -> tuple[Clip, ...]:
    return tuple(_clip(id, clips.get(id)) for id in question.candidates)


def _clip(candidate: str, footage: Footage | None) -> Clip:
    if footage is None:
        return Clip(candidate)
    return Clip(candidate, rollout=footage.rollout, digest=footage.digest)
