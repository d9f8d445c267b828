"""The whole loop on a task that trains in a blink: results, resuming, budgets and bad luck."""

from __future__ import annotations

import errno
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reward_synth.errors import ModelError, RunError
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import best_of
from reward_synth.search.config import (
    BudgetSettings,
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    VideoSettings,
)
from reward_synth.search.loop import resume, start
from reward_synth.search.store import INCUMBENT, Store
from reward_synth.train.config import PPOConfig


class Ear:
    """A listener that remembers."""

    def __init__(self):
        self.heard = []
        self.generations = []
        self.compared = None

    def notice(self, text):
        self.heard.append(text)

    def training(self, title):
        self.heard.append(title)

    def trained(self):
        self.heard.append("trained")

    def tick(self, tick):
        assert tick.done <= tick.total
        assert tick.spent.env_steps >= tick.done

    def generation(self, archive, best, total):
        assert archive.generations <= total
        self.generations.append(
            [c for c in archive.candidates if c.generation == archive.generations - 1]
        )

    def comparison(self, comparison, best):
        self.compared = comparison


EXPLORED = 16 * 128  # random actions that rewards are screened on

# One training for each candidate and nothing else.
PLAIN = SearchSettings(
    strategy="iid",
    steps=512,
    episodes=4,
    screens=False,
    remember=False,
    duplicates=0.0,
    rungs=(),
    keep=(),
    oversample=1,
    reruns=0,
)


@pytest.fixture(scope="module")
def config(point_task_folder):
    return RunConfig(
        task=str(point_task_folder),
        llm=LLMSettings(kind="offline"),
        search=SearchSettings(
            generations=2,
            candidates=6,
            steps=512,
            episodes=4,
            lineages=2,
            oversample=1,
            reruns=1,
            remember=False,
        ),
        final=FinalSettings(trainings=2, episodes=4),
        train=PPOConfig(envs=4, horizon=16, epochs=2, minibatches=2, hidden=(8, 8)),
        video=VideoSettings(enabled=False),
        isolate=False,
    )


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    ear = Ear()
    comparison = start(config, folder, ear)
    return folder, comparison, ear


def results(folder):
    """All that a run found, without what depends on the clock."""
    with Store.read(folder) as store:
        found = {"result": store.get("result"), "seeds": store.get("seeds")}
        found["candidates"] = [c.to_json() for c in store.candidates()]
        found["env_steps"] = store.spent().env_steps
        found["ledger"] = sorted((id, s.env_steps) for id, _, s in store.ledger() if s.env_steps)
    for pattern in ("gen_*/cand_*/reward.py", "**/metrics.jsonl", "**/policy.npz"):
        for path in sorted(folder.glob(pattern)):
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def test_a_run_from_the_first_proposal_to_the_comparison(finished, config):
    folder, comparison, ear = finished
    assert [len(g) for g in ear.generations] == [15, 6]
    assert set(comparison.scores) == {"found", "expert", "sparse"}
    assert all(len(s.trainings) == 2 for s in comparison.scores.values())
    assert ear.compared == comparison
    with Store.read(folder) as store:
        candidates = store.candidates()
        spent = store.spent()
        chosen, events = store.get("best"), store.events()
        ledger = {id for id, _, _ in store.ledger()}
    archive = Archive(tuple(candidates), 2)
    best = archive[chosen]
    estimates = archive.estimates
    assert estimates[best.id].cautious == max(e.cautious for e in estimates.values())
    assert len(best.score.trainings) > 1  # it was not believed at its first word
    assert {"gen_00/train", "gen_00/rerun", "gen_01/train", "gen_01/rerun"} <= ledger
    assert all(c.score or c.rejection or c.cut for c in candidates)
    for generation in (0, 1):
        mine = [c for c in candidates if c.generation == generation and c.standings]
        assert sum(c.cut for c in mine) >= 2
        assert sum(c.wildcard for c in mine) == 1
        assert all(c.score for c in mine if c.wildcard)
    assert "Means over training" in best.reflection
    # later generations descend from earlier ones
    assert any(c.parents for c in candidates if c.generation == 1)
    noted = [detail for _, kind, detail in events if kind == INCUMBENT]
    assert [detail["generation"] for detail in noted] == [0, 1, 2]  # the last after re-runs
    assert noted[-1]["best"] == best.id
    for candidate in candidates:
        place = folder / candidate.folder
        written = ["prompt.json", "response.md", "reward.py"]
        written += ["metrics.jsonl", "policy.npz"] if candidate.trains else []
        assert all((place / name).is_file() for name in written), candidate.id
    per_iteration = 4 * 16
    trained = sum(
        len(path.read_text().splitlines()) * per_iteration
        for path in folder.glob("**/metrics.jsonl")
    )
    held_out = 4 * 20 * (21 + 3 + 6)
    assert trained + EXPLORED < spent.env_steps <= trained + EXPLORED + held_out
    assert any("offline" in text for text in ear.heard)
    assert sum("sandbox" in text for text in ear.heard) == 1


def test_the_same_seed_gives_the_same_run_and_another_one_another(finished, config, tmp_path):
    folder, _, _ = finished
    start(config, tmp_path / "same", Ear())
    assert results(tmp_path / "same") == results(folder)
    start(replace(config, seed=1, threads=1), tmp_path / "other", Ear())
    assert results(tmp_path / "other")["candidates"] != results(folder)["candidates"]


def test_resuming_a_finished_run_says_it_again_and_does_nothing(finished):
    folder, comparison, _ = finished
    before, ear = results(folder), Ear()
    assert resume(folder, ear) == comparison
    assert results(folder) == before
    assert not any(text.startswith(("generation", "final")) for text in ear.heard)


def test_ctrl_c_keeps_what_is_done(config, finished, tmp_path):
    class Impatient(Ear):
        def generation(self, archive, best, total):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(config, tmp_path / "run", Impatient())
    assert len(results(tmp_path / "run")["candidates"]) == 15
    resume(tmp_path / "run", Ear())
    assert results(tmp_path / "run") == results(finished[0])


def test_a_budget_of_steps_is_not_passed_and_the_final_keeps_its_share(config, tmp_path):
    ear = Ear()
    once = 512 + 4 * 20
    limit = 3 * once + 6 * once + 100
    plain = replace(PLAIN, candidates=3, generations=2)
    budget = BudgetSettings(env_steps=limit)
    comparison = start(replace(config, search=plain, budget=budget), tmp_path / "run", ear)
    assert comparison is not None
    assert len(ear.generations) == 1
    assert any("The search stops here" in text for text in ear.heard)
    assert results(tmp_path / "run")["env_steps"] <= limit


def test_the_last_generation_is_as_large_as_the_budget_allows(config, tmp_path):
    ear, once = Ear(), 512 + 4 * 20
    plain = replace(PLAIN, candidates=3, generations=2)
    settings = replace(
        config,
        search=replace(plain, generations=9),
        final=FinalSettings(trainings=0),
        budget=BudgetSettings(env_steps=5 * once + 10),
    )
    start(settings, tmp_path / "run", ear)
    assert [len(g) for g in ear.generations] == [3, 2]


def test_a_budget_too_small_for_anything_says_so(config, tmp_path):
    budget = BudgetSettings(env_steps=100)
    ear = Ear()
    with pytest.raises(RunError, match="no candidate could be trained"):
        start(replace(config, budget=budget), tmp_path / "run", ear)
    assert any("more than the budget leaves" in text for text in ear.heard)
    assert results(tmp_path / "run")["env_steps"] == 0


def test_out_of_time_in_the_middle_of_a_training(config, tmp_path):
    class Slow(Ear):
        def tick(self, tick):
            time.sleep(0.5)

    ear = Slow()
    budget = BudgetSettings(seconds=3.0)
    with pytest.raises(RunError, match="no candidate could be trained"):
        start(replace(config, budget=budget), tmp_path / "run", ear)
    assert any("seconds is used up" in text for text in ear.heard)


# Answers of a "language model", and what becomes of each.
PROGRAM = """```python
WEIGHTS = {{"near": 1.0}}

def reward(state, action, next_state, w):
    near = {}
    terms = {{"near": w["near"] * near}}
    return sum(terms.values()), terms
```"""
ANSWERS = {
    "good": (PROGRAM.format("-jnp.abs(next_state.position - 1.0)"), None),
    "prose": ("I would rather not.", "parse"),
    "unknown field": (PROGRAM.format("next_state.positon"), "lint"),
    "import": (PROGRAM.format("__import__('os').getpid()"), "lint"),
    "wrong shape": (PROGRAM.format("action"), "trace"),
    "constant": (PROGRAM.format("jnp.ones(())"), "trace"),
    "1e30": (PROGRAM.format("next_state.position * 1e30"), "trace"),
    "NaN at home": (PROGRAM.format("jnp.log(state.velocity)"), "trace"),
    "NaN later": (
        PROGRAM.format("jnp.where(jnp.abs(next_state.position) > 0.6, jnp.inf, -state.velocity)"),
        "train",
    ),
    "1e9 later": (PROGRAM.format("jnp.exp(30.0 * next_state.position) * 1e-3"), "train"),
}


def test_every_bad_reward_is_turned_down_in_words_and_disturbs_nobody(config, tmp_path):
    answers = tmp_path / "answers"
    answers.mkdir()
    for i, (text, _) in enumerate(ANSWERS.values()):
        (answers / f"{i:03}.md").write_text(text)
    for i in range(len(ANSWERS), 40):  # repairs that are no better
        (answers / f"{i:03}.md").write_text("Still not.")
    replayed = replace(
        config,
        llm=LLMSettings(kind="replay", folder=str(answers)),
        search=replace(PLAIN, generations=1, candidates=len(ANSWERS), repairs=0, steps=2048),
        final=FinalSettings(trainings=0),
    )
    ear = Ear()
    assert start(replayed, tmp_path / "run", ear) is None
    (candidates,) = ear.generations
    for candidate, (name, (_, stage)) in zip(candidates, ANSWERS.items(), strict=True):
        rejected = candidate.rejection and candidate.rejection.stage.value
        assert rejected == stage, (name, candidate.rejection)
        assert stage is None or len(candidate.rejection.reason) > 30
    assert best_of(candidates).id == "g00c00"


def test_a_repair_takes_the_place_of_what_was_turned_down(config, tmp_path):
    answers = tmp_path / "answers"
    answers.mkdir()
    (answers / "000.md").write_text(ANSWERS["unknown field"][0])
    (answers / "001.md").write_text(ANSWERS["good"][0])
    (answers / "002.md").write_text(ANSWERS["good"][0])
    replayed = replace(
        config,
        llm=LLMSettings(kind="replay", folder=str(answers)),
        search=replace(PLAIN, generations=1, candidates=2, repairs=1),
        final=FinalSettings(trainings=0),
    )
    ear = Ear()
    start(replayed, tmp_path / "run", ear)
    (candidates,) = ear.generations
    assert [c.rejection for c in candidates] == [None, None]
    assert candidates[0].operator == "initial, repaired"
    place = tmp_path / "run" / candidates[0].folder
    assert "positon" in (place / "response.md").read_text()
    assert "positon" not in (place / "response_repair_1.md").read_text()
    asked = json.loads((place / "prompt_repair_1.json").read_text())
    assert "Did you mean 'position'?" in asked[-1]["content"]


def test_an_answer_that_was_paid_for_is_not_asked_for_again(config, tmp_path):
    answers = tmp_path / "answers"
    answers.mkdir()
    for i in range(2):
        (answers / f"{i:03}.md").write_text(ANSWERS["good"][0])
    replayed = replace(
        config,
        llm=LLMSettings(kind="replay", folder=str(answers)),
        search=replace(PLAIN, generations=2, candidates=2),
        final=FinalSettings(trainings=0),
    )
    ear = Ear()
    with pytest.raises(ModelError, match="it holds 2 answers"):
        start(replayed, tmp_path / "run", ear)
    assert len(ear.generations) == 1
    for i in range(2, 4):
        (answers / f"{i:03}.md").write_text(ANSWERS["good"][0])
    ear = Ear()
    resume(tmp_path / "run", ear)
    assert len(ear.generations) == 2


def test_a_folder_that_holds_a_run_is_not_begun_again(finished, config):
    with pytest.raises(RunError, match="resume="):
        start(config, finished[0], Ear())


def test_a_run_that_was_stopped_before_it_began_is_begun_anew(config, tmp_path):
    with Store.open(tmp_path / "run"):
        pass
    with pytest.raises(RunError, match="start it anew"):
        resume(tmp_path / "run", Ear())
    quick = replace(
        config,
        search=replace(PLAIN, generations=1, candidates=1),
        final=FinalSettings(trainings=0),
    )
    start(quick, tmp_path / "run", Ear())
    assert len(results(tmp_path / "run")["candidates"]) == 1


def test_two_runs_in_one_folder(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    with Store.open(folder), pytest.raises(RunError, match="another process is running"):
        resume(folder, Ear())


def test_a_task_that_changed_cannot_be_resumed(config, point_task_folder, tmp_path):
    task = tmp_path / "point"
    shutil.copytree(point_task_folder, task, ignore=shutil.ignore_patterns("__pycache__"))
    quick = replace(
        config,
        task=str(task),
        search=replace(config.search, generations=1, candidates=1),
        final=FinalSettings(trainings=0),
    )
    start(quick, tmp_path / "run", Ear())
    (task / "task.md").write_text("# Point\n\nGo somewhere else.\n")
    with pytest.raises(RunError, match="has changed since this run began"):
        resume(tmp_path / "run", Ear())


def test_no_run_to_resume(tmp_path):
    with pytest.raises(RunError, match=r"no run\.db"):
        resume(tmp_path, Ear())


def test_a_full_disk_loses_nothing(config, finished, tmp_path, monkeypatch):
    """The write that fails is the policy's of the first generation; the run goes on from there."""
    from reward_synth.train.policy import Policy

    def no_space(policy, path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Policy, "save", no_space)
        with pytest.raises(OSError, match="No space left"):
            start(config, tmp_path / "run", Ear())
    assert not list(Path(tmp_path).rglob(".policy*"))
    resume(tmp_path / "run", Ear())
    assert results(tmp_path / "run") == results(finished[0])
