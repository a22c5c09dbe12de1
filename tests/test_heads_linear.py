"""The probe path: the same models as scikit-learn's, in either space, for every penalty at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.class_weight import compute_class_weight

from profiling.heads import coordinates
from profiling.heads.coordinates import Curvature, RowSpace, gram_matrix, precision, space_of
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
    return logistic_path(space_of(torch.from_numpy(rows)), targets, classes, shares, PENALTIES, tolerance)


def objective(
    model: LogisticRegression,
    rows: NDArray[np.float32],
    answers: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> float:
    """By hand: Σ weight * (-log probability of the answer) + penalty / 2 * ‖w‖²."""
    scores = model.decision_function(rows.astype(np.float64))
    both = np.stack([np.zeros(len(rows)), scores], axis=1) if scores.ndim == 1 else scores
    losses = logsumexp(both, axis=1) - both[np.arange(len(rows)), answers]
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
    path = ridge_path(space_of(torch.from_numpy(rows)), torch.from_numpy(targets), PENALTIES)
    for index, penalty in enumerate(PENALTIES):
        reference = Ridge(alpha=penalty).fit(rows.astype(np.float64), targets)
        np.testing.assert_allclose(path.weight[index, 0], reference.coef_, atol=1e-5)
        assert float(path.bias[index, 0]) == pytest.approx(reference.intercept_, rel=1e-5)
        squares = ((targets - reference.predict(rows)) ** 2).sum() + penalty * (reference.coef_**2).sum()
        assert path.objective[index] == pytest.approx(squares / 2, rel=1e-6)


def test_the_gram_matrix_of_two_layers_is_the_sum_of_theirs() -> None:
    rows = torch.from_numpy(rows_of(30, 90))
    parts = gram_matrix(rows[:, :40]) + gram_matrix(rows[:, 40:])
    np.testing.assert_allclose(parts, rows.double() @ rows.double().T, rtol=1e-10, atol=1e-9)
    both = RowSpace(rows, parts)
    first, second = torch.randn(2, 30, 2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = [both.weights(unknowns[:, :, 0]) for unknowns in (first, second)]
    np.testing.assert_allclose(rows.double() @ weights[0], both.image(first)[:, :, 0], rtol=1e-8, atol=1e-8)
    inner = both.inner(first, second, both.image(second))
    np.testing.assert_allclose(inner, (weights[0] * weights[1]).sum(0), rtol=1e-8)


def test_known_curvature_divides_as_the_whole_matrix_does() -> None:
    design = torch.from_numpy(rows_of(70, 40)).double()
    shift, bend = (
        torch.tensor([0.5, 20.0]).double(),
        torch.tensor([[0.25, 0.1, 0.2], [0.02, 0.3, 0.25]]).double(),
    )
    gradient = torch.randn(40, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    known = Curvature(lambda basis: design.T @ (design @ basis), 40, torch.float64)
    divided = known.inverse(shift, bend)(gradient)
    for problem in range(2):
        for output in range(3):
            whole = bend[problem, output] * design.T @ design + shift[problem] * torch.eye(40).double()
            expected = torch.linalg.solve(whole, gradient[:, problem, output])
            torch.testing.assert_close(divided[:, problem, output], expected, rtol=1e-8, atol=1e-10)


def test_the_leading_directions_of_a_large_matrix_are_its_eigenvectors() -> None:
    rows = torch.from_numpy(rows_of(400, 300)).double()
    matrix = rows @ rows.T
    known = Curvature(lambda basis: matrix @ basis, 400, torch.float64)
    values = torch.linalg.eigvalsh(matrix).flip(0)
    assert known.vectors.shape == (400, 128)
    np.testing.assert_allclose(known.values.flip(0)[:8], values[:8], rtol=1e-6)
    assert 0 < known.rest <= values[127]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("dim", [500, 40], ids=["row space", "column space"])
def test_float32_finds_the_same_minimum(dim: int, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinates, "_MANY_ROWS", 100)
    rows = torch.from_numpy(rows_of(300, dim))
    answers = classes_of(rows.numpy(), classes)
    targets, ones, penalties = torch.from_numpy(answers), torch.ones(300), (0.3, 10.0, 1000.0)
    assert precision(300, dim, penalties) == torch.float32
    assert precision(300, dim, (0.01, 10.0)) == precision(99, dim, penalties) == torch.float64
    fast = logistic_path(space_of(rows, torch.float32), targets, classes, ones, penalties)
    assert fast.converged.all()
    for index, penalty in enumerate(penalties):
        reference = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000)
        reference.fit(rows.double().numpy(), answers)
        best = objective(reference, rows.numpy(), answers, np.ones(300))
        assert fast.objective[index] == pytest.approx(best, rel=1e-4)
        chances = torch.softmax(fast.outputs(rows)[index], dim=1).numpy()
        np.testing.assert_allclose(chances, reference.predict_proba(rows.numpy()), atol=5e-3)


def test_duplicated_rows_and_a_constant_feature_change_nothing_they_should_not() -> None:
    rows = rows_of(40, 90)
    answers = classes_of(rows, 2)
    twice, both = np.vstack([rows, rows]), np.concatenate([answers, answers])
    constant = np.hstack([twice, np.zeros((80, 60), np.float32)])  # standardised, a constant is 0
    single = logistic(rows, answers, 2, np.full(40, 2.0), tolerance=1e-7)
    double = logistic(constant, both, 2, np.ones(80), tolerance=1e-7)
    assert double.converged.all()
    np.testing.assert_allclose(double.objective, single.objective, rtol=1e-6)
    np.testing.assert_allclose(double.weight[..., :90], single.weight, atol=1e-5)
    assert (double.weight[..., 90:] == 0).all()


def test_a_row_of_weight_0_is_as_if_it_were_not_there() -> None:
    rows = rows_of(50, 80)
    answers, weights = classes_of(rows, 3), np.where(np.arange(50) % 5 == 0, 0.0, 1.5)
    kept = weights > 0
    whole = logistic(rows, answers, 3, weights, tolerance=1e-7)
    part = logistic(rows[kept], answers[kept], 3, weights[kept], tolerance=1e-7)
    np.testing.assert_allclose(whole.objective, part.objective, rtol=1e-6)
    np.testing.assert_allclose(whole.weight, part.weight, atol=2e-5)


def test_the_objective_is_near_its_minimum_where_the_mean_gradient_says_little() -> None:
    rows = rows_of(60, 200)
    answers, small = classes_of(rows, 2), (0.001, 0.01)
    path = logistic_path(
        space_of(torch.from_numpy(rows)), torch.from_numpy(answers), 2, torch.ones(60), small
    )
    assert path.converged.all()
    for index, penalty in enumerate(small):
        reference = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=1000)
        reference.fit(rows.astype(np.float64), answers)
        assert path.objective[index] == pytest.approx(
            objective(reference, rows, answers, np.ones(60)), rel=1e-4
        )
