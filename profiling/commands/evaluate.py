"""``profiling evaluate RUN_OR_BUNDLE corpus.heldout=[reader:path,...]``: a trained head on other corpora."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from profiling.commands.arguments import Parser, answer, say, split_overrides
from profiling.errors import ConfigError

HELP = "corpora, paths and extraction settings as key=value; task, backbone and audio come from the bundle"


def main(argv: Sequence[str]) -> int:
    """Scores; 0 done, 2 a mistake."""
    overrides, others = split_overrides(argv)
    parser = Parser("profiling evaluate", description="Score a trained head on other corpora.", epilog=HELP)
    parser.add_argument("model", metavar="RUN_OR_BUNDLE", help="run folder or bundle folder")
    parser.add_argument("--out", help="folder of the result (default: paths.runs/evaluations/<time>)")
    parser.usage = (
        "profiling evaluate RUN_OR_BUNDLE corpus.heldout=[reader:path,...] [key=value ...] [--out FOLDER]"
    )
    arguments = parser.parse_args(others)

    from profiling.evaluation.summary import summary_lines
    from profiling.training.describe import command_given
    from profiling.training.evaluation_run import evaluate_bundle
    from profiling.training.hydra_app import compose_config

    config = compose_config(overrides)
    _refuse_bundles_own(overrides)
    now = datetime.now().astimezone().strftime("%Y-%m-%d/%H-%M-%S-%f")
    folder = Path(arguments.out) if arguments.out else Path(config.paths.runs) / "evaluations" / now
    with command_given("evaluate", argv):
        result = evaluate_bundle(Path(arguments.model), config, folder, say)
    for line in summary_lines(result):
        answer(line)
    for name, score in result["scores"]["heldout"].items():
        if score["times_scored"] > 1:
            say(
                f"{name} was scored {score['times_scored']} times with this head; a set looked at often is chosen on"
            )
    say(f"result in {folder} (report.html, report.md, metrics.json, predictions.parquet)")
    return 0


#: Sections and settings that a trained head brings along; a value given beside it would change nothing.
_BUNDLES_OWN = (
    "task", "backbone", "audio", "features", "head", "split", "data", "trainer", "bank", "select", "seed", "experiment",
    "corpus.train", "store.dtype",
)  # fmt: skip
_YET_TAKEN = ("backbone.device",)


def _refuse_bundles_own(overrides: Sequence[str]) -> None:
    for text in overrides:
        key = text.partition("=")[0].lstrip("+~")
        own = key in _BUNDLES_OWN or key.partition(".")[0] in _BUNDLES_OWN
        if own and key not in _YET_TAKEN:
            raise ConfigError(f"{text}: {HELP}; leave it out")
