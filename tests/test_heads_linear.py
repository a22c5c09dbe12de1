"""The probe path: the same models as scikit-learn's, in either space, for every penalty at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.class_weight import compute_class_weight

from profiling.heads.coordinates import Coordinates, Curvature, gram_matrix
from profiling.heads.linear import LinearPath, logistic_path, ridge_path

PENALTIES = (0.3, 10.0, 1000.0)
RNG = np.random.default_rng(7)


def rows_of(count: int, dim: int) -> NDArray[np.float32]:
    """Correlated columns, as features have, standardised."""
    values = RNG.normal(size=(count, 8)) @ RNG.normal(size=(8, dim)) + RNG.normal(size=(count, dim))
    return ((values - values.mean(0)) / values.std(0)).astype(np.float32)


def classes_of(rows: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    scores = rows[:, :6] @ RNG.normal(size=(6, count)) + RNG.normal(size=(len(rows), count))
    return scores.argmax(1)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("count", "dim"), [(60, 200), (150, 20)], ids=["row space", "column space"])
def test_a_logistic_path_is_scikit_learns_on_a_grid(count: int, dim: int, classes: int) -> None:
    rows = rows_of(count, dim)
    answers = classes_of(rows, classes)
    weights = compute_class_weight("balanced", classes=np.unique(answers), y=answers)[answers]
    path = logistic(rows, answers, classes, weights, tolerance=1e-7)
    assert path.converged.all()
    for index, penalty in enumerate(PENALTIES):
        reference = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000)
        reference.fit(rows.astype(np.float64), answers, sample_weight=weights)
        chances = torch.softmax(path.outputs(torch.from_numpy(rows))[index], dim=1).numpy()
        np.testing.assert_allclose(chances, reference.predict_proba(rows), atol=2e-5)
        assert path.objective[index] == pytest.approx(objective(reference, rows, answers, weights), rel=1e-6)


def logistic(
    rows: NDArray[np.float32],
    answers: NDArray[np.int64],
    classes: int,
    weights: NDArray[np.float64],
    tolerance: float = 1e-4,
) -> LinearPath:
    targets, shares = torch.from_numpy(answers), torch.from_numpy(weights)
    return logistic_path(Coordinates(torch.from_numpy(rows)), targets, classes, shares, PENALTIES, tolerance)


def objective(
    model: LogisticRegression,
    rows: NDArray[np.float32],
    answers: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> float:
    """By hand: Σ weight * (-log probability of the answer) + penalty / 2 * ‖w‖²."""
    losses = -model.predict_log_proba(rows)[np.arange(len(rows)), answers]
    return float((weights * losses).sum() + (model.coef_**2).sum() / 2 / model.C)


def test_the_default_tolerance_is_no_worse_than_scikit_learns() -> None:
    rows = rows_of(80, 300)
    answers, ones = classes_of(rows, 3), np.ones(80)
    path = logistic(rows, answers, 3, ones)
    for index, penalty in enumerate(PENALTIES):
        reference = LogisticRegression(C=1 / penalty, tol=1e-4, max_iter=10_000).fit(rows, answers)
        assert path.objective[index] <= objective(reference, rows, answers, ones) * (1 + 1e-4)


@pytest.mark.parametrize(("count", "dim"), [(50, 120), (120, 15)], ids=["row space", "column space"])
def test_a_ridge_path_is_scikit_learns(count: int, dim: int) -> None:
    rows = rows_of(count, dim)
    targets = rows[:, 0] * 2 + RNG.normal(size=count) + 5
    path = ridge_path(Coordinates(torch.from_numpy(rows)), torch.from_numpy(targets), PENALTIES)
    for index, penalty in enumerate(PENALTIES):
        reference = Ridge(alpha=penalty).fit(rows.astype(np.float64), targets)
        np.testing.assert_allclose(path.weight[index, 0], reference.coef_, atol=1e-5)
        assert float(path.bias[index, 0]) == pytest.approx(reference.intercept_, rel=1e-5)
        squares = ((targets - reference.predict(rows)) ** 2).sum() + penalty * (reference.coef_**2).sum()
        assert path.objective[index] == pytest.approx(squares / 2, rel=1e-6)


def test_the_gram_matrix_of_two_layers_is_the_sum_of_theirs() -> None:
    rows = torch.from_numpy(rows_of(30, 90))
    parts = gram_matrix(rows[:, :40]) + gram_matrix(rows[:, 40:])
    both = Coordinates(rows, parts)
    np.testing.assert_allclose(both.design @ both.design.T, rows.double() @ rows.double().T, atol=1e-5)
    unknowns = torch.randn(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    unknowns = both.design.T @ unknowns  # of the rows' span
    weights = both.weights(unknowns)
    np.testing.assert_allclose(rows.double() @ weights, both.design @ unknowns, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(weights.norm(dim=0), unknowns.norm(dim=0), rtol=1e-5)


def test_known_curvature_divides_as_the_whole_matrix_does() -> None:
    design = torch.from_numpy(rows_of(70, 40)).double()
    shift = torch.tensor([0.5, 20.0], dtype=torch.float64)
    gradient = torch.randn(40, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    divided = Curvature(design).divided(gradient, shift, 0.25)
    for problem in range(2):
        whole = 0.25 * design.T @ design + shift[problem] * torch.eye(40, dtype=torch.float64)
        expected = torch.linalg.solve(whole, gradient[:, problem])
        torch.testing.assert_close(divided[:, problem], expected, rtol=1e-8, atol=1e-10)
