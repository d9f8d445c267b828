"""The presets in conf/: one folder a group, one YAML file a preset, whose first line says what.

A file whose name begins with an underscore is what several presets share.
"""

from __future__ import annotations

from pathlib import Path

CONF = Path(__file__).resolve().parents[1] / "conf"


def presets(more: Path | None = None) -> dict[str, dict[str, str]]:
    """Return what each preset is, by group and name, such as ``["llm"]["offline"]``.

    Args:
      more: a folder of the same layout, of the user's own.
    """
    groups: dict[str, dict[str, str]] = {}
    for root in (CONF, *([more] if more else [])):
        for path in sorted(root.glob("*/*.yaml")):
            if path.name.startswith("_"):
                continue  # a part of presets
            with path.open(encoding="utf-8") as file:
                first = file.readline()
            meaning = first.lstrip("# ").strip() if first.startswith("#") else ""
            groups.setdefault(path.parent.name, {})[path.stem] = meaning
    return groups
