"""Labelling in a terminal: paths of clips to open in any player, and answers by key."""

from __future__ import annotations

import sys
from pathlib import Path
from string import ascii_uppercase

from reward_synth.label.desk import Asked, Desk
from reward_synth.label.dialogue import Dialogue
from reward_synth.report.words import plural


def ask_in_terminal(folder: Path, who: str) -> int:
    """Ask on standard input and output until the input ends; return the exit code."""

    def show(asked: Asked) -> None:
        for letter, exhibit in zip(ascii_uppercase, asked.exhibits, strict=False):
            print(f"  {letter}  {exhibit.path}{'  (cannot be seen)' if exhibit.fault else ''}")

    def ask(prompt: str) -> str:
        print(prompt, end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            print()
            raise EOFError
        return line

    print(f"You are {who}; another name with --who.")
    count = Dialogue(Desk(folder), who, show, ask, print).run()
    print(f"{plural(count, 'answer')} kept in {folder}.")
    return 0
