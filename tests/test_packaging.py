"""The wheel and the sdist, built and used outside the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist; the wheel is built from the sdist, which thereby is whole."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def site(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--disable-pip-version-check", "--target", str(folder), str(archives[0])]
    subprocess.run(command, check=True)
    return folder


def run(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the installed wheel and our dependencies, but without the checkout.

    ``-S`` keeps the virtual environment's .pth files, which point to the checkout, out of it.
    """
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    path = os.pathsep.join([str(site), *dependencies])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def reward_synth(site: Path, cwd: Path, *arguments: str) -> str:
    code = "import sys; from reward_synth.cli import main; sys.exit(main())"
    done = run(site, cwd, "-c", code, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_content_is_inside(archives: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(archives[0]).namelist()
    for inside in (
        "reward_synth/_bundled/envs/hopper/task.py",
        "reward_synth/_bundled/envs/hopper/task.md",
        "reward_synth/_bundled/envs/cartpole_swingup/scene.xml",
        "reward_synth/_bundled/prompts/initial.md",
        "reward_synth/conf/config.yaml",
        "reward_synth/conf/llm/offline.yaml",
        "reward_synth/label/static/label.js",
        "reward_synth/label/templates/label.html.j2",
    ):
        assert inside in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"reward_synth"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    templates = {p.relative_to(ROOT).as_posix() for p in (ROOT / "reward_synth").rglob("*.html")}
    assert templates <= set(names)


def test_nothing_says_where_it_was_built(archives: tuple[Path, Path]) -> None:
    place = str(ROOT).encode()
    with zipfile.ZipFile(archives[0]) as wheel:
        assert not [name for name in wheel.namelist() if place in wheel.read(name)]
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        required = re.findall(r"^Requires-Dist: (.*)$", wheel.read(metadata).decode(), re.M)
    assert required
    assert not [line for line in required if "@" in line or "://" in line]
    with tarfile.open(archives[1]) as sdist:
        files = [(m.name, sdist.extractfile(m)) for m in sdist.getmembers() if m.isfile()]
        assert not [name for name, file in files if file and place in file.read()]


def test_pins_are_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    pin = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+")
    assert [line for line in pins if not pin.fullmatch(line)] == []
    assert len({line.split("==")[0].lower() for line in pins}) == len(pins)


def test_content_folders_are_no_packages(site: Path, tmp_path: Path) -> None:
    for name in ("envs", "prompts", "conf", "tests"):
        done = run(site, tmp_path, "-c", f"import {name}")
        assert "ModuleNotFoundError" in done.stderr, name


def test_the_installed_command_line_works(site: Path, tmp_path: Path) -> None:
    code = "import reward_synth; print(reward_synth.__file__)"
    assert run(site, tmp_path, "-c", code).stdout.startswith(str(site))
    assert "half_cheetah" in reward_synth(site, tmp_path, "tasks")
    assert reward_synth(site, tmp_path, "check", "reacher").startswith("reacher: fine.")
    settings = yaml.safe_load(reward_synth(site, tmp_path, "run", "--cfg", "job", "llm=offline"))
    assert settings["llm"]["kind"] == "offline"
    assert "search.generations=" in reward_synth(site, tmp_path, "run", "--help")
