"""Settings of the reward from pixels: each mistake is one line that says what would do."""

import re
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from reward_synth.cli.settings import check_overrides, register_schema
from reward_synth.errors import ConfigError
from reward_synth.looks import LooksConfig
from reward_synth.propose.prompts import environment_class
from reward_synth.records import TaskDescription
from reward_synth.search.config import RunConfig, config_from_json

OWN = LooksConfig(model="benchmarks.colours:WarmHeight", goal="high", baseline="low")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"goal": " "}, "looks.goal is empty; say what a picture should show"),
        ({"model": ""}, "looks.model is empty"),
        ({"model": None}, "looks.goal needs a model that sees"),
        ({"baseline": "high "}, "the same: nothing could be told"),
        ({"alpha": 1.5}, "looks.alpha is 1.5; it must be from 0 to 1"),
        ({"every": 0}, "looks.every is 0; it must be at least 1"),
        ({"size": 8}, "looks.size is 8; it must be from 16 to 1024"),
    ],
)
def test_mistakes(changes, words):
    with pytest.raises(ConfigError, match=re.escape(words)) as info:
        replace(OWN, **changes).check()
    assert "\n" not in str(info.value)


def test_what_has_no_place_for_pictures_is_refused_in_one_line():
    for name, value in (("backend", "mjx"), ("train.transform", "par")):
        with pytest.raises(ConfigError, match=rf"looks\.model .* {name}={value} .* use {name}="):
            config = RunConfig(looks=OWN)
            if name == "backend":
                config = replace(config, backend=value)
            else:
                config = replace(config, train=replace(config.train, transform=value))
            config.check()


def test_stable_baselines_is_refused_even_where_it_is_installed(monkeypatch):
    monkeypatch.setattr("reward_synth.train.sb3.require", lambda: None)
    with pytest.raises(ConfigError, match=r"trainer=sb3 has no place for: use trainer=jax\."):
        RunConfig(looks=OWN, trainer="sb3").check()


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr("reward_synth.looks.config.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs the clip extra: pip install 'reward-synth\[cl"):
        replace(OWN, model="openai/clip-vit-base-patch32").check()
    OWN.check()  # an encoder of one's own does without


def test_presets_and_settings_reach_the_run(monkeypatch):
    monkeypatch.setattr("reward_synth.looks.config.find_spec", lambda name: object())
    register_schema()
    check_overrides(["looks=clip", "looks.goal='a robot, kneeling'", "looks.every=8"])
    with pytest.raises(ConfigError, match=r"looks\.goal is empty"):
        check_overrides(["looks=siglip"])
    with pytest.raises(ConfigError, match=r"no preset 'clap'\. Did you mean 'clip'"):
        check_overrides(["looks=clap"])
    config = RunConfig(looks=OWN)
    assert config_from_json(asdict(config)) == config


def test_the_prompt_says_what_is_looked_for():
    field = replace(OWN, every=4).field(0.25)
    description = TaskDescription("t", "s", "", (field,), ("a",), 0.1, 10, terminates=False)
    (line,) = (x for x in environment_class(description).splitlines() if "clip_score" in x)
    for words in ("scalar, dimensionless", "'high', rather than 'low'", "every 4 steps", "0.25"):
        assert words in line
    assert "rather" not in replace(OWN, baseline="").field(0.0).meaning


def test_off_imports_no_torch():
    """Not even where it is installed; nor does the text side of a run that is on."""
    code = (
        "import sys; from reward_synth.search.config import RunConfig; "
        "from reward_synth.looks import LooksConfig; import reward_synth.search.trainings; "
        "RunConfig().check(); RunConfig(looks=LooksConfig('a:b', 'g')).check(); "
        "sys.exit(len({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
