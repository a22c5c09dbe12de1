"""The wheel holds what it needs and runs from any folder, without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.recordings import speechlike
from tests.stub_backbone import recording

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        folder,
    )
    (found,) = folder.glob("profiling-*.whl")
    return found


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program as if no checkout were near."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PROFILING_DATA")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_wheel_holds_every_yaml_and_list(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = [*(ROOT / "conf").rglob("*.yaml"), *(ROOT / "data" / "splits").iterdir()]
    assert {"conf/config.yaml", "conf/corpus/nemo.yaml"} <= {str(p.relative_to(ROOT)) for p in shipped}
    for path in shipped:
        assert f"profiling/{path.relative_to(ROOT)}" in names
    for path in (*(ROOT / "profiling").rglob("*.py"), *(ROOT / "profiling" / "serve" / "page").iterdir()):
        assert str(path.relative_to(ROOT)) in names
    allowed = (
        ".py",
        ".html",
        ".css",
        ".js",
        ".yaml",
        ".csv",
        ".txt",
        ".md",
        ".json",
        ".safetensors",
        "py.typed",
    )
    extra = [name for name in names if name.startswith("profiling/") and not name.endswith(allowed)]
    assert extra == [], "nothing else goes in: no recordings, no weights of others"


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = {Path(name).name: name for name in archive.namelist() if ".dist-info/" in name}
    assert "profiling = profiling.cli:entry" in archive.read(names["entry_points.txt"]).decode()
    assert "License-Expression: Apache-2.0" in archive.read(names["METADATA"]).decode()
    assert "LICENSE" in names


def test_installed_elsewhere_it_extracts_from_the_root_folder(wheel: Path, tmp_path: Path) -> None:
    """A second environment: this wheel, and the packages of this environment without its profiling."""
    python = second_environment(tmp_path / "venv", wheel)
    where = run([str(python), "-c", "import profiling; print(profiling.__file__)"], Path("/")).stdout.strip()
    assert Path(where).is_relative_to(tmp_path / "venv")
    for i in range(3):
        recording(tmp_path / "mine" / f"{i}.wav", speechlike(0.5, seed=i))
    table = tmp_path / "mine" / "manifest.csv"
    table.write_text("path\n0.wav\n1.wav\n2.wav\n")
    command = [
        str(python.parent / "profiling"),
        "extract",
        f"corpus.train=[csv:{table}]",
        "backbone=native_mini",
        f"paths.features={tmp_path}/features",
        f"paths.cache={tmp_path}/cache",
    ]
    assert "0/3 from cache, 3 computed" in run(command, Path("/")).stderr
    assert "3/3 from cache" in run(command, Path("/")).stderr


def second_environment(folder: Path, wheel: Path) -> Path:
    """Makes it; returns its interpreter."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    installing = ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    run([sys.executable, "-m", "pip", "--python", str(python), *installing], folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A folder named in a .pth is searched last, and its own .pth files (the editable install) are not read.
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python
