"""Servers in all moods at once: every candidate keeps its own answer, and no paid answer is lost.

What can be lost is what is on the way: an answer is safe once it is a file in ``answers/``,
which each is before its place asks for the next one. So a kill, or a power cut, loses no
more than ``llm.concurrency`` answers, those that arrived last; they are asked for again.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from reward_synth.search.config import FinalSettings, LLMSettings
from reward_synth.search.loop import resume
from reward_synth.search.store import Store
from tests.propose.conftest import KEY, quick_and_direct, send, server  # noqa: F401 (fixtures)
from tests.search.test_loop import ANSWERS, Ear, config  # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[2]
CONCURRENCY = 4
READ_TOKENS = 1000  # of each answer; the tokens written are its number
PATIENT_S = 300.0

FREE = ("429", "500", "garbage", "nested", "drops", "hangs")  # bring nothing that is charged for
PAID = ("truncated", "empty", "refusal", "wrong task", "half a smile", "no choice")


def token_of(messages):
    """What the server puts into its answer to these messages."""
    text = json.dumps([[m["role"], m["content"]] for m in messages])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shuffled_moods(seed, good, hangs):
    """For ever: rounds in which every mood comes once and a good one ``good`` times.

    The first is good, for a server that has never worked ends a run; and the server hangs
    ``hangs`` times in all, since that takes the client's whole patience.
    """
    dice = random.Random(seed)
    yield "good"
    while True:
        moods = [*FREE, *PAID, *["good"] * good]
        dice.shuffle(moods)
        for mood in moods:
            hangs -= mood == "hangs"
            yield "500" if mood == "hangs" and hangs < 0 else mood


@dataclass
class Moody:
    """Answers each request with a token of it and a number of its own, or in another mood."""

    server: object
    moods: Iterator
    shown: Counter = field(default_factory=Counter)
    delivered: list = field(default_factory=list)  # (sitting, number), charged for
    sitting: int = 0
    number: int = 0
    on_delivery: object = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, handler, body):
        with self.lock:
            sitting, mood = self.sitting, next(self.moods)
            self.shown[mood] += 1
            self.number += mood not in FREE
            number = self.number
        if mood in FREE:
            self.fail(mood, handler, body)
            return
        self.answer(mood, handler, token_of(body["messages"]), number)
        with self.lock:
            self.delivered.append((sitting, number))
        self.on_delivery()

    def fail(self, mood, handler, body):
        plain = self.server
        replies = {
            "429": plain.fails(429, "slow down", [("Retry-After", "1")]),
            "500": plain.fails(500, "out of memory"),
            "garbage": lambda h, _: send_bytes(h, bytes(range(256)) * 9),
            "nested": plain.says("[" * 100_000),
            "drops": plain.drops(),
            "hangs": plain.hangs(),
        }
        replies[mood](handler, body)

    def answer(self, mood, handler, token, number):
        text = f"token {token} number {number}\n\n"
        content, finish, refusal = text + ANSWERS["good"][0], "stop", None
        if mood == "truncated":
            content, finish = text + ANSWERS["good"][0][:60], "length"
        elif mood == "empty":
            content = ""
        elif mood == "refusal":
            content, refusal = None, text + "I cannot help with robots."
        elif mood == "wrong task":
            content = text + ANSWERS["unknown field"][0]
        elif mood == "half a smile":
            content = text + "\ud83d\x00" + ANSWERS["good"][0]
        message = {"role": "assistant", "content": content, "refusal": refusal}
        data = {
            "model": "model-a",
            "choices": [{"message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": READ_TOKENS, "completion_tokens": number},
        }
        if mood == "no choice":
            data["choices"] = []
        send(handler, 200, json.dumps(data))


def send_bytes(handler, data):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def kept(folder):
    """The numbers of the answers on disk."""
    records = [json.loads(path.read_text()) for path in (folder / "answers").glob("*.json")]
    return [record["completion"]["completion_tokens"] for record in records]


def entered(folder):
    """The numbers of the answers in the ledger."""
    with Store.read(folder) as store:
        entries = [spent for _, _, spent in store.ledger() if spent.prompt_tokens]
    assert all(spent.prompt_tokens == READ_TOKENS for spent in entries)
    return [spent.completion_tokens for spent in entries]


def check_the_books(moody, folder, kills):
    """Every answer was kept once and entered once, but for those on the way when it was killed."""
    numbers = [number for _, number in moody.delivered]
    assert len(set(numbers)) == len(numbers)
    assert sorted(entered(folder)) == sorted(kept(folder))
    assert len(set(kept(folder))) == len(kept(folder))
    assert set(kept(folder)) <= set(numbers)
    safe = set(kept(folder))
    lost = Counter(sitting for sitting, number in moody.delivered if number not in safe)
    assert all(sitting in kills and count <= CONCURRENCY for sitting, count in lost.items()), lost


def check_the_places(prompts_and_answers):
    """Each answer is to its own prompt; returns how many said so."""
    said = 0
    for messages, answer in prompts_and_answers:
        found = re.match(r"token (\w+) number \d+", answer)
        assert found or not answer
        if found:
            assert found[1] == token_of(messages)
            said += 1
    return said


# A whole run.

RUN = """
import json, sys
from pathlib import Path

from reward_synth.propose.llm import retry
from reward_synth.search.config import config_from_json
from reward_synth.search.loop import start
from tests.search.test_loop import Ear

retry.FIRST_PAUSE_S = 0.01
start(config_from_json(json.loads(sys.argv[2])), Path(sys.argv[1]), Ear())
"""


def test_a_run_with_a_server_in_every_mood_that_is_killed_on_the_way(
    server,  # noqa: F811
    config,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    moody = Moody(server, shuffled_moods(seed=0, good=8, hangs=1))
    server.plays(moody)
    asking = replace(
        config,
        llm=LLMSettings(
            kind="openai", base_url=server.url, model="model-a", concurrency=CONCURRENCY,
            retries=8, timeout_s=5.0,
        ),
        search=replace(config.search, candidates=6, repairs=1),
        final=FinalSettings(trainings=0),
    )  # fmt: skip
    folder, arrived = tmp_path / "run", threading.Semaphore(0)
    moody.on_delivery = arrived.release
    command = [sys.executable, "-c", RUN, str(folder), json.dumps(asdict(asking))]
    with subprocess.Popen(command, cwd=ROOT) as process:
        for _ in range(4):
            assert arrived.acquire(timeout=PATIENT_S)
        process.kill()
    moody.sitting, moody.on_delivery = 1, lambda: None
    ear = Ear()
    resume(folder, ear)

    assert len(ear.generations) == 2
    assert set(moody.shown) == {"good", *FREE, *PAID}
    check_the_books(moody, folder, kills=[0])
    said = 0
    for candidate in (c for generation in ear.generations for c in generation):
        place = folder / candidate.folder
        pairs = [
            (json.loads((place / f"prompt{suffix}.json").read_text()), path.read_text())
            for suffix in ("", "_repair_1")
            if (path := place / f"response{suffix}.md").exists()
        ]
        assert pairs
        said += check_the_places(pairs)
        if candidate.program is not None:  # it is that of the last answer, not of another's
            assert candidate.rejection or candidate.program.source.strip() in pairs[-1][1]
    assert said > 8


# The answers alone: many kills, at every point of an answer's way.

SITTING = """
import json, os, signal, sys
from dataclasses import asdict
from pathlib import Path

from reward_synth.propose.language import LanguageProposer
from reward_synth.propose.llm import retry
from reward_synth.propose.llm.cache import CachedModel
from reward_synth.propose.llm.openai import OpenAIModel
from reward_synth.propose.llm.settings import ModelSettings
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context
from reward_synth.records import TaskDescription
from reward_synth.search.budget import Budget
from reward_synth.search.config import BudgetSettings
from reward_synth.search.store import Store

retry.FIRST_PAUSE_S = 0.01
folder, given = Path(sys.argv[1]), json.loads(sys.argv[2])
with Store.open(folder) as store:
    budget = Budget(BudgetSettings(), store, "gen_00/propose")
    left = given["kill_at"]

    def on_answer(answer):
        global left
        completion = getattr(answer, "completion", answer)
        new = completion is not None and not completion.cached
        left -= new
        if new and left == 0 and given["where"] == "before the ledger":
            os.kill(os.getpid(), signal.SIGKILL)
        budget.on_answer(answer)
        if new and left == 0 and given["where"] == "after the ledger":
            os.kill(os.getpid(), signal.SIGKILL)

    settings = ModelSettings(**given["model"])
    model = CachedModel(OpenAIModel(settings, given["key"]), folder / "answers")
    proposer = LanguageProposer([model], ("abs", "exp"), on_answer)
    description = TaskDescription.from_json(given["task"])
    context = Context(description, 0, 0)
    proposals = proposer.propose(context, [Brief(Operator.INITIAL)] * given["count"])
    print(json.dumps([asdict(proposal) for proposal in proposals]))
"""
TASK = {
    "name": "point", "sentence": "Go to 1 m.", "notes": "", "actions": ["push"], "timestep": 0.1,
    "episode_steps": 20, "terminates": False,
    "fields": [{"name": "position", "shape": [], "unit": "m", "frame": "world",
                "meaning": "along the rail", "home": [0.0]}],
}  # fmt: skip


def test_killed_wherever_an_answer_is_on_its_way(server, tmp_path):  # noqa: F811
    dice, count = random.Random(0), 28
    moody = Moody(server, shuffled_moods(seed=1, good=30, hangs=0))
    server.plays(moody)
    given = {
        "model": {
            "name": "test", "model": "model-a", "base_url": server.url, "retries": 8,
            "timeout_s": PATIENT_S, "concurrency": CONCURRENCY,
        },
        "key": KEY, "task": TASK, "count": count,
    }  # fmt: skip
    wheres = ["before the ledger", "after the ledger", "on the way"] * 2
    for sitting, where in enumerate(wheres):
        on_disk = len(kept(tmp_path))
        moody.sitting = sitting
        arrived = threading.Semaphore(0)
        moody.on_delivery = arrived.release
        kill_at = dice.randint(1, 4)
        command = [sys.executable, "-c", SITTING, str(tmp_path)]
        settings = json.dumps(given | {"where": where, "kill_at": kill_at})
        with subprocess.Popen([*command, settings], cwd=ROOT, stdout=subprocess.PIPE) as process:
            if where == "on the way":
                for _ in range(kill_at):
                    assert arrived.acquire(timeout=PATIENT_S)
                threading.Event().wait(dice.uniform(0.0, 0.01))
                process.kill()
            assert process.wait() == -signal.SIGKILL
        if where != "on the way":
            assert len(kept(tmp_path)) == on_disk + kill_at
        check_the_books_so_far(moody, tmp_path, where)
    moody.sitting, moody.on_delivery = len(wheres), lambda: None
    settings = json.dumps(given | {"where": "", "kill_at": 0})
    done = subprocess.run([*command, settings], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    proposals = json.loads(done.stdout)
    assert len(proposals) == count
    places = [(proposal["prompt"], proposal["answer"]) for proposal in proposals]
    assert check_the_places(places) > count / 2
    check_the_books(moody, tmp_path, kills=range(len(wheres)))
    unanswered = sum(proposal["tokens"] == 0 for proposal in proposals)
    assert unanswered <= 2  # whose server was in a bad mood too often
    assert len(kept(tmp_path)) == count - unanswered


def check_the_books_so_far(moody, folder, where):
    """In the middle: the ledger lacks at most the one answer that it was killed before entering."""
    missing = Counter(kept(folder)) - Counter(entered(folder))
    assert Counter(entered(folder)) <= Counter(kept(folder))
    assert sum(missing.values()) <= 1
    if where == "after the ledger":
        assert not missing
