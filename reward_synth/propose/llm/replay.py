"""Recorded answers in place of a language model: for demonstrations, tests and reruns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reward_synth.errors import ModelError
from reward_synth.propose.llm.records import Answer, Completion, OnAnswer, Request, judged


class ReplayModel:
    """Answers from a folder of Markdown files, one file an answer, in the order of their names.

    ``000.md, 001.md, ...``: the n-th request gets the n-th file, whatever it asks. A run's
    recorded ``response.md`` files, copied under such names, are replayed as they were.

    Args:
      folder: where the answers are.
      start: answers to skip, for a run that is continued.

    Raises:
      ModelError: the folder does not exist or holds no answer.
    """

    def __init__(self, folder: Path, start: int = 0) -> None:
        if not folder.is_dir():
            raise ModelError(
                f"the replay folder {folder} does not exist: set llm.folder to a folder of "
                "answers (000.md, 001.md, ...)."
            )
        self.folder = folder
        self._answers = sorted(folder.glob("*.md"))
        self._next = start
        if not self._answers:
            raise ModelError(
                f"the replay folder {folder} holds no answers: put 000.md, 001.md, ... there."
            )

    @property
    def name(self) -> str:
        """``replay:`` and the folder's name."""
        return f"replay:{self.folder.name}"

    @property
    def identity(self) -> Mapping[str, str | float | None]:
        """The folder."""
        return {"replay": str(self.folder.resolve())}

    async def complete(self, requests: Sequence[Request], on_answer: OnAnswer) -> list[Answer]:
        """Answer the requests with the next files; see ``LanguageModel.complete``."""
        answers: list[Answer] = []
        for index in range(len(requests)):
            if self._next >= len(self._answers):
                raise ModelError(
                    f"the replay folder {self.folder} ran out: it holds {len(self._answers)} "
                    "answers and one more was asked for. Record more, or ask for fewer candidates."
                )
            answers.append(self._read(self._answers[self._next]))
            self._next += 1
            on_answer(index, answers[-1])
        return answers

    def _read(self, path: Path) -> Answer:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"the recorded answer {path} cannot be read: {error}.") from error
        return judged(
            Completion(
                text=text,
                model=self.name,
                prompt_tokens=0,
                completion_tokens=0,
                dollars=0.0,
                finish_reason="stop",
                seconds=0.0,
            )
        )
