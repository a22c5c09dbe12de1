"""The bundle: what it carries, and that nothing edited, truncated, newer or foreign is ever used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from profiling.bundle import Seen, read_bundle, speaker_hash, write_bundle
from profiling.errors import BundleError
from profiling.heads.modules import build_head
from profiling.predict import Profiler
from profiling.provenance import sha256_file, signature
from tests.trained import Lab, call, corpora_setting


@pytest.fixture
def bundle(lab: Lab, tmp_path: Path) -> Path:
    """A bundle that this test may spoil."""
    return Path(shutil.copytree(lab.run("gender") / "bundle", tmp_path / "bundle"))


def edit(file: Path, change: Callable[[dict[str, Any]], object], *, sign: bool = False) -> None:
    """Changes a JSON file by hand; ``sign`` as somebody who knows how would."""
    content = json.loads(file.read_text())
    change(content)
    if sign:
        del content["signature"]
        content["signature"] = signature(content)
    file.write_text(json.dumps(content))


def test_a_bundle_says_what_an_answer_depends_on(lab: Lab) -> None:
    run = lab.run("gender")
    found = read_bundle(run)
    spec, result = found.spec, json.loads((run / "metrics.json").read_text())
    assert spec.head.labels == ("female", "male")
    assert spec.head.layers == (("embedding", 512),)
    assert spec.task["name"] == "gender"
    assert signature(spec.feature_key) == result["environment"]["feature_key"]
    assert spec.backbone["name"] == "spectral_stats"
    assert spec.backbone_training == "signal"
    assert spec.audio == {"max_duration_s": 30.0, "channel": "mix", "perturb": []}
    assert spec.metrics == result["scores"]
    assert spec.train["signature"] == result["environment"]["signature"]
    assert spec.provenance["packages"]["torch"]
    rows = pd.read_parquet(run / "rows.parquet")
    trained = rows[rows["part:split"] == "train"]
    assert dict(spec.train["answers"]) == trained["label"].value_counts().to_dict()
    assert {path.name for path in (run / "bundle").iterdir()} == {
        "README.md",
        "profiler.json",
        "head.safetensors",
        "seen.json",
    }


def test_the_scaler_in_the_bundle_is_that_of_the_training_rows_alone(lab: Lab) -> None:
    """Independent of the head's code: mean and deviation of the stored features of the train part."""
    from profiling.features.store import FeatureStore, RowKey

    run = lab.run("gender")
    rows = pd.read_parquet(run / "rows.parquet")
    trained = rows[rows["part:split"] == "train"]
    spans = zip(trained["audio_sha256"], trained["start_sample"], trained["end_sample"], strict=True)
    keys = [RowKey(sha, int(start), int(end)) for sha, start, end in spans]
    folder = next(path for path in (lab.folder / "features").iterdir() if path.name.startswith("spectral"))
    features = FeatureStore.load(folder).view(keys, ["embedding"]).load().astype(np.float64)
    head = build_head(read_bundle(run).spec.head, read_bundle(run).state)
    standardised = head.scaler(torch.from_numpy(features).float()).numpy()
    varying = features.std(0) > 1e-6
    assert np.abs(standardised[:, varying].mean(0)).max() < 1e-3
    assert standardised[:, varying].std(0) == pytest.approx(1, abs=1e-3)


def test_speakers_travel_as_hashes_only(lab: Lab) -> None:
    run = lab.run("gender")
    text = "".join((run / "bundle" / name).read_text() for name in ("profiler.json", "seen.json"))
    rows = pd.read_parquet(run / "rows.parquet")
    assert not [name for name in rows["speaker_id"].unique() if name in text]
    seen = read_bundle(run).seen
    assert seen.speakers == {speaker_hash(name) for name in rows["speaker_id"]}
    assert seen.recordings == set(rows["audio_sha256"].str[:16])


def test_licence_and_citation_of_the_corpora_travel(lab: Lab, tmp_path: Path) -> None:
    manifest = lab.copy(lab.few, f"{tmp_path.name}/nemo")  # named like a corpus with a card
    assert lab.train(tmp_path / "run", "split.kind=random", train=[manifest]).code == 0
    spec = read_bundle(tmp_path / "run").spec
    assert spec.licences == ["nemo: CC BY-NC-SA 4.0"]
    assert "Christop" in spec.citations[0]
    report = (tmp_path / "run" / "report.md").read_text()
    assert "CC BY-NC-SA 4.0" in report
    assert "Christop" in report


def test_what_is_written_is_what_is_read(lab: Lab, tmp_path: Path) -> None:
    first = read_bundle(lab.run("age"))
    again = read_bundle(write_bundle(tmp_path / "copy", first.spec, first.state, first.seen))
    assert again.spec == first.spec
    assert again.seen == first.seen
    assert again.signature == first.signature
    assert all(torch.equal(again.state[name], first.state[name]) for name in first.state)
    with pytest.raises(BundleError, match="never overwritten"):
        write_bundle(tmp_path / "copy", first.spec, first.state, Seen.of([], []))


def flip_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def other_weights(folder: Path) -> None:
    state = load_file(folder / "head.safetensors")
    save_file({name: tensor + 1 for name, tensor in state.items()}, folder / "head.safetensors")


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a label renamed": (
        lambda f: edit(f / "profiler.json", lambda c: c["head"].update(labels=["male", "female"])),
        "profiler.json was edited after it was written",
    ),
    "a metric embellished": (
        lambda f: edit(f / "profiler.json", lambda c: c["metrics"]["test"].update(n=10**6)),
        "profiler.json was edited after it was written",
    ),
    "the signature removed": (
        lambda f: edit(f / "profiler.json", lambda c: c.pop("signature")),
        "profiler.json was edited after it was written",
    ),
    "other weights": (other_weights, "head.safetensors is not the file this bundle was written with"),
    "a flipped bit": (
        lambda f: flip_a_byte(f / "head.safetensors"),
        "head.safetensors is not the file this bundle was written with",
    ),
    "truncated weights": (
        lambda f: (f / "head.safetensors").write_bytes((f / "head.safetensors").read_bytes()[:100]),
        "head.safetensors is not the file this bundle was written with",
    ),
    "a speaker forgotten": (
        lambda f: edit(f / "seen.json", lambda c: c["speakers"].pop()),
        "seen.json is not the file this bundle was written with",
    ),
    "seen.json missing": (
        lambda f: (f / "seen.json").unlink(),
        "seen.json is missing; copy the whole bundle",
    ),
    "weights missing": (lambda f: (f / "head.safetensors").unlink(), "head.safetensors is missing"),
    "profiler.json missing": (lambda f: (f / "profiler.json").unlink(), "has no bundle"),
    "half a profiler.json": (
        lambda f: (f / "profiler.json").write_text((f / "profiler.json").read_text()[:500]),
        "profiler.json is not JSON",
    ),
    "a list": (lambda f: (f / "profiler.json").write_text("[]"), "holds no bundle"),
    "a newer format": (
        lambda f: edit(f / "profiler.json", lambda c: c.update(format_version=2), sign=True),
        "has format 2, this profiling reads up to 1: update profiling",
    ),
    "an unknown field": (
        lambda f: edit(f / "profiler.json", lambda c: c.update(surprise=1), sign=True),
        "not a bundle of this version",
    ),
    "a head of another shape": (
        lambda f: edit(
            f / "profiler.json", lambda c: c["head"].update(layers=[["embedding", 100]]), sign=True
        ),
        "tensor",
    ),
    "features of another backbone": (
        lambda f: edit(f / "profiler.json", lambda c: c["feature_key"].update(precision="fp16"), sign=True),
        "was trained on other features (precision: trained on fp16, here fp32)",
    ),
    "another backbone": (
        lambda f: edit(
            f / "profiler.json",
            lambda c: c["feature_key"]["backbone"].update(weights_sha256="0" * 64),
            sign=True,
        ),
        "was trained on other features (backbone: trained on",
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_bundle_edited_by_hand_is_refused(
    lab: Lab, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    monkeypatch.setenv("PROFILING_CACHE", str(lab.folder / "cache"))
    change, named = SPOILT[spoilt]
    Profiler.from_pretrained(bundle)  # whole before
    change(bundle)
    recording = str(next(lab.other.parent.rglob("*.wav")))
    out = ["--out", str(tmp_path / "out")]
    heldout = corpora_setting("heldout", [lab.other])
    for said in (
        call("predict", "--model", str(bundle), recording),
        call("evaluate", str(bundle), heldout, *lab.paths, *out),
    ):
        assert said.code == 2
        assert named in said.err
        assert said.err.splitlines()[-1].startswith("profiling: ")
        assert said.out == ""
    assert not (tmp_path / "out").exists()


def test_the_files_hash_to_what_the_bundle_says(bundle: Path) -> None:
    files = json.loads((bundle / "profiler.json").read_text())["files"]
    assert files == {name: sha256_file(bundle / name) for name in ("head.safetensors", "seen.json")}
