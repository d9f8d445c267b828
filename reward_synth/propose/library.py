"""Rewards that earlier runs stood by: examples for tasks that are alike.

A folder of JSON files that outlives runs. Text2Reward (Xie et al. 2024, section 3) shows a
model the stored pairs whose instructions are the most similar to the new one, by a sentence
embedding. Here similarity is plain text's: it needs no second model and no download, and of
"walk forward" and "stroll ahead" it sees nothing in common.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from reward_synth.files import write_text
from reward_synth.propose.prompts import environment_class, one_line
from reward_synth.records import RewardProgram, TaskDescription

log = logging.getLogger(__name__)

_MOST_EXAMPLES = 256
_MOST_BYTES = 64_000
_GRAM = 4  # letters: "hop" and "hopping" share some, and few words share by accident


@dataclass(frozen=True, slots=True)
class Example:
    """A reward that a run stood by, and what it is for.

    Attributes:
      task: the task's name.
      sentence: what the robot should do, as a person said it.
      environment: what a program can read, as a Python class.
      source: the reward program.
      note: where it comes from, without any measure of how good it is.
      when: it was added, in seconds since 1970.
    """

    task: str
    sentence: str
    environment: str
    source: str
    note: str
    when: float


def example(
    description: TaskDescription, program: RewardProgram, note: str, when: float
) -> Example:
    """Return what the library keeps of a task and a program for it."""
    environment = environment_class(description)
    return Example(description.name, description.sentence, environment, program.source, note, when)


def add(folder: Path, new: Example) -> None:
    """Keep an example; where the folder is full, the oldest goes. The same program is kept once.

    Raises:
      OSError: the folder cannot be written.
    """
    digest = hashlib.sha256(f"{new.task}\n{new.source}".encode()).hexdigest()
    text = json.dumps(asdict(new), indent=1)
    if len(text.encode()) > _MOST_BYTES:
        log.warning("a program of %s is too long for the library: it is left out.", new.task)
        return
    write_text(folder / f"{digest[:16]}.json", text)
    kept = sorted(_files(folder).items(), key=lambda item: (item[1].when, item[0].name))
    for path, _ in kept[: max(0, len(kept) - _MOST_EXAMPLES)]:
        path.unlink(missing_ok=True)


def load(folder: Path) -> list[Example]:
    """Return all examples, the oldest first; a file that is none is skipped with a warning."""
    return sorted(_files(folder).values(), key=lambda e: (e.when, e.task, e.source))


def similar(
    examples: Sequence[Example],
    description: TaskDescription,
    count: int,
    *,
    own: bool = False,
) -> tuple[Example, ...]:
    """Return the newest example of each of the most similar tasks, the most similar first.

    Args:
      examples: of the library.
      description: the task to find examples for.
      count: at most so many; fewer if fewer have anything in common with it.
      own: whether examples of the task itself count. Where a search is measured they would be
        the answer: a task of this name or this sentence is left out.
    """
    newest = {e.task: e for e in sorted(examples, key=lambda e: e.when)}
    sentence = _normal(description.sentence)
    others = [
        e
        for _, e in sorted(newest.items())
        if own or (e.task != description.name and _normal(e.sentence) != sentence)
    ]
    likenesses = _cosines(sentence, [_normal(e.sentence) for e in others])
    ranked = sorted(zip(likenesses, others, strict=True), key=lambda pair: -pair[0])
    return tuple(e for likeness, e in ranked[:count] if likeness > 0.0)


def _files(folder: Path) -> dict[Path, Example]:
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError("it is too large")
            found[path] = _read(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is no example for the library and is skipped: %s.", path, error)
    return found


def _read(data: object) -> Example:
    if not isinstance(data, dict) or set(data) != set(Example.__slots__):
        raise ValueError(f"it needs exactly {', '.join(Example.__slots__)}")
    if not all(isinstance(data[name], str) for name in Example.__slots__ if name != "when"):
        raise ValueError("its texts must be texts")
    if not isinstance(data["when"], (int, float)) or not math.isfinite(data["when"]):
        raise ValueError("when must be a number of seconds")
    return Example(**data)


def _normal(sentence: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in sentence.lower())
    return one_line(words)


def _cosines(query: str, texts: Sequence[str]) -> list[float]:
    """Return how much each text is like the query, in [0, 1].

    Cosines of tf-idf vectors (Salton & Buckley 1988) over groups of letters within words.
    """
    counts = [_grams(text) for text in (query, *texts)]
    documents = Counter(gram for count in counts for gram in count)
    # The logarithm is smoothed: what all texts have counts little, and not nothing.
    rarity = {gram: math.log(1 + len(counts) / n) for gram, n in documents.items()}
    vectors = [{g: (1 + math.log(n)) * rarity[g] for g, n in count.items()} for count in counts]
    norms = [math.sqrt(sum(x * x for x in vector.values())) or 1.0 for vector in vectors]
    return [
        sum(x * vectors[0].get(gram, 0.0) for gram, x in vector.items()) / (norm * norms[0])
        for vector, norm in zip(vectors[1:], norms[1:], strict=True)
    ]


def _grams(text: str) -> Counter[str]:
    padded = [f" {word} " for word in text.split()]
    return Counter(
        word[i : i + _GRAM] for word in padded for i in range(max(1, len(word) - _GRAM + 1))
    )
