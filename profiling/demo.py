"""The whole chain on generated voices, offline: corpus, features, three heads, held-out scores, report, prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from profiling.corpora.generated import generate_corpus
from profiling.evaluation.summary import summary_lines
from profiling.predict import Answer, load_profilers
from profiling.provenance import atomic_write
from profiling.report.pages import write_report
from profiling.training.hydra_app import compose_config
from profiling.training.rows import load_rows
from profiling.training.run import train_run
from profiling.training.score import open_run

Say = Callable[[str], None]

TASKS = ("gender", "age", "emotion")
#: Speakers and utterances of each, seed: enough speakers for an interval, little enough for two minutes.
_TRAIN, _HELDOUT = (40, 6, 1), (20, 4, 2)
_WARNING = (
    "These are generated voices: the numbers prove that the chain from audio to report works. "
    "They say nothing about people."
)


@dataclass(frozen=True)
class Demo:
    """What the demo leaves.

    Attributes:
        report: the overview, with links to the report of each task; ``report.html`` is beside it.
        recording: a voice none of the heads was trained on.
        answers: what the three heads say of it.
    """

    report: Path
    recording: Path
    answers: list[Answer]


def run_demo(folder: Path, backbone: str, say: Say) -> Demo:
    """Runs everything inside ``folder``; a second time takes voices and features from there.

    Args:
        folder: made if absent.
        backbone: as in ``backbone=<name>``.
        say: where lines for the person go.
    """
    say("1/4 generated voices: a source-filter model, no recordings of people")
    train, heldout = (
        generate_corpus(folder / name, *size) for name, size in (("voices", _TRAIN), ("strangers", _HELDOUT))
    )
    started = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S-%f")
    runs = {task: folder / "runs" / started / task for task in TASKS}
    lines = {}
    say("2/4 features, by the frozen backbone")
    for step, task in enumerate(TASKS):
        told = say if step == 0 else _silent  # the later heads find their features in the cache
        lines[task] = _train(task, runs[task], [train, heldout], folder, backbone, told)
        say(f"3/4 a head for {task}, scored on voices it never heard")
        for line in lines[task]:
            say(f"  {line}")
    say("4/4 one prediction of each head, on a held-out voice")
    recording = min((heldout.parent / "wav").rglob("*.wav"), default=heldout)
    answers = [profiler(recording) for profiler in load_profilers(list(runs.values()))]
    write_report(list(runs.values()), folder / "report.html", remark=_WARNING)
    report = folder / "report.md"
    atomic_write(report, _overview(runs, lines, answers, folder))
    return Demo(report, recording, answers)


def _train(task: str, run: Path, corpora: list[Path], folder: Path, backbone: str, say: Say) -> list[str]:
    train, heldout = (f"csv:{manifest}" for manifest in corpora)
    config = compose_config(
        [
            f"task={task}",
            f"backbone={backbone}",
            f"corpus.train=['{train}']",
            f"corpus.heldout=['{heldout}']",
            f"paths.features='{folder / 'features'}'",
            "trainer.tensorboard=false",
        ]
    )
    run.mkdir(parents=True)
    rows = load_rows(config, say)
    train_run(config, rows, run, say)
    return summary_lines(open_run(run, rows))


def _silent(line: str) -> None:
    """Says nothing."""


def _overview(runs: dict[str, Path], lines: dict[str, list[str]], answers: list[Answer], folder: Path) -> str:
    parts = ["# The demo: from generated voices to answers", f"**{_WARNING}**"]
    for task, run in runs.items():
        link = (run / "report.md").relative_to(folder)
        parts += [f"## {task.capitalize()}", "```\n" + "\n".join(lines[task]) + "\n```"]
        parts += [f"[The full report with pictures]({link})"]
        parts += [
            f"![{p.stem.replace('_', ' ')}]({p.relative_to(folder)})"
            for p in sorted(run.glob("heldout_*.png"))
        ]
    parts += ["## One prediction", "```\n" + "\n".join(map(describe, answers)) + "\n```"]
    return "\n\n".join(parts) + "\n"


def describe(answer: Answer) -> str:
    """An answer as a person would say it."""
    if answer.probabilities:
        best = answer.probabilities[str(answer.label)]
        return f"{answer.task}: {answer.label} ({best:.0%})"
    return f"{answer.task}: {answer.value:.0f} {answer.unit}"
