"""ICPL and Text2Reward as whole runs: with their presets, and what models are told and not told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from reward_synth.feedback.annotations import Kind
from reward_synth.propose import library
from reward_synth.search.config import FeedbackSettings, FinalSettings, LLMSettings
from reward_synth.search.loop import resume, start
from reward_synth.search.memory import library_folder
from reward_synth.search.store import Store
from tests.propose.conftest import KEY, quick_and_direct, server  # noqa: F401 (fixtures)
from tests.search.test_loop import PLAIN, PROGRAM, Ear, config  # noqa: F401 (a fixture)

TINY = (
    "llm=offline search.generations=2 search.steps=512 search.episodes=2 search.remember=false "
    "final.trainings=1 final.episodes=2 train.envs=4 train.horizon=16 train.epochs=1 "
    "train.minibatches=1 train.hidden=[8,8] video.enabled=false isolate=false"
).split()
# Nothing that a trace shows of it is the task's fitness.
OTHER = PROGRAM.format("-2.7 * next_state.velocity**2")


@pytest.mark.parametrize(
    ("preset", "feedback", "candidates"), [("icpl", "teacher", 3), ("text2reward", "none", 1)]
)
def test_the_presets_run_to_the_end_without_a_model(
    preset, feedback, candidates, point_task_folder, tmp_path
):
    command = (
        "import sys; from reward_synth.cli import main; sys.exit(main(sys.argv[1:]))",
        "run",
        f"task={point_task_folder}",
        f"search={preset}",
        f"feedback={feedback}",
        f"search.candidates={candidates}",
        *TINY,
    )
    done = subprocess.run(
        [sys.executable, "-c", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / done.stdout.splitlines()[-1]
    assert (folder / "report.html").is_file()
    with Store.read(folder) as store:
        made = store.candidates()
        assert store.get("result")["scores"]["found"]
        assert bool(store.journal.read()) == (preset == "icpl")
    assert len(made) == 2 * candidates
    assert any(c.score and c.kind == "revise" for c in made if c.generation == 1)


class Impatient(Ear):
    """Stops the run when so many trainings have begun."""

    def __init__(self, trainings):
        super().__init__()
        self.left = trainings

    def training(self, title):
        super().training(title)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.fixture
def asking(server, config, monkeypatch):  # noqa: F811
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.plays(server.answers(OTHER))
    return replace(
        config,
        llm=LLMSettings(kind="openai", base_url=server.url, model="model-a"),
        search=replace(PLAIN, strategy="icpl", generations=3, candidates=2),
        feedback=FeedbackSettings(source="teacher"),
        final=FinalSettings(trainings=0),
    )


def told(server):  # noqa: F811
    return ["\n".join(m["content"] for m in body["messages"]) for body in server.bodies]


def leaks(texts, candidates):
    """The numbers of the task's fitness that are found in texts, as a reflection writes them."""
    values = [value for c in candidates for value in (c.score.fitness, c.score.peak)]
    whole = [rf"(?<![\d.]){re.escape(f'{value:.3g}')}(?!\d)" for value in values]
    return {number for number in whole for text in texts if re.search(number, text)}


def test_icpl_tells_no_fitness_and_keeps_each_answer_once(server, asking, tmp_path):  # noqa: F811
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start(asking, folder, Impatient(3))
    with Store.read(folder) as store:
        early = store.journal.read()
    resume(folder, Ear())
    resume(folder, Ear())
    with Store.read(folder) as store:
        candidates, kept = tuple(store.candidates()), store.journal.read()
    assert kept[: len(early)] == early
    assert [said.kind for said in early] == [Kind.BEST, Kind.BEST, Kind.PAIR]
    assert [said.kind for said in kept[3:]] == [Kind.BEST, Kind.PAIR]
    texts = told(server)
    assert len(texts) == 6
    assert sum("term" in text for text in texts[2:]) == 4  # they are told of the training
    assert leaks(texts, candidates) == set()
    assert not any("fitness" in text.lower() for text in texts)


def test_one_that_may_know_is_told(server, asking, tmp_path):  # noqa: F811
    """What would be found in the prompts, if the test above looked for nothing."""
    sighted = replace(asking.search, strategy="eureka_elitist", generations=2)
    start(replace(asking, search=sighted), tmp_path / "run", Ear())
    with Store.read(tmp_path / "run") as store:
        assert leaks(told(server), store.candidates(0))


def test_text2reward_learns_from_another_tasks_run_and_leaves_its_own(
    server,  # noqa: F811
    asking,
    point_task_folder,
    tmp_path,
    monkeypatch,
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cart = tmp_path / "cart"
    shutil.copytree(point_task_folder, cart)
    (cart / "task.md").write_text("# Cart\n\nBring the cart to rest 1 m to the left.\n")
    search = replace(asking.search, strategy="text2reward", candidates=1, generations=2)
    first = replace(asking, search=replace(search, remember=True))
    start(first, tmp_path / "first", Ear())
    resume(tmp_path / "first", Ear())
    (left,) = library.load(library_folder())
    assert left.task == "point"
    assert "Bring the point mass to rest" in left.sentence
    assert "-2.7 * next_state.velocity**2" in left.source
    assert not any("similar task" in text for text in told(server))

    server.bodies.clear()
    second = replace(first, task=str(cart))
    with pytest.raises(KeyboardInterrupt):
        start(second, tmp_path / "second", Impatient(1))
    shutil.rmtree(library_folder())
    resume(tmp_path / "second", Ear())
    texts = told(server)
    assert len(texts) == 2
    for text in texts:  # the same example, though the library has lost it since
        assert "A reward program for a similar task" in text
        assert json.dumps(left.sentence)[1:-1] in text
    assert [example.task for example in library.load(library_folder())] == ["cart"]

    start(replace(second, search=search), tmp_path / "third", Ear())  # it remembers nothing
    assert not any("similar task" in text for text in told(server)[2:])
