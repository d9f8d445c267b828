"""Which server a judge is asked of, with which key, and settings that cannot work."""

import pytest
from omegaconf import OmegaConf

from reward_synth.errors import ConfigError
from reward_synth.feedback.judge.settings import JudgeSettings
from reward_synth.propose.llm.settings import OPENAI, OPENAI_URL
from reward_synth.rollout.shots import Shots

LOCAL = "http://127.0.0.1:11434/v1"
KEY = {"OPENAI_API_KEY": "sk-1"}
GATEWAY = {"OPENAI_BASE_URL": "http://gateway/v1"}


@pytest.mark.parametrize(
    ("settings", "env", "url", "model", "key"),
    [
        ({}, KEY, OPENAI_URL, OPENAI.model, "OPENAI_API_KEY"),
        ({}, {}, OPENAI_URL, OPENAI.model, "OPENAI_API_KEY"),
        ({"model": "x"}, KEY, OPENAI_URL, "x", "OPENAI_API_KEY"),
        ({}, {**KEY, **GATEWAY}, "http://gateway/v1", "", "OPENAI_API_KEY"),
        ({}, GATEWAY, "http://gateway/v1", "", ""),
        ({"base_url": LOCAL}, {**KEY, **GATEWAY}, LOCAL, "", ""),  # no key of OpenAI's
        ({"base_url": LOCAL, "key_variable": "MY_KEY"}, KEY, LOCAL, "", "MY_KEY"),
        ({"base_url": f"{OPENAI_URL}/"}, KEY, OPENAI_URL, OPENAI.model, "OPENAI_API_KEY"),
    ],
)
def test_server_model_and_key(settings, env, url, model, key):
    found = JudgeSettings(**settings).model_settings(env)
    assert (found.base_url, found.model, found.key_variable) == (url, model, key)
    assert found.section == "feedback.judge"


def test_what_the_user_sets_arrives():
    settings = JudgeSettings(
        temperature=0.2,
        max_tokens=99,
        timeout_s=7.0,
        concurrency=3,
        retries=1,
        dollars_per_million=(1, 2),  # pyright: ignore[reportArgumentType]
        instants=4,
        cameras=1,
        width=100,
        height=80,
    )
    found = settings.model_settings({})
    for name in ("temperature", "max_tokens", "timeout_s", "concurrency", "retries"):
        assert getattr(found, name) == getattr(settings, name)
    assert found.dollars_per_million == (1.0, 2.0)
    assert settings.shots == Shots(4, 1, 100, 80)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"votes": 0}, r"feedback\.judge\.votes is 0; it must be from 1 to 99"),
        ({"instants": 1}, "from 2 to 64"),
        ({"cameras": 5}, "from 1 to 4"),
        ({"width": 10}, "from 64 to 2048"),
        ({"concurrency": 0}, r"feedback\.judge\.concurrency must be at least 1"),
        ({"timeout_s": 0}, r"feedback\.judge\.timeout_s must be above 0"),
        ({"dollars_per_million": (1.0,)}, "two numbers"),
        ({"rubric": "/nowhere/rubric.md"}, "No such file"),
    ],
)
def test_settings_that_cannot_work(settings, words):
    with pytest.raises(ConfigError, match=words):
        JudgeSettings(**settings).check()


def test_hydra_can_hold_them():
    """As part of a run's config they come from a command line, where a tuple is a list."""
    given = OmegaConf.from_dotlist(["votes=3", "key_variable=MINE", "dollars_per_million=[0,1]"])
    composed = OmegaConf.merge(OmegaConf.structured(JudgeSettings), given)
    OmegaConf.set_readonly(composed, None)
    settings = OmegaConf.to_object(composed)
    assert isinstance(settings, JudgeSettings)
    settings.check()
    assert (settings.votes, settings.key_variable) == (3, "MINE")
    assert settings.model_settings({}).dollars_per_million == (0.0, 1.0)


def test_rubrics(tmp_path):
    path = tmp_path / "rubric.md"
    path.write_text("\nNo jerks.\n", encoding="utf-8")
    assert JudgeSettings(rubric=str(path)).principles() == "No jerks."
    assert JudgeSettings().principles() == ""
    for content, words in ((b" \n", "has 0 characters"), (b"\xff\xfe\x00", "it is not text")):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=words):
            JudgeSettings(rubric=str(path)).check()
