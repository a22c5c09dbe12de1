"""Wrong definitions that look right: each is put in place, and the reference tests must notice.

A mutant replaces one piece of source in one function; the function is compiled anew inside its module. The tests
that must fail are those that hold the right definition against an independent calculation. docs/metrics.md lists them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import test_calibration, test_compare, test_decisions, test_groups, test_intervals, test_metrics

METRICS, INTERVALS = "profiling.evaluation.metrics", "profiling.evaluation.intervals"
DECISIONS, PAIRED = "profiling.evaluation.decisions", "profiling.evaluation.paired"
APPLIED = "profiling.evaluation.applied"
CROSSFIT = "profiling.evaluation.crossfit"
CALIBRATION, CONFORMAL = "profiling.evaluation.calibration", "profiling.evaluation.conformal"


def ccc_test() -> None:
    test_metrics.test_regression_equals_independent_formulas(8, 0)


def own_speaker_test() -> None:
    test_calibration.test_no_calibrated_answer_used_its_own_speaker(6)


def classification_test() -> None:
    test_metrics.test_classification_equals_scikit_learn(60, 2)


#: Name, module, function, right source, wrong source, test that must fail.
MUTANTS: list[tuple[str, str, str, str, str, Callable[[], None]]] = [
    (
        "CCC divides variances by n - 1",
        METRICS,
        "ccc",
        "2 * cov, var_y + var_p",
        "2 * cov, (var_y + var_p) * sums[..., 0] / (sums[..., 0] - 1)",
        ccc_test,
    ),
    ("CCC without the shift of means", METRICS, "ccc", " + shift ** 2", "", ccc_test),
    ("MAE is the root of the square", METRICS, "mae", "sums[..., 1]", "sums[..., 2]", ccc_test),
    (
        "RMSE without the root",
        METRICS,
        "rmse",
        "np.sqrt(_ratio(sums[..., 2], sums[..., 0]))",
        "_ratio(sums[..., 2], sums[..., 0])",
        ccc_test,
    ),
    (
        "skill against the wrong error",
        METRICS,
        "skill",
        "sums[..., 1], sums[..., 9]",
        "sums[..., 9], sums[..., 1]",
        ccc_test,
    ),
    ("Pearson without the root", METRICS, "pearson", "np.sqrt(var_y * var_p)", "var_y * var_p", ccc_test),
    (
        "UAR is micro (WA)",
        METRICS,
        "uar",
        "_mean_over(recalls(confusion), confusion, present)",
        "wa(confusion)",
        classification_test,
    ),
    (
        "macro-F1 is micro",
        METRICS,
        "macro_f1",
        "_mean_over(_ratio(2 * hits, matrix.sum(-1) + matrix.sum(-2)), confusion, present)",
        "wa(confusion)",
        classification_test,
    ),
    (
        "WA is the mean of recalls",
        METRICS,
        "wa",
        "_ratio(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum((-2, -1)))",
        "np.nanmean(recalls(matrix), axis=-1)",
        classification_test,
    ),
    (
        "axes of the confusion matrix swapped",
        METRICS,
        "confusion_matrix",
        "label_indices(reference, labels) * size + label_indices(predicted, labels)",
        "label_indices(predicted, labels) * size + label_indices(reference, labels)",
        test_metrics.test_rows_of_the_confusion_matrix_are_the_reference,
    ),
    (
        "recall divides by the predictions (precision)",
        METRICS,
        "recalls",
        "matrix.sum(-1)",
        "matrix.sum(-2)",
        classification_test,
    ),
    (
        "classes without rows count as 0",
        METRICS,
        "_mean_over",
        "counted.sum(-1)",
        "counted.shape[-1]",
        test_metrics.test_a_class_absent_from_the_reference_does_not_count,
    ),
    (
        "masked argmax is not masked",
        DECISIONS,
        "decide",
        "scores[:, columns].argmax(axis=1)",
        "np.clip(scores.argmax(axis=1), 0, len(answers) - 1)",
        lambda: _every(test_decisions),
    ),
    (
        "every utterance is a speaker of its own",
        INTERVALS,
        "speaker_groups",
        "np.unique(ids.astype(str).to_numpy(dtype=str), return_inverse=True)",
        "(np.arange(len(ids)).astype(str), np.arange(len(ids)))",
        test_intervals.test_ccc_of_few_speakers_is_taken_on_fishers_scale,
    ),
    (
        "the jackknife without its factor",
        INTERVALS,
        "_half",
        "(size - 1) / size * np.sum",
        "1 / size * np.sum",
        lambda: test_intervals.test_on_its_own_scale_the_jackknife_is_the_t_interval_on_speaker_means(8),
    ),
    (
        "the normal quantile for Student's",
        INTERVALS,
        "_half",
        "stdtrit(freedom, (1 + level) / 2)",
        "stdtrit(1e12, (1 + level) / 2)",
        lambda: test_intervals.test_on_its_own_scale_the_jackknife_is_the_t_interval_on_speaker_means(8),
    ),
    (
        "strata ignored",
        INTERVALS,
        "_half",
        "estimand.strata is None",
        "True",
        test_intervals.test_one_class_a_speaker_is_welchs_interval,
    ),
    (
        "unequal speakers count in full",
        INTERVALS,
        "_half",
        "estimand.rows is None",
        "True",
        test_intervals.test_unequal_speakers_count_as_fewer,
    ),
    (
        "a spread known from one speaker counts as sure",
        INTERVALS,
        "freedom_of",
        "+ excess / effective",
        "",
        test_intervals.test_a_speaker_who_makes_most_of_the_spread_leaves_it_unsure,
    ),
    (
        "bootstrap draws systems apart",
        PAIRED,
        "paired_bootstrap",
        "(weights @ b)",
        "(weights[::-1] @ b)",
        test_compare.test_the_bootstrap_keeps_pairs_together,
    ),
    (
        "one-sided sign-flip test",
        PAIRED,
        "sign_flip_test",
        "np.abs(found) < abs(observed)",
        "-found < -observed",
        test_compare.test_the_exact_sign_flip_test_by_hand,
    ),
    (
        "Bonferroni for Holm",
        PAIRED,
        "holm",
        "(len(made) - rank)",
        "len(made)",
        test_compare.test_holm_against_its_definition,
    ),
    (
        "Holm not made monotone",
        PAIRED,
        "holm",
        "max(largest, min(",
        "(min(",
        test_compare.test_holm_against_its_definition,
    ),
    (
        "temperature multiplies",
        APPLIED,
        "apply_temperature",
        "/ temperature",
        "* temperature",
        test_calibration.test_the_temperature_that_was_put_in_is_found,
    ),
    (
        "ECE without weights",
        CALIBRATION,
        "expected_calibration_error",
        "row['n'] * abs",
        "abs",
        test_calibration.test_ece_by_hand,
    ),
    (
        "temperature fitted with its own speaker",
        CROSSFIT,
        "judged_labels",
        "fit_temperature(known, right)",
        "fit_temperature(probabilities, truth)",
        own_speaker_test,
    ),
    (
        "label sets fitted with their own speaker",
        CROSSFIT,
        "judged_labels",
        "set_scores(known, right, others, scale=scale), others",
        "set_scores(probabilities, truth, groups, scale=scale), groups",
        own_speaker_test,
    ),
    (
        "intervals fitted with their own speaker",
        CROSSFIT,
        "judged_numbers",
        "errors[~inside], _renumbered(groups[~inside])",
        "errors, groups",
        test_calibration.test_an_interval_is_judged_by_the_errors_of_others,
    ),
    (
        "conformal rank without the + 1",
        CONFORMAL,
        "speaker_quantile",
        "(speakers + 1) * level",
        "speakers * level",
        test_calibration.test_the_quantile_is_the_order_statistic_of_n_plus_one,
    ),
    (
        "conformal quantile over utterances",
        CONFORMAL,
        "speaker_quantile",
        "starts + np.floor(generator.random((draws, speakers)) * sizes).astype(np.intp)",
        "generator.integers(0, len(scores), (draws, speakers))",
        test_calibration.test_the_quantile_is_over_speakers_not_utterances,
    ),
    (
        "random model dealt out by utterance",
        "profiling.evaluation.groups",
        "_Split.gaps",
        "self.speaker if by_speaker else",
        "",
        test_groups.test_a_gap_that_few_speakers_make_by_chance_is_not_called_bias,
    ),
]


@pytest.mark.parametrize(
    ("name", "module", "function", "right", "wrong", "test"), MUTANTS, ids=[m[0] for m in MUTANTS]
)
def test_the_reference_tests_kill_it(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    module: str,
    function: str,
    right: str,
    wrong: str,
    test: Callable[[], None],
) -> None:
    test()  # alive without the mutant
    _mutate(monkeypatch, module, function, right, wrong)
    with pytest.raises((AssertionError, pytest.fail.Exception, ValueError, IndexError)):
        test()


def test_every_mutant_is_listed_in_the_docs() -> None:
    listed = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, *_ in MUTANTS:
        assert name in listed


def _mutate(monkeypatch: pytest.MonkeyPatch, module: str, function: str, right: str, wrong: str) -> None:
    """Gives the function wrong code; whoever imported it by name has the wrong code too."""
    found: Any = importlib.import_module(module)
    for name in function.split("."):
        found = getattr(found, name)
    whole = ast.unparse(
        ast.parse(textwrap.dedent(inspect.getsource(found)))
    )  # however the formatter wraps it
    assert whole.count(right) == 1, f"{function} does not hold {right!r} once:\n{whole}"
    space = dict(found.__globals__)
    code = compile(
        whole.replace(right, wrong), module, "exec", flags=annotations.compiler_flag, dont_inherit=True
    )
    exec(code, space)
    monkeypatch.setattr(found, "__code__", space[found.__name__].__code__)


def _every(module: ModuleType) -> None:
    for name, test in vars(module).items():
        if name.startswith("test_") and not inspect.signature(test).parameters:
            test()
