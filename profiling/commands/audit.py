"""``profiling audit corpus.train=[...] corpus.heldout=[...]``: what would make a result on these corpora wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from profiling.commands.arguments import Parser, answer, say, split_overrides

HELP = """\
looks for: the same recording twice (by bytes and by decoded samples), speakers and texts on both sides, contradicting
labels, labels that go with a speaker, a text or a microphone, pitch that speaks against a gender label, clipping,
silence, telephone band, too few speakers for intervals.
exit code: 0 no errors (there may be warnings), 1 errors, 2 a mistake in what was asked for
"""


def main(argv: Sequence[str]) -> int:
    """Audits; 0 no errors, 1 errors were found, 2 a mistake."""
    overrides, others = split_overrides(argv)
    parser = Parser("profiling audit", description="Check corpora before anything is trained.", epilog=HELP)
    parser.usage = "profiling audit corpus.train=[reader:path,...] [corpus.heldout=[...]] [key=value ...]"
    parser.add_argument("--out", help="folder of the result (default: paths.runs/audits/<time>)")
    parser.add_argument("--no-audio", action="store_true", help="look at the manifests only")
    arguments = parser.parse_args(others)

    from profiling.audit.audit import run_audit
    from profiling.audit.document import document, lines
    from profiling.audit.page import write_page
    from profiling.provenance import write_json
    from profiling.training.hydra_app import compose_config

    config = compose_config(overrides)
    now = datetime.now().astimezone().strftime("%Y-%m-%d/%H-%M-%S-%f")
    folder = Path(arguments.out) if arguments.out else Path(config.paths.runs) / "audits" / now
    audit = run_audit(config, say, listened=not arguments.no_audio, progress=config.trainer.progress)
    write_json(folder / "audit.json", document(audit))
    write_page(folder / "audit.html", audit)
    for line in lines(audit):
        answer(line)
    say(f"result in {folder} (audit.html, audit.json)")
    return 1 if audit.failed else 0
