"""The worst errors: the surest wrong answers, and the numbers farthest off; with players where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.corpora.reading import read_corpora
from profiling.errors import ProfilingError
from profiling.evaluation.answers import masked_answers
from profiling.evaluation.result import Part
from profiling.page.blocks import Block, Cell, Section, Sound, Table, Text
from profiling.report.folder import ROWS, RunFolder, anchor

_SHOWN = 10


def worst(run: RunFolder, *, audio: bool) -> Section | None:
    """A table for each part of the answer.

    Args:
        run: the result.
        audio: whether to refer to the recordings on this machine. Only when asked for: their addresses name folders,
            and a page is made to be shared.
    """
    blocks: list[Block] = []
    files = recordings(run) if audio else {}
    for part in run.answers:
        rows = run.rows(part)
        if rows is not None and len(rows):
            found = (
                _labels(run, part, rows, files)
                if run.result["task"]["labels"]
                else _numbers(run, part, rows, files)
            )
            blocks += [found] if found else []
    if not blocks:
        return None
    probabilities = (
        "Probabilities are as the head gave them, before a temperature. "
        if run.result["task"]["labels"]
        else ""
    )
    note = "Listening needs the recordings at the place where they were." if audio else (
        "To listen: profiling report RUN --audio, on the machine that has the recordings."
    )  # fmt: skip
    return Section("worst", "The worst errors", [*blocks, Text(probabilities + note, "note")])


def _labels(run: RunFolder, part: Part, rows: pd.DataFrame, files: Mapping[str, Path]) -> Table | None:
    """Wrong answers, the surest first; of held-out corpora by the decision of the part."""
    if part.title.endswith(", masked"):
        rows, _ = masked_answers(rows, list(run.result["task"]["labels"] or []))
    wrong = rows[rows["label"].notna() & (rows["label"] != rows["predicted"])]
    if wrong.empty:
        return None
    sure, true = (_probability(wrong, column) for column in ("predicted", "label"))
    order = np.argsort(-sure, kind="stable")[:_SHOWN]
    cells: list[tuple[Cell, ...]] = [
        (
            str(row["utt_id"]), str(row["label"]), str(row["predicted"]), f"{sure[i]:.2f}",
            "" if np.isnan(true[i]) else f"{true[i]:.2f}", *_about(row), *_sound(row, files),
        )
        for i in order
        for row in [wrong.iloc[i]]
    ]  # fmt: skip
    head = (
        "utterance",
        "reference",
        "answered",
        "with",
        "for the reference",
        *_ABOUT,
        *(("listen",) if files else ()),
    )
    caption = f"{part.title[0].upper()}{part.title[1:]}: {len(wrong)} of {len(rows)} wrong, the surest first"
    return Table(caption, head, cells, f"worst_{anchor(part.key)}")


def _probability(rows: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """(n,) what the head gave each row's label in ``column``; NaN for a label it does not know."""
    found = np.full(len(rows), np.nan)
    for label in rows[column].unique():
        if f"p_{label}" in rows:
            chosen = (rows[column] == label).to_numpy()
            found[chosen] = rows.loc[chosen, f"p_{label}"]
    return found


def _numbers(run: RunFolder, part: Part, rows: pd.DataFrame, files: Mapping[str, Path]) -> Table:
    rows = rows[rows["target"].notna()]
    off = (rows["predicted"] - rows["target"]).to_numpy(dtype=np.float64)
    order = np.argsort(-np.abs(off), kind="stable")[:_SHOWN]
    cells: list[tuple[Cell, ...]] = [
        (
            str(r["utt_id"]),
            f"{r['target']:.1f}",
            f"{r['predicted']:.1f}",
            f"{off[i]:+.1f}",
            *_about(r),
            *_sound(r, files),
        )
        for i in order
        for r in [rows.iloc[i]]
    ]
    head = (
        "utterance",
        "reference",
        "predicted",
        f"off by, {run.unit}",
        *_ABOUT,
        *(("listen",) if files else ()),
    )
    return Table(
        f"{part.title[0].upper()}{part.title[1:]}: farthest off", head, cells, f"worst_{anchor(part.key)}"
    )


_ABOUT = ("sex", "age", "duration, s")


def _about(row: pd.Series) -> tuple[str, str, str]:
    sex, age, duration = (row.get(name) for name in ("gender", "age_years", "duration_s"))
    number = [
        "" if value is None or pd.isna(value) else f"{value:.{digits}f}"
        for value, digits in ((age, 0), (duration, 1))
    ]
    return ("" if sex is None or pd.isna(sex) else str(sex), *number)  # type: ignore[return-value]


def _sound(row: pd.Series, files: Mapping[str, Path]) -> tuple[Cell, ...]:
    if not files:
        return ()
    path = files.get(str(row["utt_id"]))
    return ("not here" if path is None else Sound(path.as_uri(), f"recording {row['utt_id']}"),)


def recordings(run: RunFolder) -> dict[str, Path]:
    """Utterance -> its recording, of those that are on this machine: training rows, and held-out corpora read again.

    Raises:
        ProfilingError: a held-out corpus is not where the run found it.
    """
    tables = []
    if (run.folder / ROWS).is_file():
        tables.append(pd.read_parquet(run.folder / ROWS, columns=["utt_id", "path"]))
    tables += [_corpora(run)] if run.config.get("corpus", {}).get("heldout") else []
    return {
        str(utt_id): path
        for table in tables
        for utt_id, path in zip(table["utt_id"], map(Path, table["path"]), strict=True)
        if path.is_file()
    }


def _corpora(run: RunFolder) -> pd.DataFrame:
    corpus = run.config["corpus"]
    try:
        return read_corpora(corpus["heldout"], run.config["paths"], corpus["drop_labels"])[["utt_id", "path"]]
    except ProfilingError as error:
        raise type(error)(
            f"--audio: {error}; run this in the folder the run was started in, or leave --audio out"
        ) from None
