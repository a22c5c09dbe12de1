"""Selection on validation only: after a sweep, one winner per cell has its test and held-out data opened.

job folders -> leaderboard.csv -> selection.json -> the winners' metrics.json, report.md, bundle/
-> sweep.md
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from profiling.bundle import FOLDER as BUNDLE
from profiling.errors import ProfilingError
from profiling.evaluation.summary import NAMES
from profiling.provenance import atomic_write, read_json, write_json
from profiling.training.escape import escaping, uninterrupted
from profiling.training.log import log_to, say
from profiling.training.outcome import METRICS, VALIDATION, Run, read_run
from profiling.training.sweep_report import SWEEP_REPORT, write_sweep_report
from profiling.training.sweep_table import opened_text, short

LEADERBOARD, SELECTION, LOG = "leaderboard.csv", "selection.json", "sweep.log"
#: Validation scores of which more is better; the others are errors.
_HIGHER_IS_BETTER = {"uar": True, "mae": False}
_SEED_KEYS = ("seed", "head.seed")  # two names of one thing
#: Settings of a job that say where and how fast, not what: no columns of the leaderboard.
_NOT_SHOWN = ("corpus.", "paths.", "extract.", "store.", "select.", "trainer.progress", "trainer.tensorboard")
_FACTS = ("task", "score_name", "score", "status", "run")
_MANY = 4  # winners that are told in full; more get a line each


class OpenWinners(Callback):
    """Hydra calls it when the last job of a multirun has ended."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Writes the leaderboard and the selection, then scores the winners."""
        folder = Path(config.hydra.sweep.dir)
        with escaping(), uninterrupted():
            log_to(folder / LOG)
            finish_sweep(folder, list(config.select.by), str(config.select.seeds))


def finish_sweep(folder: Path, by: Sequence[str], seeds: str) -> dict[str, Any]:
    """Chooses the winners of a finished sweep and opens their test and held-out data.

    Args:
        folder: the sweep folder, one sub-folder per job.
        by: settings that get a winner for each of their values; ``task`` always does.
        seeds: setting that is averaged over instead of chosen.

    Returns:
        The content of ``selection.json``.

    Raises:
        ProfilingError: no job finished, or every candidate of every cell diverged.
    """
    board = leaderboard(sweep_runs(folder), seeds)
    atomic_write(folder / LEADERBOARD, _shown(board).to_csv(index=False, lineterminator="\n"))
    selection = choose(board, by)
    write_json(folder / SELECTION, selection)  # before anything is opened
    candidates = f"{len(board)} candidate{'s' if len(board) != 1 else ''}"
    say(f"{candidates}, ranked on validation: {folder / LEADERBOARD}")
    for cell in selection["without_winner"]:
        say(f"{_settings(cell)}: every candidate diverged, there is no winner; lower head.lr")
    if not selection["winners"]:
        raise ProfilingError(f"{folder}: every candidate diverged, so nothing was opened; lower head.lr")
    for winner in selection["winners"]:
        _open(Path(winner["runs"][0]), winner, one_line=len(selection["winners"]) > _MANY)
    write_sweep_report(folder, board, selection)
    from profiling.report.pages import write_report  # every training imports this module, few are sweeps

    page = write_report([folder], None)
    say(f"what was tried, and the winners: {page} ({SWEEP_REPORT})")
    return selection


def sweep_runs(folder: Path) -> list[Run]:
    """The trained runs of a sweep, in the order of their job numbers.

    Raises:
        ProfilingError: none finished.
    """
    found = (file.parent for file in folder.glob(f"*/{VALIDATION}"))
    jobs = sorted(found, key=lambda job: (len(job.name), job.name))
    if not jobs:
        raise ProfilingError(f"{folder}: no job of this sweep finished, there is nothing to select")
    return [read_run(job) for job in jobs]


def leaderboard(runs: Sequence[Run], seeds: str) -> pd.DataFrame:
    """One row per candidate, best first within each task.

    Args:
        runs: the finished jobs.
        seeds: setting that is averaged over; ``seed`` and ``head.seed`` are one.

    Returns:
        The candidate's settings, ``task``, ``score_name``, ``score`` (mean validation score over its seeds; none
        where one diverged), ``jobs`` (seeds), ``status`` and ``runs`` (their folders).
    """
    rows = pd.DataFrame([_row(run) for run in runs])
    averaged = _SEED_KEYS if seeds in _SEED_KEYS else (seeds,)
    settings = [c for c in rows if c not in (*_FACTS[2:], *averaged) and _tells_apart(rows, str(c))]
    board = rows.groupby(settings, dropna=False, sort=False).agg(
        score=("score", lambda scores: scores.astype(float).mean(skipna=False)),
        jobs=("score", "size"),
        status=("status", lambda found: "diverged" if "diverged" in set(found) else "finished"),
        runs=("run", list),
    )
    return _ranked(board.reset_index())


def _tells_apart(rows: pd.DataFrame, column: str) -> bool:
    """Paths and the like are no columns of the leaderboard, unless they were swept."""
    return not column.startswith(_NOT_SHOWN) or rows[column].nunique(dropna=False) > 1


def _shown(board: pd.DataFrame) -> pd.DataFrame:
    """The leaderboard with folder names instead of paths, so that it may travel with its sweep."""
    return board.assign(runs=[" ".join(Path(run).name for run in runs) for runs in board["runs"]])


def _ranked(board: pd.DataFrame) -> pd.DataFrame:
    """Best first within each task, in the order the tasks came; equal scores as they were tried."""
    gain = [
        score if _HIGHER_IS_BETTER[name] else -score for name, score in board[["score_name", "score"]].values
    ]
    order = pd.DataFrame({"task": pd.factorize(board["task"])[0], "loss": [-value for value in gain]})
    return board.loc[order.sort_values(["task", "loss"], kind="stable").index].reset_index(drop=True)


def _row(run: Run) -> dict[str, Any]:
    overrides = yaml.safe_load((run.folder / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")) or []
    pairs = (override.lstrip("+~").partition("=") for override in overrides)
    facts = {name: run.validation[name] for name in _FACTS[:4]}
    return {**{key: value for key, _, value in pairs}, **facts, "run": str(run.folder)}


def choose(board: pd.DataFrame, by: Sequence[str]) -> dict[str, Any]:
    """One winner for each combination of ``by``; ties go to the candidate tried first.

    Returns:
        ``by``, ``candidates``, ``winners`` and ``without_winner``: cells whose candidates all diverged.
    """
    cells = ["task", *(key for key in by if key != "task" and key in board)]
    winners, without = [], []
    for values, rows in board.groupby(cells, sort=False, dropna=False):
        cell = dict(zip(cells, values, strict=True))
        finished = rows[rows["score"].notna()]
        if finished.empty:
            without.append(cell)
        else:
            winners.append(_winner(cell, finished.iloc[0], len(rows)))
    return {"by": cells, "candidates": len(board), "winners": winners, "without_winner": without}


def _winner(cell: Mapping[str, Any], best: pd.Series, candidates: int) -> dict[str, Any]:
    return {
        "cell": dict(cell),
        "validation_score": float(best["score"]),
        "score_name": str(best["score_name"]),
        "candidates": candidates,
        "jobs_averaged": int(best["jobs"]),
        "runs": list(best["runs"]),
    }


def _open(folder: Path, winner: Mapping[str, Any], *, one_line: bool) -> None:
    from profiling.training.hydra_app import schema, to_config
    from profiling.training.rows import load_rows
    from profiling.training.score import open_run, say_result

    if _opened_before(folder, winner["candidates"]):
        say(f"winner for {_settings(winner['cell'])}: {folder}, opened before ({_why(winner)})")
        return
    config = to_config(OmegaConf.merge(OmegaConf.structured(schema()), read_run(folder).config))
    rows = load_rows(config, lambda line: None)
    result = open_run(folder, rows, candidates=winner["candidates"])
    if one_line:
        say(f"{_settings(winner['cell'])}: {_why(winner)}; {opened_text(winner, result)} ({folder.name})")
        return
    say(f"winner for {_settings(winner['cell'])}: {folder} ({_why(winner)})")
    say_result(folder, result)


def _opened_before(folder: Path, candidates: int) -> bool:
    """Whether a sweep that is gone on with has its result; one among fewer candidates is not its result."""
    if not (folder / METRICS).exists():
        return False
    if read_json(folder / METRICS)["candidates"] == candidates:
        return True
    (folder / METRICS).unlink()
    shutil.rmtree(folder / BUNDLE)
    return False


def _why(winner: Mapping[str, Any]) -> str:
    said = f"validation {NAMES[winner['score_name']]} {winner['validation_score']:.4f}"
    if winner["jobs_averaged"] > 1:
        said += f", mean of {winner['jobs_averaged']} seeds, the first of which is opened"
    return said + (f"; best of {winner['candidates']}" if winner["candidates"] > 1 else "")


def _settings(cell: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={short(value)}" for key, value in cell.items())
