"""EcapaFeatures: scikit-learn's contract, and the feature cache behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from profiling.audio import load_audio
from profiling.backbones.spectral import SpectralStats
from profiling.errors import AudioError, BackboneError, ConfigError
from profiling.sklearn import EcapaFeatures
from tests.stub_backbone import aged, recordings


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PROFILING_DATA", str(tmp_path / "data"))


def stats(**changes: object) -> EcapaFeatures:
    return EcapaFeatures("spectral_stats", **changes)  # type: ignore[arg-type]


def test_rows_are_the_backbones_features_in_the_order_of_the_paths(tmp_path: Path) -> None:
    paths = recordings(tmp_path, 5)
    asked = [paths[3], paths[0], paths[3]]
    matrix = stats().fit_transform(asked)
    expected = SpectralStats().extract([load_audio(path).waveform for path in asked], ["embedding"])
    np.testing.assert_allclose(matrix, expected["embedding"], rtol=1e-5, atol=1e-5)
    assert (matrix.shape, matrix.dtype) == ((3, 512), np.float32)
    for given in (pd.Series(asked), np.array(asked, dtype=object)[:, None], pd.DataFrame({"path": asked})):
        np.testing.assert_array_equal(stats().fit_transform(given), matrix)
    names = stats().get_feature_names_out()
    assert (len(names), names[0], names[-1]) == (512, "embedding_0", "embedding_511")


def test_a_grid_search_computes_each_recording_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = recordings(tmp_path, 12)
    seen: list[int] = []
    extract = SpectralStats.extract

    def counting(self: SpectralStats, waveforms: list, layers: list) -> object:  # type: ignore[type-arg]
        seen.extend(map(len, waveforms))
        return extract(self, waveforms, layers)

    monkeypatch.setattr(SpectralStats, "extract", counting)
    pipeline = make_pipeline(stats(), StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": [0.1, 1.0], "ecapafeatures__channel": ["mix", "0"]}
    labels = [number % 2 for number in range(12)]
    search = GridSearchCV(pipeline, grid, cv=3).fit(list(map(str, paths)), labels)
    assert search.predict(list(map(str, paths))).shape == (12,)
    assert len(seen) == 2 * 12, "once for each channel rule, which is another feature"
    assert len(cross_val_score(pipeline, list(map(str, paths)), labels, cv=3)) == 3
    assert len(seen) == 2 * 12


def test_it_is_cloned_and_configured_as_any_estimator() -> None:
    one = stats(channel="1", features="somewhere")
    assert clone(one).get_params() == one.get_params()
    assert one.set_params(layers="pool").layers == "pool"
    assert set(one.get_params()) == {"backbone", "layers", "channel", "device", "path", "features"}


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    good = recordings(tmp_path, 2)
    bad = tmp_path / "bad.wav"
    bad.write_text("nothing")
    aged(bad)
    with pytest.raises(AudioError, match=r"2 of 4 recordings cannot be used: .*bad\.wav.*gone\.wav"):
        stats().fit_transform([*good, bad, tmp_path / "gone.wav"])
    for wrong in ([], "a.wav", [["a.wav", "b.wav"]]):
        with pytest.raises(ConfigError, match="path"):
            stats().fit_transform(wrong)
    with pytest.raises(ConfigError, match="has embedding"):
        stats(layers="pool").fit(good)
    with pytest.raises(ConfigError, match="no layer 'embeding'"):
        stats(layers="embeding").fit(good)
    with pytest.raises(BackboneError, match="not a device"):
        stats(device="foo").fit(good)
