import subprocess
import sys

import pytest

from reward_synth.errors import ConfigError, ModelError
from reward_synth.propose.llm.select import choose
from reward_synth.propose.llm.settings import OLLAMA_URL, OPENAI, OPENAI_URL, VLLM_URL

KEY = {"OPENAI_API_KEY": "sk-1"}


def test_auto_with_nothing_is_offline():
    choice = choose("auto", {})
    assert choice.models == ()
    assert choice.notice == (
        "Proposing offline, without a language model (no OPENAI_API_KEY or OPENAI_BASE_URL; "
        "llm=ollama or llm=vllm need no key)."
    )


def test_auto_with_a_key_is_openai():
    choice = choose("auto", KEY)
    assert choice.models[0].settings == OPENAI
    assert choice.notice == (
        f"Proposing with {OPENAI.model} at {OPENAI_URL} (OPENAI_API_KEY is set)."
    )


def test_auto_with_another_server_needs_no_key_but_a_model():
    env = {"OPENAI_BASE_URL": "http://gpu:8000/v1/"}
    with pytest.raises(ModelError, match=r"set llm\.model to its name on http://gpu:8000/v1\."):
        choose("auto", env)
    settings = choose("auto", env, overrides={"model": "qwen"}).models[0].settings
    assert (settings.base_url, settings.key_variable) == ("http://gpu:8000/v1", "")


def test_openai_without_a_key():
    with pytest.raises(ModelError) as info:
        choose("openai", {"OPENAI_API_KEY": "  "})
    assert str(info.value) == (
        "llm=openai needs an API key: set the environment variable OPENAI_API_KEY, "
        "or choose llm=ollama, llm=vllm or llm=offline."
    )


@pytest.mark.parametrize(("llm", "url"), [("vllm", VLLM_URL), ("ollama", OLLAMA_URL)])
def test_local_servers_get_no_key_and_cost_nothing(llm, url):
    env = {**KEY, "OPENAI_BASE_URL": "https://elsewhere/v1"}
    model = choose(llm, env, overrides={"model": "qwen"}).models[0]
    assert model.settings.base_url == url
    assert model.settings.dollars_per_million == (0.0, 0.0)
    assert model._api_key == ""


def test_own_key_variable():
    overrides = {"model": "qwen", "key_variable": "VLLM_API_KEY"}
    model = choose("vllm", {"VLLM_API_KEY": "k\n"}, overrides=overrides).models[0]
    assert model._api_key == "k"
    assert "k" not in model.identity.values()


def test_replay(tmp_path):
    (tmp_path / "000.md").write_text("x")
    assert choose("replay", {}, folder=tmp_path).models[0].name == f"replay:{tmp_path.name}"
    with pytest.raises(ConfigError, match=r"llm=replay needs llm\.folder"):
        choose("replay", {})


def test_misspelt_choices_and_settings():
    with pytest.raises(ConfigError, match="Did you mean 'ollama'"):
        choose("olama", {})
    with pytest.raises(ConfigError, match=r"llm\.temprature is unknown\. Did you mean"):
        choose("openai", KEY, overrides={"temprature": 1})


@pytest.mark.parametrize("setting", ["concurrency", "retries", "max_wait_s", "timeout_s"])
def test_settings_out_of_range(setting):
    with pytest.raises(ConfigError, match=rf"llm\.{setting} must be"):
        choose("openai", KEY, overrides={setting: -1})


def test_starts_without_jax_and_offline_without_openai():
    code = (
        "import sys; import reward_synth.propose.prompts; "
        "from reward_synth.propose.llm.select import choose; choose('auto', {}); "
        "assert not {'jax', 'mujoco', 'openai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_several_models_of_one_server_share_its_places():
    choice = choose("ollama", {}, models=("small", "large"))
    assert [model.name for model in choice.models] == ["small", "large"]
    assert [model.settings.concurrency for model in choice.models] == [1, 1]
    assert choice.models[0].settings.base_url == choice.models[1].settings.base_url
    assert choice.notice == f"Proposing with small and large at {OLLAMA_URL}."
    many = choose("ollama", {}, models=tuple("abcde")).models
    assert {model.settings.concurrency for model in many} == {1}
