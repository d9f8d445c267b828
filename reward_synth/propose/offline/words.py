"""What the words of a task's sentence ask for, by rules of thumb.

Only general words are known here: no task, no robot and no field of one.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum


class Wish(StrEnum):
    """What a sentence can ask of a robot."""

    TRAVEL = "travel"
    RAISE = "raise"
    ORIENT = "orient"
    ARRIVE = "arrive"
    HOLD = "hold"
    SPIN = "spin"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# wish -> {beginning of a word: how strongly it speaks for the wish}
_BEGINNINGS: dict[Wish, dict[str, float]] = {
    Wish.TRAVEL: {
        **dict.fromkeys(("forward", "backward", "ahead", "run", "walk", "gallop", "crawl"), 1.0),
        **dict.fromkeys(("trot", "swim", "travel", "drive", "race", "hop", "sideways"), 1.0),
        **dict.fromkeys(("fast", "speed", "far", "quick"), 0.3),
        **dict.fromkeys(("move", "moving", "go "), 0.3),
    },
    Wish.RAISE: {
        **dict.fromkeys(("lift", "raise", "jump", "climb", "high", "height", "hover"), 1.0),
        **dict.fromkeys(("altitude", "rise", "take off", "stand up", "stands up"), 1.0),
        **dict.fromkeys(("stand", "fly", "up "), 0.3),
    },
    Wish.ORIENT: {
        **dict.fromkeys(("upright", "balanc", "vertical", "swing", "upside"), 1.0),
        **dict.fromkeys(("tilt", "level", "orient", "flip", "lean", "stand"), 0.7),
        **dict.fromkeys(("fall", "tip over", "turn", "rotat"), 0.3),
    },
    Wish.ARRIVE: {
        **dict.fromkeys(("reach", "target", "goal", "push", "pull", "bring", "touch"), 1.0),
        **dict.fromkeys(("place", "grasp", "pick", "put ", "catch", "follow", "insert"), 1.0),
        **dict.fromkeys(("toward", "onto", "to the"), 0.3),
    },
    Wish.HOLD: {
        **dict.fromkeys(("hold", "still", "hover", "stay", "remain"), 1.0),
        **dict.fromkeys(("stop", "keep", "rest", "steady", "stabil", "centre", "center"), 0.6),
        **dict.fromkeys(("middle", "slow", "gentl"), 0.4),
    },
    Wish.SPIN: {
        **dict.fromkeys(("spin", "twirl", "pirouette", "revolv"), 1.0),
        **dict.fromkeys(("rotat", "turn", "roll"), 0.6),
    },
}

_FILLERS = _words(
    "a an and as at be by can for from has have in into is it its keep make makes of off on "
    "or over robot so than that the then there they this to until up way while with without "
    "zero one two three x y z m s rad positive negative along about above start"
)

# What a person calls the part that stands for the whole.
_WHOLE_BODY = _words(
    "base body centre center chassis com frame hull mass pelvis root torso trunk vehicle"
)

_GOAL = _words("goal target destination setpoint desired reference hole waypoint")

_OBJECT = _words("object block ball box cube puck item payload peg cup")


def strength(sentence: str, wish: Wish) -> float:
    """Return how strongly a sentence asks for something, from 0 to 1.

    What is to be avoided ("without ...") is not asked for, but calls for staying upright.
    """
    asked, _, avoided = sentence.lower().partition("without")
    text = asked + avoided if wish is Wish.ORIENT else asked
    text = f" {' '.join(re.findall('[a-z]+', text))} "
    return max((s for start, s in _BEGINNINGS[wish].items() if f" {start}" in text), default=0.0)


def wants_the_most(sentence: str) -> bool:
    """Whether there can never be enough of it: "as fast as possible", not "at 1 m/s"."""
    return re.search(r"\b(as \w+ as|fast|far|quick|high|maxim)", sentence.lower()) is not None


def heading(sentence: str) -> tuple[str, int]:
    """Return the axis and sign of the direction that a sentence names, (x, +1) by default."""
    named = re.search(r"([+-])\s?([xyz])\b", sentence.lower())
    if named:
        return named[2], -1 if named[1] == "-" else 1
    found = set(content_words(sentence))
    if found & {"forward", "forwards", "ahead"}:
        return "x", 1
    if found & {"backward", "backwards", "reverse"}:
        return "x", -1
    if "sideways" in found:
        return "y", 1
    return "x", 1


def content_words(text: str) -> tuple[str, ...]:
    """Return the words that carry meaning, in lower case; identifiers fall into their parts."""
    return tuple(w for w in re.findall(r"[a-z]+", text.lower()) if w not in _FILLERS)


def names_whole_body(name: str) -> bool:
    """Whether a field's name is about the robot as a whole rather than about one of its limbs."""
    return bool(_WHOLE_BODY & set(content_words(name)))


def names_goal(text: str) -> bool:
    """Whether a field is a place to be reached."""
    return bool(_GOAL & set(content_words(text)))


def names_object(name: str) -> bool:
    """Whether a field is of a thing to be handled."""
    return bool(_OBJECT & set(content_words(name)))


def names_error(name: str, meaning: str) -> bool:
    """Whether a field is already a difference that should vanish."""
    if set(content_words(name)) & {"error", "offset", "difference", "deviation", "remaining"}:
        return True
    text = f"{name.replace('_', ' ')} {meaning}".lower()
    return re.search(r"\b(to|from)\b[^,;.]*\b(target|goal|object)\b", text) is not None


def names_lean(name: str) -> bool:
    """Whether an angle says how far something leans."""
    return bool({"tilt", "pitch", "roll", "lean", "inclination"} & set(content_words(name)))


def upright_angle(text: str) -> float | None:
    """Return at which angle a text says that something is upright, None if it does not say."""
    for phrase in re.split(r"[,;.](?!\d)", text):
        up = re.search(r"\b(upright|vertical|up|upward)\b", phrase) is not None
        down = re.search(r"\b(hang|hanging|hangs|down|downward)\b", phrase) is not None
        zero = re.search(r"\b(0|0\.0|zero)\b", phrase) is not None
        half_turn = re.search(r"\b(pi|180)\b", phrase) is not None
        if up != down and zero != half_turn:
            return 0.0 if up == zero else math.pi
    return None


def attention_to(sentence: str, text: str) -> float:
    """Return 1 plus the number of words of ``text`` that a sentence names, endings aside.

    A tool ("with the hand") is named, but is not what the sentence is about.
    """
    about = re.sub(r"\bwith (the|its|an?)\b.*?(?=[,;.]|$)", "", sentence.lower())
    said = {word[:5] for word in content_words(about)}
    return 1.0 + len({word[:5] for word in content_words(text)} & said)
