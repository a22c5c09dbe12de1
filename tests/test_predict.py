"""Prediction: the numbers of ``evaluate``, on any recording, as JSON lines or typed answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from profiling.errors import AudioError, BundleError
from profiling.predict import Answer, Profiler
from tests.trained import ROOT, Lab, Said, call


@pytest.fixture(autouse=True)
def cache(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILING_CACHE", str(lab.folder / "cache"))


def predict(run: Path, *recordings: object) -> tuple[Said, list[dict[str, object]]]:
    said = call("predict", "--model", str(run), *map(str, recordings))
    return said, [json.loads(line) for line in said.out.splitlines()]


def agree(run: Path, manifest: Path) -> None:
    """Predictions of files equal those of the same rows in predictions.parquet."""
    table = pd.read_parquet(run / "predictions.parquet").query("part == 'heldout'")
    stems = [utt_id.rpartition("/")[2] for utt_id in table["utt_id"]]
    files = {path.stem: path for path in manifest.parent.rglob("*.wav")}
    said, lines = predict(run, *(files[stem] for stem in stems))
    assert said.code == 0, said.err
    assert len(lines) == len(table) > 5
    for line, (_, row) in zip(lines, table.iterrows(), strict=True):
        (answer,) = (line[task] for task in ("emotion", "gender", "age") if task in line)
        assert isinstance(answer, dict)
        if "value" in answer:
            assert answer["value"] == pytest.approx(row["predicted"], rel=1e-5)
            continue
        probabilities = answer.get("uncalibrated", answer["probabilities"])
        assert isinstance(probabilities, dict)
        assert {f"p_{k}": v for k, v in probabilities.items()} == pytest.approx(
            {f"p_{k}": row[f"p_{k}"] for k in probabilities}, abs=1e-5
        )
        assert answer["label"] == max(probabilities, key=probabilities.__getitem__)


@pytest.mark.parametrize("task", ["emotion", "gender", "age"])
def test_predictions_are_those_of_the_evaluation(lab: Lab, task: str) -> None:
    agree(lab.run(task), lab.other)


def test_predictions_of_a_network_are_those_of_the_evaluation_on_long_files_too(
    lab: Lab, tmp_path: Path
) -> None:
    train, other = (
        lab.corpus("tiny", 6, 3, seed=6),
        lab.copy(lab.corpus("tiny_other", 4, 2, seed=7), "tiny_long"),
    )
    long = sorted(other.parent.rglob("*.wav"))[0]
    voice, rate = sf.read(long)
    sf.write(long, np.tile(voice, 3), rate, subtype="PCM_16")
    said = lab.train(
        tmp_path / "run",
        "backbone=native_mini",
        "backbone.untrained=true",
        "features.layers=gfe_1|embedding",
        "task=gender",
        "head=mlp",
        "audio.max_duration_s=2",
        train=[train],
        heldout=[other],
    )
    assert said.code == 0, said.err
    agree(tmp_path / "run", other)
    said, (answer,) = predict(tmp_path / "run", long)
    assert answer["flags"] == ["windowed"]
    assert answer["gender"]["backbone"] == "native_mini (untrained)"  # type: ignore[index]
    assert "untrained backbone" in said.err


def test_a_recording_that_cannot_be_used_is_a_row_with_its_reason(lab: Lab, tmp_path: Path) -> None:
    good = next(lab.other.parent.rglob("*.wav"))
    (tmp_path / "noise.wav").write_bytes(b"not audio")
    said, answers = predict(lab.run("emotion"), tmp_path / "gone.wav", good, tmp_path / "noise.wav")
    assert said.code == 1
    assert ["error" in answer for answer in answers] == [True, False, True]
    assert answers[0]["path"] == str(tmp_path / "gone.wav")
    assert "emotion" not in answers[0]
    assert answers[1]["emotion"]["label"] in ("angry", "happy", "neutral", "sad")  # type: ignore[index]
    assert "3 files: 1 answered, 2 failed" in said.err
    assert "Traceback" not in said.err


def test_an_answer_in_python_is_typed(lab: Lab) -> None:
    good = next(lab.other.parent.rglob("*.wav"))
    answer = Profiler.from_pretrained(lab.run("emotion"))(good)
    assert isinstance(answer, Answer)
    assert answer.label in ("angry", "happy", "neutral", "sad")
    assert answer.probabilities is not None
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert answer.value is None
    age = Profiler.from_pretrained(str(lab.run("age")))(str(good))
    assert age.unit == "years"
    assert age.value is not None
    assert 15 < age.value < 90
    assert age.label is None
    with pytest.raises(AudioError, match="gone"):
        Profiler.from_pretrained(lab.run("age"))("gone.wav")
    with pytest.raises(BundleError, match="does not exist"):
        Profiler.from_pretrained("no/such/run")


def test_several_models_answer_on_every_file(lab: Lab) -> None:
    files = sorted(map(str, lab.other.parent.rglob("*.wav")))[:2]
    models = [argument for task in ("gender", "age") for argument in ("--model", str(lab.run(task)))]
    said = call("predict", *models, *files)
    answers = [json.loads(line) for line in said.out.splitlines()]
    assert [a["path"] for a in answers] == files
    assert all(a["gender"]["profiler"] != a["age"]["profiler"] for a in answers)


def test_any_rate_and_channels_are_heard_as_training_heard_them(lab: Lab, tmp_path: Path) -> None:
    good = next(lab.other.parent.rglob("*.wav"))
    voice, rate = sf.read(good)
    sf.write(tmp_path / "stereo.flac", np.stack([voice, voice], 1), rate, subtype="PCM_16")
    profiler = Profiler.from_pretrained(lab.run("age"))
    assert profiler(tmp_path / "stereo.flac").value == pytest.approx(profiler(good).value, rel=1e-5)


def test_predict_starts_without_hydra_and_lightning(lab: Lab) -> None:
    good = next(lab.other.parent.rglob("*.wav"))
    script = (
        "import sys; from profiling.cli import main; "
        f"code = main(['predict', '--model', {str(lab.run('gender'))!r}, {str(good)!r}]); "
        "heavy = ('hydra', 'omegaconf', 'pytorch_lightning', 'lightning_fabric', 'matplotlib', 'tensorboard', "
        "'torchaudio', 'sklearn', 'silero_vad'); "
        "print([name for name in heavy if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer, loaded = done.stdout.splitlines()
    assert json.loads(answer)["gender"]["label"] in ("female", "male")
    assert loaded == "[]"
    assert done.stderr.splitlines()[0] == "gender: spectral_stats, signal statistics, no network"
