"""Labelling by typed answers: the terminal's way, and the notebook's."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from string import ascii_uppercase

from reward_synth.errors import FeedbackError
from reward_synth.feedback.annotations import Annotation, Kind
from reward_synth.label.desk import Asked, Desk, Turn, words
from reward_synth.report.words import plural

_QUESTIONS = {
    Kind.PAIR: "Which does it better?",
    Kind.BEST: "Which does it best?",
    Kind.WORST: "Which does it worst?",
}


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Asks one annotator about one run until they leave or there is nothing left.

    Attributes:
      desk: where questions come from and answers go.
      who: is asked.
      show: puts clips before them.
      ask: returns what they type after a prompt; raises EOFError where they leave.
      say: tells them something, a line at a time.
    """

    desk: Desk
    who: str
    show: Callable[[Asked], None]
    ask: Callable[[str], str]
    say: Callable[[str], None]

    def run(self) -> int:
        """Ask until they leave; return how many choices and skips were kept."""
        count, again = 0, None
        while True:
            turn = self.desk.turn(self.who)
            asked = again or (turn.asked if turn else None)
            again = None
            if turn is None or asked is None:
                self.say(_nothing(turn))
                return count
            if turn.waiting:
                left = max(0, turn.wanted - turn.given)
                self.say(f"The run waits for {plural(left, 'more comparison')}.")
            if asked.fault:
                self.say(f"{asked.fault} Skip it.")
            self.show(asked)
            began = time.monotonic()
            reply = self._reply(asked)
            if reply == "q":
                return count
            if reply == "u":
                again = self._undo(turn)
                count -= again is not None
            elif reply.startswith("w "):
                self._keep(Annotation(self.who, Kind.TEXT, asked.clips, text=reply[2:]))
                again = asked
            else:
                name, _, reason = reply.partition(" ")
                said = asked.answers(self.who)[name]
                self._keep(replace(said, text=reason, seconds=time.monotonic() - began))
                count += 1

    def _reply(self, asked: Asked) -> str:
        """Return "q", "u", "w" and words, or the name of an answer and perhaps a reason."""
        letters = ascii_uppercase[: len(asked.clips)].lower()
        names = {letter: str(place) for place, letter in enumerate(letters)}
        names["s"] = "skip"
        if asked.kind is Kind.PAIR:
            names["="] = "tie"
        if asked.fault:
            names = {"s": "skip"}
        offered = [*(letter.upper() for letter in letters if letter in names)]
        offered += ["= alike"] * ("=" in names)
        prompt = ", ".join([*offered, "s skip", "u undo", "w words", "q quit"])
        while True:
            try:
                typed = self.ask(f"{_QUESTIONS[asked.kind]} [{prompt}] ").strip()
            except EOFError:
                return "q"
            key, _, rest = typed.partition(" ")
            key, rest = key.lower(), rest.strip()
            if key in ("q", "u") and not rest:
                return key
            if key == "w" and rest:
                return f"w {rest}"
            if key in names:
                return f"{names[key]} {rest}".strip()
            self.say(f"{typed!r} is none of these. A reason may follow an answer: A steadier")

    def _undo(self, turn: Turn) -> Asked | None:
        if turn.last is None:
            self.say("There is nothing to take back.")
            return None
        self._keep(
            Annotation(self.who, Kind.UNDO, undoes=turn.last.id), f"Taken back: {words(turn.last)}."
        )
        return self.desk.undone(turn.last)

    def _keep(self, said: Annotation, confirmation: str = "") -> None:
        try:
            self.desk.take(replace(said, id=secrets.token_hex(16)))
        except FeedbackError as error:
            self.say(f"Not kept: {error}")
        else:
            self.say(confirmation or f"Kept: {words(said)}.")


def _nothing(turn: Turn | None) -> str:
    if turn is None:
        return "There is nothing to show yet: the first policies are in training."
    return "There is nothing left to ask you just now; come back after the next generation."
