"""What docs/search.md says: its strategy is run, its settings are those there are."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import yaml

from reward_synth.search.config import (
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    VideoSettings,
)
from reward_synth.search.listener import Silence
from reward_synth.search.loop import start
from reward_synth.search.store import INCUMBENT, Store
from reward_synth.search.strategies import STRATEGIES
from reward_synth.train.config import TRANSFORMS, PPOConfig

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
PRESETS = ROOT / "reward_synth" / "conf" / "search"


@pytest.fixture
def strategy(tmp_path, monkeypatch):
    """The guide's strategy, in a file of its own, named as the guide says."""
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "half_new.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    (name,) = set(re.findall(r"search\.strategy=(\w+:\w+)", GUIDE))
    return name


def test_the_strategy_of_the_guide_searches(strategy, point_task_folder, tmp_path):
    folder = tmp_path / "run"
    settings = RunConfig(
        task=str(point_task_folder),
        llm=LLMSettings(kind="offline"),
        search=SearchSettings(
            strategy,
            generations=2,
            candidates=4,
            steps=512,
            episodes=4,
            remember=False,
            oversample=1,
        ),
        final=FinalSettings(trainings=0),
        train=PPOConfig(envs=4, horizon=16, epochs=2, minibatches=2, hidden=(8, 8)),
        video=VideoSettings(enabled=False),
        isolate=False,
    )
    start(settings, folder, Silence())
    with Store.read(folder) as store:
        candidates, chosen = store.candidates(), store.get("best")
        incumbents = [detail["best"] for _, kind, detail in store.events() if kind == INCUMBENT]
    first, second = ([c for c in candidates if c.generation == g] for g in (0, 1))
    assert [c.kind for c in first] == ["initial"] * 4
    assert [c.kind for c in second] == ["initial", "structure"] * 2
    # A structure may also be written afresh, and then has no parent.
    assert {parent for c in second for parent in c.parents} == {incumbents[0]}
    assert chosen == incumbents[-1]


def test_settings_are_listed_with_their_defaults():
    listed = dict(re.findall(r"^\| `search\.(\w+)` \| `([^`]*)` \|", GUIDE, re.MULTILINE))
    assert {name: json.loads(value) for name, value in listed.items()} == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(SearchSettings()).items()
        if name != "strategy"
    }


def test_settings_presets_and_transforms_that_are_named_exist():
    known = {
        "search": {f.name for f in fields(SearchSettings)},
        "train": {f.name for f in fields(PPOConfig)},
        "final": {f.name for f in fields(FinalSettings)},
    }
    for group, name in re.findall(r"(?<![./\w])(search|train|final)\.([a-z_]+)", GUIDE):
        assert name in known[group], name
    presets = {p.stem for p in PRESETS.glob("[!_]*.yaml")}
    assert set(re.findall(r"`search=(\w+)`", GUIDE)) <= presets
    assert presets <= set(re.findall(r"search=(\w+)", GUIDE))
    assert set(re.findall(r"^- `(\w+)`: ", GUIDE, re.MULTILINE)) == set(TRANSFORMS) - {"none"}
    for name in STRATEGIES:
        assert name in GUIDE


def test_presets_have_the_sizes_that_the_guide_gives():
    rows = re.findall(
        r"^\| `search=(\w+)` \|[^|]*\| (\d+) (?:generations|rounds) of (\d+|one)",
        GUIDE,
        re.MULTILINE,
    )
    assert len(rows) == 5
    for name, generations, candidates in rows:
        preset = yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))
        assert preset["generations"] == int(generations)
        assert preset["candidates"] == (1 if candidates == "one" else int(candidates))


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:reward_synth|benchmarks)/[\w/.]+)`", GUIDE)))
)
def test_files_that_are_named_exist(path):
    assert (ROOT / path).exists()
