"""Answers kept on disk as they arrive, so that a crash loses none that were paid for."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from reward_synth.errors import ModelError
from reward_synth.files import write_text
from reward_synth.propose.llm.records import (
    Answer,
    Completion,
    LanguageModel,
    OnAnswer,
    Request,
    judged,
)

log = logging.getLogger(__name__)


class CachedModel:
    """A language model that asks nothing twice.

    One JSON file an answer, ``<sha256>.json``, the hash being over the model's identity
    (server, model, sampling parameters), the messages and the sample's index; of images it holds
    hashes. Answers that
    were paid for but cannot be used (cut off, empty) are kept too; failures that brought
    nothing are not, and are asked again.

    Two runs that share a folder share their answers: give each run its own.

    Args:
      model: the model to ask for what is not there.
      folder: made if it does not exist.
      section: of the configuration, in which the model is set up.

    Raises:
      ModelError: the folder cannot be made.
    """

    def __init__(self, model: LanguageModel, folder: Path, section: str = "llm") -> None:
        self.model = model
        self.folder = folder
        self._section = section
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ModelError(
                f"cannot make the folder {folder} to keep answers in ({error.strerror}): "
                "choose another one."
            ) from error

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def identity(self) -> Mapping[str, str | float | None]:
        """The model's identity."""
        return self.model.identity

    async def complete(self, requests: Sequence[Request], on_answer: OnAnswer) -> list[Answer]:
        """Answer from the folder what is there, then ask the model for the rest."""
        answers: dict[int, Answer] = {}
        for index, request in enumerate(requests):
            completion = self._load(self.path(request))
            if completion is not None:
                answers[index] = judged(completion, self._section)
                on_answer(index, answers[index])
        missing = [index for index in range(len(requests)) if index not in answers]

        def keep(position: int, answer: Answer) -> None:
            index = missing[position]
            completion = answer if isinstance(answer, Completion) else answer.completion
            if completion is not None:
                self._save(self.path(requests[index]), requests[index], completion)
            on_answer(index, answer)

        fresh = await self.model.complete([requests[index] for index in missing], keep)
        answers.update(zip(missing, fresh, strict=True))
        return [answers[index] for index in range(len(requests))]

    def path(self, request: Request) -> Path:
        """Return the file that holds, or would hold, the answer to a request."""
        key = {"identity": dict(self.identity), **request.to_json()}
        text = json.dumps(key, sort_keys=True, ensure_ascii=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.json"

    def _load(self, path: Path) -> Completion | None:
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))["completion"]
            return replace(_completion(kept), cached=True)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the kept answer %s cannot be read (%s): asking again.", path, error)
            return None

    def _save(self, path: Path, request: Request, completion: Completion) -> None:
        record = {
            "completion": asdict(completion),
            "identity": dict(self.identity),
            **request.to_json(),
        }
        try:
            write_text(path, json.dumps(record, indent=1, ensure_ascii=False))
        except OSError as error:
            # The answer itself is fine, and handing it on is the best way to keep it.
            log.warning("cannot keep an answer in %s (%s); going on.", path, error.strerror)


def _completion(kept: Mapping[str, object]) -> Completion:
    """Rebuild a completion, refusing what this version would not have written."""
    names = {field.name for field in fields(Completion)}
    if set(kept) != names:
        raise ValueError(f"its fields are not {sorted(names)}")
    if not isinstance(kept["text"], str):
        raise TypeError("its text is not text")
    return Completion(**kept)  # pyright: ignore[reportArgumentType]
