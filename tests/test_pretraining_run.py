"""A run that is killed and continued ends with the very same bits; its leavings are whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from profiling.backbones.checkpoint import load_weights
from profiling.config import NativeConfig
from profiling.errors import BackboneError, ConfigError
from profiling.pretraining.__main__ import compose_config, main
from profiling.pretraining.checkpoints import LAST, LOG
from profiling.pretraining.config import OptimConfig, PretrainConfig, SpeechConfig, validate
from profiling.pretraining.shipping import ship
from profiling.pretraining.train import finished_steps, fit
from profiling.provenance import sha256_file
from tests.pretraining_speech import recordings


def tiny(folder: Path, **changes: object) -> PretrainConfig:
    """Six steps of two seconds through a network of one narrow block."""
    config = PretrainConfig(
        output=str(folder),
        steps=6,
        device="cpu",
        checkpoint_every=3,
        snapshot_every=6,
        log_every=2,
        network=NativeConfig([2], [32], time_stride=2),
        speech=SpeechConfig(speeds=[1.0, 1.1], crop_s=[0.5, 1.0], crop_share=[0.5, 0.5], batch_s=4.0),
        optim=OptimConfig(warmup_steps=2, decay_share=0.5),
    )
    for key, value in changes.items():
        setattr(config, key, value)
    return config


def state(folder: Path) -> dict[str, object]:
    return torch.load(folder / LAST, map_location="cpu", weights_only=True)


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_killed_and_resumed_is_bitwise_the_straight_run(tmp_path: Path) -> None:
    fit(tiny(tmp_path / "straight"), recordings())
    fit(tiny(tmp_path / "parts", stop_after=3), recordings())
    assert finished_steps(tmp_path / "parts" / LAST) == 3
    torch.manual_seed(99)  # another process has another random state
    fit(tiny(tmp_path / "parts"), recordings())
    straight, parts = state(tmp_path / "straight"), state(tmp_path / "parts")
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "torch_rng_state"):
        assert same(straight[key], parts[key]), key
    name = "step-000006.safetensors"
    assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_killed_run_loses_what_followed_its_last_checkpoint(tmp_path: Path) -> None:
    fit(tiny(tmp_path / "straight"), recordings())
    fit(tiny(tmp_path / "killed", stop_after=3), recordings())
    kept = (tmp_path / "killed" / LAST).read_bytes()
    fit(tiny(tmp_path / "killed", stop_after=5), recordings())
    (tmp_path / "killed" / LAST).write_bytes(kept)  # as if step 4 and 5 had never been committed
    fit(tiny(tmp_path / "killed"), recordings())
    assert same(state(tmp_path / "straight")["state_dict"], state(tmp_path / "killed")["state_dict"])


def test_leavings_are_a_log_and_weights_that_load(tmp_path: Path) -> None:
    fit(tiny(tmp_path), recordings())
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert {"speaker", "sex", "age", "contours", "statistics", "accuracy", "lr", "step_s"} <= rows[0].keys()
    net = load_weights(tmp_path / "step-000006.safetensors")
    weights = state(tmp_path)["state_dict"]
    for name, value in net.state_dict().items():
        trained, tolerance = weights[f"net.{name}"].float(), 1e-3  # half precision
        if name.endswith("running_var"):  # what the norms added, a step's statistics ago, is part of it now
            trained, tolerance = trained + 0.3 * trained.mean(), 2e-2
        assert torch.allclose(value.float(), trained, rtol=tolerance, atol=1e-6), name
    assert not list(tmp_path.glob(".*")), "no temporary file stays"


def test_a_finished_run_ships_with_its_card(tmp_path: Path) -> None:
    fit(tiny(tmp_path / "run", stop_after=3, snapshot_every=3), recordings())
    target = tmp_path / "mini.safetensors"
    with pytest.raises(BackboneError, match="step 3 of 6"):
        ship(tmp_path / "run", target)
    fit(tiny(tmp_path / "run"), recordings())
    card = ship(tmp_path / "run", target)
    assert card == json.loads(target.with_suffix(".json").read_text())
    assert (
        card["sha256"] == sha256_file(target)
        and card["step"] == 6
        and card["recipe"]["optim"]["warmup_steps"] == 2
    )
    x = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    snapshot = load_weights(tmp_path / "run" / "step-000006.safetensors")
    assert torch.equal(load_weights(target)(x)["pool"], snapshot(x)["pool"])


def test_another_runs_folder_is_refused(tmp_path: Path) -> None:
    fit(tiny(tmp_path, stop_after=2), recordings())
    with pytest.raises(ConfigError, match="other settings"):
        fit(tiny(tmp_path, seed=1), recordings())


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    fit(tiny(tmp_path, stop_after=3), recordings())
    before = (tmp_path / LAST).read_bytes()
    fit(tiny(tmp_path, stop_after=3), recordings())
    assert (tmp_path / LAST).read_bytes() == before


def test_the_shipped_recipe_composes_and_overrides_are_typed() -> None:
    config = compose_config(["steps=7", "speech.batch_s=12", "augment.noise=0.9"])
    assert (config.steps, config.speech.batch_s, config.augment.noise) == (7, 12.0, 0.9)
    validate(compose_config([]))


@pytest.mark.parametrize("override", ["stepps=3", "augment.nois=1", "steps=many"])
def test_a_misspelt_setting_is_one_line_and_exit_code_2(
    override: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([override]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error:") and message.count("\n") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"device": "tpu"},
        {"speech": SpeechConfig(crop_s=[1.0])},
        {"speech": SpeechConfig(batch_s=3.0)},
    ],
)
def test_values_out_of_range_are_named(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        validate(tiny(tmp_path, **changes))
