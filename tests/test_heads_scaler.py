"""Standardisation: scikit-learn's numbers on train rows, and nothing from any other row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from profiling.errors import SplitError, StoreError
from profiling.heads import scaler
from profiling.heads.scaler import Matrix, fit_scalers

RNG = np.random.default_rng(1)
VALUES = (RNG.normal(size=(101, 7)) * [1, 10, 1e-3, 1e3, 1, 1, 1] + [0, 5, 1, -1e4, 0, 0, 1e3]).astype(
    np.float32
)
FOLDS = np.stack([np.arange(101) < 60, np.arange(101) % 3 != 0])


@pytest.mark.parametrize("piece_rows", [1, 13, 1000])
def test_every_fold_equals_scikit_learn_on_its_train_rows(
    piece_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaler, "_PIECE_BYTES", piece_rows * 7 * 8)
    for fitted, rows in zip(fit_scalers(Matrix(VALUES), FOLDS), FOLDS, strict=True):
        reference = StandardScaler().fit(VALUES[rows].astype(np.float64))
        np.testing.assert_allclose(fitted.mean.numpy(), reference.mean_, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(fitted.scale.numpy(), reference.scale_, rtol=1e-6)


def test_an_outlier_among_validation_rows_changes_nothing() -> None:
    planted = VALUES.copy()
    planted[~FOLDS[0]] = 1e30
    clean, outlier = (fit_scalers(Matrix(values), FOLDS[:1])[0] for values in (VALUES, planted))
    assert torch.equal(clean.mean, outlier.mean)
    assert torch.equal(clean.scale, outlier.scale)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6, 1e-20])
def test_a_constant_column_is_centred_and_not_blown_up(constant: float) -> None:
    values = VALUES.copy()
    values[:, 2] = constant
    fitted = fit_scalers(Matrix(values), FOLDS[:1])[0]
    assert float(fitted.scale[2]) == 1
    assert fitted(torch.from_numpy(values))[:, 2].abs().max() < 1


def test_a_memory_mapped_matrix_gives_the_same_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", VALUES)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    in_memory, on_disk = (fit_scalers(Matrix(values), FOLDS)[1] for values in (VALUES, mapped))
    assert torch.equal(in_memory.mean, on_disk.mean)


def test_inverse_undoes_forward() -> None:
    fitted = fit_scalers(Matrix(VALUES), FOLDS)[0]
    rows = torch.from_numpy(VALUES)
    torch.testing.assert_close(fitted.inverse(fitted(rows)), rows)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_is_named(value: float) -> None:
    values = VALUES.copy()
    values[5, 3] = value
    with pytest.raises(StoreError, match=r"row 5, column 3"):
        fit_scalers(Matrix(values), FOLDS)


def test_a_fold_without_train_rows_is_refused() -> None:
    with pytest.raises(SplitError, match="fold 1 has no train rows"):
        fit_scalers(Matrix(VALUES), FOLDS & [[True], [False]])
