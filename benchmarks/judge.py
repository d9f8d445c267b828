"""What a vision-language judge costs, and how often it agrees with fitness.

    .venv/bin/python benchmarks/judge.py envs/hopper outputs/hopper/*/gen_*/cand_*/rollout.npz \
        [--base-url http://127.0.0.1:8000/v1 --model ...] [--votes 1] [--contact-sheet] [--no-facts]

Shoots footage of each rollout and counts what a comparison of two shows. With a model it asks
about every pair, and reports the tokens, dollars and seconds that were really spent, and the share
of its verdicts that name the candidate of the higher mean fitness, which it is never told. The key
comes from the environment. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")  # before MuJoCo is imported

from reward_synth.feedback.annotations import Kind, Question
from reward_synth.feedback.judge.judge import Judge, open_judge
from reward_synth.feedback.judge.prompts import Style, Way, judge_messages
from reward_synth.feedback.judge.settings import JudgeSettings
from reward_synth.propose.llm.records import Answer, Completion
from reward_synth.rollout.episodes import Rollouts
from reward_synth.rollout.footage import Footage
from reward_synth.rollout.shoot import footage
from reward_synth.task import Task, load_task


def shown(task: Task, settings: JudgeSettings, clips: Mapping[str, Footage]) -> dict[str, Any]:
    """Count what one request about two clips shows, the mean over pairs of neighbours."""
    style = Style(settings.facts, settings.contact_sheet)
    pairs = list(itertools.pairwise(clips.values()))
    chats = [
        judge_messages(Way.PAIR, task.description, settings.principles(), pair, style)
        for pair in pairs
    ]
    images = [image for chat in chats for message in chat for image in message.images]
    return {
        "requests": 2 * settings.votes,
        "characters": round(fmean(sum(len(m.content) for m in chat) for chat in chats)),
        "images": len(images) // len(chats),
        "kilobytes": round(sum(len(image.data) for image in images) / len(chats) / 1000),
    }


def asked(
    judge: Judge, clips: Mapping[str, Footage], fitness: Mapping[str, float], heard: list[Answer]
) -> dict[str, Any]:
    """Ask about every pair; return what it took and how often fitness agrees."""
    judge.check()
    heard.clear()
    questions = [Question(Kind.PAIR, pair) for pair in itertools.combinations(clips, 2)]
    begun = time.monotonic()
    said = judge.answers(questions, clips)
    seconds = time.monotonic() - begun
    named = [one.comparisons[0] for one in said if one.kind is Kind.PAIR and one.answer]
    right = [
        (fitness[c.first] > fitness[c.second]) == (c.verdict == "first")
        for c in named
        if fitness[c.first] != fitness[c.second]
    ]
    done = [answer for answer in heard if isinstance(answer, Completion)]
    dollars = [answer.dollars for answer in done if answer.dollars is not None]
    return {
        "pairs": len(questions),
        "ties": sum(one.kind is Kind.PAIR and not one.answer for one in said),
        "skipped": sum(one.kind is Kind.SKIP for one in said),
        "agreement": fmean(right) if right else None,
        "prompt_tokens_a_request": fmean(a.prompt_tokens for a in done) if done else None,
        "completion_tokens_a_request": fmean(a.completion_tokens for a in done) if done else None,
        "dollars_a_pair": sum(dollars) / len(questions) if dollars else None,
        "seconds_a_pair": seconds / len(questions),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", type=Path)
    parser.add_argument("rollouts", type=Path, nargs="+")
    parser.add_argument("--base-url", default="")
    parser.add_argument("--model", default="")
    parser.add_argument("--votes", type=int, default=1)
    parser.add_argument("--contact-sheet", action="store_true")
    parser.add_argument("--no-facts", action="store_true")
    parser.add_argument("--rubric", default="")
    options = parser.parse_args(arguments)
    if len(options.rollouts) < 2:
        parser.error("two rollouts at least are compared.")
    settings = JudgeSettings(
        model=options.model,
        base_url=options.base_url,
        votes=options.votes,
        contact_sheet=options.contact_sheet,
        facts=not options.no_facts,
        rubric=options.rubric,
    )
    settings.check()
    task, clips, seconds = load_task(options.task), {}, []
    for path in options.rollouts:
        begun = time.monotonic()
        clips[str(path)] = footage(task, path, settings.shots)
        seconds.append(time.monotonic() - begun)
    result = {"task": task.name, "clips": len(clips), "seconds_a_clip": round(fmean(seconds), 2)}
    result |= shown(task, settings, clips)
    if options.model:
        fitness = {str(p): float(Rollouts.load(p).episode_fitness.mean()) for p in options.rollouts}
        heard: list[Answer] = []
        with tempfile.TemporaryDirectory() as folder:
            judge = open_judge(
                settings, task.description, Path(folder), os.environ, on_answer=heard.append
            )
            result |= asked(judge, clips, fitness, heard)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
