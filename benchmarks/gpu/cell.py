"""The process of one cell: ``python -m benchmarks.gpu.cell ORDER FILE``; both are JSON.

The file is written anew after each part, so that what was measured before a crash stays.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from benchmarks.gpu.plan import Cell, Settings
from reward_synth.files import write_text

Report = Callable[..., None]

PACKAGES = ("jax", "jaxlib", "mujoco", "mujoco-mjx", "warp-lang", "brax", "playground", "numpy")


def main() -> None:
    told = json.loads(sys.argv[1])
    settings = Settings(**{**told["settings"], "hidden": tuple(told["settings"]["hidden"])})
    cell, path = Cell(**told["cell"]), Path(sys.argv[2])
    found: dict[str, object] = {}

    def report(**values: object) -> None:
        found.update(values)
        write_text(path, json.dumps(found))

    if cell.kind == "machine":
        report(**machine())
    elif cell.kind == "brax":
        from benchmarks.gpu.peer import train_brax

        train_brax(cell, settings, report)
    else:
        from benchmarks.gpu.ours import measure_together, measure_training
        from reward_synth.train.setup import configure_jax

        configure_jax(cache=None)  # else a resumed benchmark would find what it wants to time
        measure = measure_training if cell.kind == "train" else measure_together
        measure(cell, settings, report)


def peak_memory() -> dict[str, object]:
    """Return the most memory held so far, in bytes: the device's, else this process's."""
    import jax

    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    if peak is not None:
        return {"bytes": peak, "of": "device"}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "of": "process"}


def machine() -> dict[str, object]:
    """Return hardware and versions; asked in a process of its own, as JAX claims the device."""
    import os

    import jax

    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "platform": device.platform,
        "devices": jax.device_count(),
        "device_bytes": (device.memory_stats() or {}).get("bytes_limit"),
        "driver": _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _output("git", "rev-parse", "HEAD"),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
