"""One head that learned several tasks: each task's answer on one page, with the ways to their own reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from profiling.page.blocks import Page
from profiling.provenance import read_json
from profiling.report.folder import read_folder
from profiling.report.several import several_page

MULTI = "multi.json"


def multi_page(folder: Path, beside: Path) -> Page:
    """The page of one head that learned several tasks.

    Args:
        folder: with ``multi.json`` and a run folder for each task.
        beside: the folder the page will be in.
    """
    runs = [read_folder(folder / one["folder"]) for one in read_json(folder / MULTI)["tasks"].values()]
    names = " and ".join(run.result["task"]["name"] for run in runs)
    lead = (
        f"One head learned {names}: the tasks share every layer but the last, and the epoch was chosen on the mean of "
        "their skills on validation. How each does is in its own report too."
    )
    return replace(
        several_page(runs, beside), title=f"{names[0].upper()}{names[1:]} from one head", lead=lead
    )
