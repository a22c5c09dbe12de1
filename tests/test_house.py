"""Rules of the house that can be executed: import direction, no pickle, every YAML composes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from profiling.training.hydra_app import compose_config, config_groups, config_keys, schema

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "profiling"

#: DESIGN: data flows one way; a module imports only from rooms that stand before its own.
ROOMS = (
    ("errors", "provenance", "resources"),
    ("config", "perturbations"),
    ("validation",),
    ("labels",),
    ("scales", "votes", "content_table"),
    ("audio",),
    ("audio_index", "snr_index"),
    ("corpora",),
    ("backbones",),
    ("features",),
    ("heads",),
    ("bundle",),
    ("card",),
    ("hub",),
    ("evaluation",),
    ("page",),
    ("audit",),
    ("predict", "sklearn"),
    ("report",),
    ("training", "pretraining"),
    ("demo",),
    ("serve", "export"),
    ("cli", "commands"),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    part = module.relative_to(PACKAGE).parts[0]
    return part.removesuffix(".py")


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "profiling":
                yield from (f"profiling.{alias.name}" for alias in node.names)


def test_there_are_modules_to_check() -> None:
    assert len(MODULES) > 30
    assert {room_of(m) for m in MODULES} - {"__init__"} <= set(RANK), "a room without a place in ROOMS"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rooms_before_its_own(module: Path) -> None:
    own = room_of(module)
    if own == "__init__":
        return
    for name in imported(module):
        parts = name.split(".")
        if parts[0] == "profiling" and len(parts) > 1 and parts[1] != own and parts[1] != "__version__":
            assert RANK[parts[1]] < RANK[own], f"{own} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_only_the_thin_shell_knows_hydra_and_lightning(module: Path) -> None:
    shell = {"training", "pretraining", "cli", "commands", "demo"}
    framework = {"hydra", "omegaconf", "pytorch_lightning", "lightning", "hydra_plugins"}
    used = {name.split(".")[0] for name in imported(module)} & framework
    assert not used or room_of(module) in shell, f"imports {used}"


def top_level_imports(module: Path) -> Iterator[str]:
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_torchaudio_and_pickle_stay_out(module: Path) -> None:
    assert "torchaudio" not in {name.split(".")[0] for name in top_level_imports(module)}
    assert not {"pickle", "joblib", "dill", "cloudpickle"} & {name.split(".")[0] for name in imported(module)}


CHOICES = [(group, choice) for group, choices in config_groups().items() for choice in choices]


@pytest.mark.parametrize(("group", "choice"), [c for c in CHOICES if c != ("experiment", "pretrain_mini")])
def test_every_yaml_composes(group: str, choice: str) -> None:
    compose_config([f"{group}={choice}"])


@pytest.mark.parametrize(("group", "choice"), [c for c in CHOICES if c[0] not in ("experiment", "sweep")])
def test_every_key_of_a_yaml_is_in_its_schema(group: str, choice: str) -> None:
    keys = set(config_keys(schema()))
    text = yaml.safe_load((ROOT / "conf" / group / f"{choice}.yaml").read_text(encoding="utf-8")) or {}
    for key in flat(text, f"{group}."):
        assert key in keys, f"conf/{group}/{choice}.yaml: {key}"


def flat(node: dict[str, object], prefix: str) -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
