"""Selection on validation only: after a sweep, one winner per cell has its test and held-out data opened.

job folders -> leaderboard.csv -> selection.json -> the winners' metrics.json, report.md, bundle/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from profiling.errors import ProfilingError
from profiling.evaluation.summary import summary_lines
from profiling.provenance import atomic_write, write_json
from profiling.training.log import say
from profiling.training.outcome import VALIDATION, Run, read_run

LEADERBOARD, SELECTION = "leaderboard.csv", "selection.json"
#: Validation scores of which more is better; the others are errors.
_HIGHER_IS_BETTER = {"uar": True, "mae": False}
_SEED_KEYS = ("seed", "head.seed", "split.seed", "data.order_seed")


class OpenWinners(Callback):
    """Hydra calls it when the last job of a multirun has ended."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Writes the leaderboard and the selection, then scores the winners."""
        folder = Path(config.hydra.sweep.dir)
        finish_sweep(folder, list(config.select.by), str(config.select.seeds))


def finish_sweep(folder: Path, by: Sequence[str], seeds: str) -> dict[str, Any]:
    """Chooses the winners of a finished sweep and opens their test and held-out data.

    Args:
        folder: the sweep folder, one sub-folder per job.
        by: settings that get a winner for each of their values; ``task`` always does.
        seeds: setting that is averaged over instead of chosen.

    Returns:
        The content of ``selection.json``.
    """
    board = leaderboard(sweep_runs(folder), by, seeds)
    atomic_write(folder / LEADERBOARD, board.drop(columns="runs").to_csv(index=False, lineterminator="\n"))
    selection = choose(board, by)
    write_json(folder / SELECTION, selection)  # before anything is opened
    say(f"{len(board)} candidates, ranked on validation: {folder / LEADERBOARD}")
    for winner in selection["winners"]:
        _open(Path(winner["runs"][0]), winner)
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


def leaderboard(runs: Sequence[Run], by: Sequence[str], seeds: str) -> pd.DataFrame:
    """One row per candidate, best first: its settings, mean validation score over seeds, number of seeds."""
    rows = pd.DataFrame([_row(run) for run in runs])
    settings = [c for c in rows if c not in ("score", "status", "run") and c not in _averaged(seeds)]
    grouped = rows.groupby(settings, dropna=False, sort=False)
    board = grouped.agg(
        score=("score", lambda scores: scores.mean(skipna=False)),
        jobs=("score", "size"),
        status=("status", lambda found: "diverged" if "diverged" in set(found) else "finished"),
        runs=("run", list),
    ).reset_index()
    lower_is_better = not _HIGHER_IS_BETTER[str(board["score_name"].iloc[0])]
    ranked = board.sort_values("score", ascending=lower_is_better, na_position="last", kind="stable")
    return ranked.reset_index(drop=True)


def _averaged(seeds: str) -> tuple[str, ...]:
    return _SEED_KEYS[:2] if seeds in _SEED_KEYS[:2] else (seeds,)


def _row(run: Run) -> dict[str, Any]:
    overrides = yaml.safe_load((run.folder / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")) or []
    settings = dict(override.lstrip("+~").split("=", 1) for override in overrides)
    fixed = ("corpus.", "paths.", "extract.", "store.")
    shown = {key: value for key, value in settings.items() if not key.startswith(fixed)}
    return {
        **shown,
        "task": run.validation["task"],
        "score_name": run.validation["score_name"],
        "score": run.validation["score"],
        "status": run.validation["status"],
        "run": str(run.folder),
    }


def choose(board: pd.DataFrame, by: Sequence[str]) -> dict[str, Any]:
    """One winner for each combination of ``by``; ties go to the candidate tried first."""
    cells = ["task", *(key for key in by if key != "task" and key in board)]
    winners = []
    for cell, rows in board.groupby(cells, sort=False, dropna=False):
        finished = rows[rows["score"].notna()]
        if finished.empty:
            say(f"{cell}: every candidate diverged, there is no winner")
            continue
        best = finished.iloc[0]
        winners.append(
            {
                "cell": dict(zip(cells, cell, strict=True)),
                "validation_score": float(best["score"]),
                "score_name": str(best["score_name"]),
                "candidates": len(rows),
                "jobs_averaged": int(best["jobs"]),
                "runs": list(best["runs"]),
            }
        )
    return {"by": cells, "candidates": len(board), "winners": winners}


def _open(folder: Path, winner: Mapping[str, Any]) -> None:
    from profiling.training.hydra_app import to_config
    from profiling.training.rows import load_rows
    from profiling.training.score import open_run

    config = to_config(OmegaConf.merge(_schema(), read_run(folder).config))
    rows = load_rows(config, lambda line: None)
    cell = ", ".join(f"{key}={value}" for key, value in winner["cell"].items())
    score = f"{winner['score_name']} {winner['validation_score']:.4f}"
    say(f"winner for {cell}: {folder} (validation {score}, best of {winner['candidates']})")
    for line in summary_lines(open_run(folder, rows, candidates=winner["candidates"])):
        say(line)


def _schema() -> Any:
    from profiling.training.hydra_app import schema

    return OmegaConf.structured(schema())
