"""One page for a run, several runs, a sweep, a matrix or several tasks of one head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from profiling.errors import ConfigError
from profiling.evaluation.result import Result
from profiling.page.blocks import Page, Section
from profiling.page.render import write_page
from profiling.report.answer import answer, lead, warnings
from profiling.report.degraded import robustness
from profiling.report.detail import details
from profiling.report.folder import METRICS, RunFolder, read_folder
from profiling.report.grouped import groups
from profiling.report.matrix import MATRIX, matrix_page
from profiling.report.multi import MULTI, multi_page
from profiling.report.origin import origin, published
from profiling.report.several import several_page
from profiling.report.sweep import SELECTION, sweep_page
from profiling.report.trained import training
from profiling.report.trusted import calibration
from profiling.report.worst import worst

REPORT = "report.html"
_FOOT = (
    "Age, gender and emotion inferred from a voice are guesses about how a voice sounds to annotators. "
    "Do not decide about people with them."
)


def write_html(folder: Path, result: Result) -> Path:
    """Writes ``report.html`` of a result whose ``metrics.json`` comes last.

    Args:
        folder: the run folder, with predictions and studies.
        result: the content of ``metrics.json``.
    """
    return write_page(folder / REPORT, run_page(read_folder(folder, result)))


def write_report(
    folders: Sequence[Path], out: Path | None, *, audio: bool = False, remark: str | None = None
) -> Path:
    """Writes the page of a run, of several, of a sweep, of a matrix or of several tasks of one head.

    Args:
        folders: one folder of any kind, or several runs.
        out: the HTML file; by default ``report.html`` in the folder, which several runs do not have.
        audio: whether the worst errors get players that refer to the recordings on this machine.
        remark: what has to be said above everything, beside what the results themselves say.

    Raises:
        ConfigError: several folders and no ``out``.
        BundleError: a folder without a result.
    """
    if len(folders) > 1 and out is None:
        raise ConfigError(f"{len(folders)} runs have no folder in common; name the page: --out page.html")
    path = out or folders[0] / REPORT
    page = _page(folders, path.parent, audio=audio)
    if remark is not None:
        page = replace(page, warnings=[remark, *page.warnings])
    return write_page(path, page)


def _page(folders: Sequence[Path], beside: Path, *, audio: bool) -> Page:
    if len(folders) > 1:
        return several_page([read_folder(folder) for folder in folders], beside)
    (folder,) = folders
    if (folder / SELECTION).is_file():
        return sweep_page(folder, beside)
    if (folder / MATRIX).is_file() and not (folder / METRICS).is_file():
        return matrix_page(folder, beside)
    if (folder / MULTI).is_file():
        return multi_page(folder, beside)
    return run_page(read_folder(folder), audio=audio)


def run_page(run: RunFolder, *, audio: bool = False) -> Page:
    """The page of one result."""
    found: list[Section | None] = [
        answer(run),
        details(run),
        groups(run),
        calibration(run),
        robustness(run),
        training(run),
        worst(run, audio=audio),
        published(run),
        *origin(run),
    ]
    name = run.result["task"]["name"]
    kept = [section for section in found if section is not None]
    title = f"{name[0].upper()}{name[1:]} from the voice"
    return Page(title, lead(run), kept, warnings(run), _FOOT)
