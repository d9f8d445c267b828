"""From ``name=value`` arguments to a RunConfig; each mistake in them becomes one line.

Hydra's grammar and OmegaConf's types do the work. What they say about a mistake is
for those who know them, so it is said again here, with the closest right name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reward_synth.cli.presets import CONF, presets
from reward_synth.errors import ConfigError, TaskError, did_you_mean
from reward_synth.search.config import RunConfig, config_from_json

VERSION_BASE = "1.3"

_TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple[str, ...]: "a list of names, such as [one,two]",
    tuple[int, ...]: "a list of whole numbers, such as [64,64]",
    tuple[float, ...]: "a list of numbers, such as [0.15,0.4]",
    tuple[float, float]: "a list of two numbers, such as [1.5,6]",
}


def register_schema() -> None:
    """Make RunConfig known to hydra as the schema that conf/config.yaml begins with."""
    schema = OmegaConf.structured(RunConfig)
    _thaw(schema)
    ConfigStore.instance().store("schema", schema)


def _thaw(node: DictConfig) -> None:
    """Let hydra write into it: OmegaConf makes frozen dataclasses read-only, at every depth."""
    OmegaConf.set_readonly(node, None)
    for value in node.values():
        if isinstance(value, DictConfig):
            _thaw(value)


def to_run_config(composed: DictConfig) -> RunConfig:
    """Return the settings that hydra has composed."""
    container = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(container, dict)
    return config_from_json({str(name): value for name, value in container.items()})


def check_overrides(
    overrides: Sequence[str], *, multirun: bool = False, config_dir: Path | None = None
) -> None:
    """Check settings before anything is written or started.

    In a multirun, each value that is swept over is tried with the first values of the
    others, so that a typing error does not show only after hours.

    Args:
      overrides: as typed, ``name=value``.
      multirun: whether settings may name several values.
      config_dir: a folder of further presets, hydra's ``--config-dir``.

    Raises:
      ConfigError: saying which setting is wrong, and what would do.
    """
    # Imported here because it takes MuJoCo, which --help does without.
    from reward_synth.task.load import find_task

    groups = presets(config_dir)
    parsed = [_parse(text) for text in overrides]
    for override in parsed:
        _check_name(override, groups)
        if override.is_sweep_override() and not multirun:
            raise ConfigError(
                f"{override.input_line} names several values: add --multirun to run each, or "
                f"write a list as [1,2]."
            )
    for combination in _combinations(parsed):
        for text in combination:
            _check_preset(_parse(text), groups)
        config = _compose(combination, config_dir)
        config.check()
        try:
            find_task(config.task)
        except TaskError as error:
            raise ConfigError(str(error)) from error


def _parse(text: str) -> Override:
    if "=" not in text and not text.startswith("~"):
        raise ConfigError(f"{text!r} is not a setting: write name=value, such as task=hopper.")
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        name, _, value = text.partition("=")
        raise ConfigError(
            f"{text!r} cannot be read. If the value holds special characters, quote it twice: "
            f"{name}=\"'{value}'\"."
        ) from error


def _combinations(overrides: Sequence[Override]) -> Iterator[list[str]]:
    """Lists of plain settings in which each value of each sweep occurs at least once."""
    values = [_values(override) for override in overrides]
    first = [texts[0] for texts in values if texts]
    yield first
    for texts in values:
        for text in texts[1:]:
            yield [text if other is texts else other[0] for other in values if other]


def _values(override: Override) -> list[str]:
    """The settings that a sweep stands for; none if only the sweeper knows."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    if not (override.is_choice_sweep() or override.is_range_sweep()):
        return []
    key = override.get_key_element()
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _check_name(override: Override, groups: dict[str, dict[str, str]]) -> None:
    key = override.key_or_group
    if key.split("/")[0].split(".")[0] == "hydra" or key in groups:
        return
    known = dict(_settings(RunConfig))
    if key not in known:
        raise ConfigError(f"no setting {key!r}.{_suggest(key, list(known))}")
    if is_dataclass(known[key]) and not isinstance(override.value(), dict):
        inside = ", ".join(f"{key}.{name}" for name in get_type_hints(known[key]))
        raise ConfigError(f"{key} is a group of settings, not one: {inside}.")


def _check_preset(override: Override, groups: dict[str, dict[str, str]]) -> None:
    choices = groups.get(override.key_or_group)
    value = override.value()
    if choices is None or isinstance(value, dict) or value in choices:
        return
    typed = value if isinstance(value, str) else override.get_value_element_as_str()
    raise ConfigError(
        f"{override.key_or_group} has no preset {typed!r}.{did_you_mean(typed, choices)} "
        f"Choose from {', '.join(choices)}."
    )


def _settings(cls: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting's dotted name and type, the groups of settings among them."""
    hints = get_type_hints(cls)
    for field in fields(cls):
        name, hint = f"{prefix}{field.name}", hints[field.name]
        yield name, hint
        if isinstance(hint, type) and is_dataclass(hint):
            yield from _settings(hint, f"{name}.")


def _suggest(key: str, known: list[str]) -> str:
    """The closest known name, by the whole or by the last part; else what there is."""
    last = key.split(".")[-1]
    same = [name for name in known if name.split(".")[-1] == last]
    if same:
        return f" Did you mean {' or '.join(repr(name) for name in same)}?"
    group = key.rpartition(".")[0]
    inside = [name for name in known if group and name.startswith(f"{group}.")]
    if not inside:
        elsewhere = " `reward-synth run --help` lists settings; `--cfg job` prints all."
        return did_you_mean(key, known) or elsewhere
    close = get_close_matches(last, [name.rpartition(".")[2] for name in inside], n=1)
    return f" Did you mean '{group}.{close[0]}'?" if close else f" There are {', '.join(inside)}."


def _compose(overrides: Sequence[str], config_dir: Path | None) -> RunConfig:
    search = [f"hydra.searchpath=[file://{config_dir.resolve()}]"] if config_dir else []
    try:
        with initialize_config_dir(str(CONF), version_base=VERSION_BASE):
            return to_run_config(compose("config", [*overrides, *search]))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_in_words(error, overrides)) from error


def _in_words(error: Exception, overrides: Sequence[str]) -> str:
    """Say which setting has a value of the wrong type; failing that, hydra's own first lines."""
    cause = error.__cause__
    key = str(getattr(cause, "full_key", None) or "").split("[")[0]
    hint = dict(_settings(RunConfig)).get(key)
    typed = [text.partition("=")[2] for text in overrides if text.lstrip("+").startswith(f"{key}=")]
    if hint is not None and typed:
        types = (hint, *get_args(hint))  # the second is int in ``int | None``
        wanted = next((_TYPES[t] for t in types if t in _TYPES), "something else")
        return f"{key} must be {wanted}, not {typed[-1]}."
    lines = [str(e).splitlines()[0] for e in (error, cause) if e is not None and str(e)]
    return ": ".join(line.rstrip(".") for line in lines) + "."
