"""What every score is: definitions, ranges and units of the metrics, and nothing else.

Task: labels (gender, emotion) or numbers (age in years) are predicted for utterances and compared with
the reference. Every metric here is a function of an **additive statistic**: the confusion matrix for
labels, :func:`regression_sums` for numbers. The statistics of several speakers are added to give those
of all, so that the value and its interval (``intervals.py``) come from one and the same definition.

Conventions:
    * reference first, predicted second; rows of a confusion matrix are the reference
    * UAR, WA, macro-F1, recall: in [0, 1], larger is better, never in per cent
    * MAE, RMSE: in the unit of the reference (years for age), smaller is better
    * CCC, Pearson: in [-1, 1]; skill: in (-inf, 1], 0 is as good as a constant, 1 is perfect
    * statistics may carry leading axes: (..., K, K) gives (...) values
    * an undefined value is NaN here and null in JSON (:func:`value_or_none`); nothing is put in its place

References: UAR as in Schuller et al., INTERSPEECH 2009 Emotion Challenge. CCC: Lin, Biometrics 45, 1989,
with moments divided by n (torchmetrics divides the variances by n - 1 and gives another number).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiling.errors import LabelError, did_you_mean

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Columns of :func:`regression_sums`; "centred" is minus the median over all rows, against cancellation.
SUMS = ("n", "abs_error", "square_error", "error", "y", "p", "yy", "pp", "yp", "constant_abs_error")

# A variance below this share of its second moment is rounding, that is, all values are equal.
_ROUNDING = 1e-12


def label_indices(values: Sequence[str] | NDArray[np.object_], labels: Sequence[str]) -> Index:
    """Positions of ``values`` in ``labels``, (n,).

    Raises:
        LabelError: a value outside ``labels``, named.
        ValueError: no values, or a label listed twice.
    """
    if len(values) == 0:
        raise ValueError("no rows to score: the list of labels is empty")
    position: Mapping[str, int] = {label: i for i, label in enumerate(labels)}
    if len(position) < len(labels):
        raise ValueError(f"a label is listed twice: {list(labels)}")
    for value in values:
        if value not in position:
            raise LabelError(f"label {value!r} is unknown here; {did_you_mean(str(value), labels)}")
    return np.array([position[value] for value in values], dtype=np.intp)


def confusion_matrix(
    reference: Sequence[str] | NDArray[np.object_],
    predicted: Sequence[str] | NDArray[np.object_],
    labels: Sequence[str],
    groups: Index | None = None,
) -> NDArray[np.int64]:
    """Counts of (reference, predicted) pairs.

    Args:
        reference: (n,) true labels.
        predicted: (n,) predicted labels.
        labels: the K labels, in the order of the axes.
        groups: (n,) group number of each row, 0 to G - 1 (speakers), or None.

    Returns:
        (K, K), or (G, K, K) with ``groups``; entry [i, j]: rows of label i predicted as label j.

    Raises:
        ValueError: unequal lengths or no rows.
        LabelError: a label outside ``labels``.

    >>> confusion_matrix(["f", "f", "f", "m"], ["f", "f", "m", "m"], ["f", "m"]).tolist()
    [[2, 1], [0, 1]]
    """
    _same_length(reference, predicted, groups)
    size = len(labels)
    cell = label_indices(reference, labels) * size + label_indices(predicted, labels)
    if groups is None:
        return np.bincount(cell, minlength=size * size).reshape(size, size)
    count = int(groups.max()) + 1
    flat = np.bincount(groups * size * size + cell, minlength=count * size * size)
    return flat.reshape(count, size, size)


def recalls(confusion: ArrayLike) -> Array:
    """Share of each class's rows that are recognised, (..., K) in [0, 1]; NaN for a class without rows.

    >>> recalls([[2, 1], [0, 1]]).round(4).tolist()
    [0.6667, 1.0]
    """
    matrix = np.asarray(confusion, dtype=np.float64)
    return _ratio(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1))


def uar(confusion: ArrayLike, present: NDArray[np.bool_] | None = None) -> Array:
    """Unweighted average recall: the mean of the recalls of the classes in the reference, [0, 1].

    Args:
        confusion: (..., K, K).
        present: (K,) which classes count; None: those with rows. A class that counts and has no rows
            makes the value NaN, so that resamples that lost a class are not mistaken for others.

    >>> float(uar([[2, 1], [0, 1]]).round(4))
    0.8333
    """
    return _mean_over(recalls(confusion), confusion, present)


def wa(confusion: ArrayLike) -> Array:
    """Weighted accuracy: the share of all rows that are right, [0, 1] (recalls weighted by support).

    >>> float(wa([[2, 1], [0, 1]]))
    0.75
    """
    matrix = np.asarray(confusion, dtype=np.float64)
    return _ratio(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum((-2, -1)))


def macro_f1(confusion: ArrayLike, present: NDArray[np.bool_] | None = None) -> Array:
    """Mean F1 over the classes in the reference, [0, 1]: the same classes as UAR.

    Equals ``sklearn.metrics.f1_score(average="macro", labels=<classes in the reference>)``; a class that
    is only predicted costs the others recall and has no F1 of its own. ``present`` as in :func:`uar`.

    >>> float(macro_f1([[2, 1], [0, 1]]).round(4))
    0.7333
    """
    matrix = np.asarray(confusion, dtype=np.float64)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    return _mean_over(_ratio(2 * hits, matrix.sum(-1) + matrix.sum(-2)), confusion, present)


def regression_sums(
    reference: ArrayLike,
    predicted: ArrayLike,
    groups: Index | None = None,
    constant: float = np.nan,
) -> Array:
    """Sums from which every regression metric follows.

    Args:
        reference: (n,) true values, y.
        predicted: (n,) predicted values, p.
        groups: (n,) group number of each row, 0 to G - 1 (speakers), or None.
        constant: the constant predictor's answer, needed by :func:`skill` only.

    Returns:
        (10,), or (G, 10) with ``groups``; columns are :data:`SUMS`.

    Raises:
        ValueError: unequal lengths, no rows, or a value that is not finite.

    >>> regression_sums([20, 30, 40], [25, 30, 30])[:4].tolist()
    [3.0, 15.0, 125.0, -5.0]
    """
    y, p = _finite("reference", reference), _finite("predicted", predicted)
    _same_length(y, p, groups)
    error, y_c, p_c = p - y, y - np.median(y), p - np.median(p)
    columns = (
        np.ones_like(y),
        abs(error),
        error**2,
        error,
        y_c,
        p_c,
        y_c**2,
        p_c**2,
        y_c * p_c,
        abs(constant - y),
    )
    rows = np.stack(columns, axis=-1)  # (n, 10)
    if groups is None:
        return np.asarray(rows.sum(0))
    sums = np.zeros((int(groups.max()) + 1, len(SUMS)))
    np.add.at(sums, groups, rows)
    return sums


def mae(sums: Array) -> Array:
    """Mean absolute error, [0, inf), in the reference's unit.

    >>> float(mae(regression_sums([20, 30, 40], [25, 30, 30])))
    5.0
    """
    return _ratio(sums[..., 1], sums[..., 0])


def rmse(sums: Array) -> Array:
    """Root of the mean squared error, [0, inf), in the reference's unit.

    >>> float(rmse(regression_sums([20, 30, 40], [25, 30, 30])).round(4))
    6.455
    """
    return np.asarray(np.sqrt(_ratio(sums[..., 2], sums[..., 0])))


def ccc(sums: Array) -> Array:
    """Concordance correlation coefficient of Lin (1989), [-1, 1], moments divided by n.

    2 cov(y, p) / (var(y) + var(p) + (mean(y) - mean(p))^2). NaN when both are the same constant.

    >>> float(ccc(regression_sums([20, 30, 40], [25, 30, 30])).round(4))
    0.4444
    """
    var_y, var_p, cov = _moments(sums)
    shift = _ratio(sums[..., 3], sums[..., 0])
    return _ratio(2 * cov, var_y + var_p + shift**2)


def pearson(sums: Array) -> Array:
    """Pearson's correlation, [-1, 1]. NaN when reference or predictions are constant.

    >>> float(pearson(regression_sums([20, 30, 40], [25, 30, 30])).round(4))
    0.866
    """
    var_y, var_p, cov = _moments(sums)
    return np.clip(_ratio(cov, np.sqrt(var_y * var_p)), -1.0, 1.0)


def skill(sums: Array) -> Array:
    """1 - MAE / MAE of the constant predictor, (-inf, 1]; below 0 is worse than the constant.

    NaN when the constant is never wrong.

    >>> float(skill(regression_sums([20, 30, 40], [25, 30, 30], constant=20)))
    0.5
    """
    return 1 - _ratio(sums[..., 1], sums[..., 9])


def value_or_none(value: ArrayLike) -> float | None:
    """A metric for JSON: a float, or None where it is undefined.

    >>> value_or_none(0.5), value_or_none(float("nan"))
    (0.5, None)
    """
    number = float(np.asarray(value))
    return number if np.isfinite(number) else None


def _moments(sums: Array) -> tuple[Array, Array, Array]:
    """Variances of y and p and their covariance, divided by n; rounding is set to exactly 0."""
    n = np.where(sums[..., 0] > 0, sums[..., 0], np.nan)
    y, p, yy, pp, yp = (sums[..., column] / n for column in range(4, 9))
    var_y, var_p = yy - y**2, pp - p**2
    var_y, var_p = np.where(var_y > _ROUNDING * yy, var_y, 0.0), np.where(var_p > _ROUNDING * pp, var_p, 0.0)
    return var_y, var_p, np.where((var_y > 0) & (var_p > 0), yp - y * p, 0.0)


def _mean_over(values: Array, confusion: ArrayLike, present: NDArray[np.bool_] | None) -> Array:
    support = np.asarray(confusion).sum(-1) > 0  # (..., K)
    counted = support if present is None else np.broadcast_to(present, support.shape)
    # A counted class without rows has an undefined recall, whatever its F1 would say.
    values = np.where(counted, np.where(support, values, np.nan), 0.0)
    return _ratio(values.sum(-1), counted.sum(-1))


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """Element by element; 0/0 is NaN without a warning."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    ratio: Array = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
    return ratio


def _finite(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: expected (n,) with at least one row")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(
            f"{name}: {bad.size} of {array.size} values are not finite, the first is row {bad[0]}"
        )
    return array


def _same_length(reference: object, predicted: object, groups: Index | None) -> None:
    lengths = [len(values) for values in (reference, predicted, groups) if values is not None]  # type: ignore[arg-type]
    if len(set(lengths)) > 1:
        raise ValueError(f"reference, predicted and groups have {lengths} rows: they must be equally long")
