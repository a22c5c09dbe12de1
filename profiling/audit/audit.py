"""One audit: corpora in, findings out, the worst first. Every check is a function of the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from profiling.audit.duplicates import duplicates
from profiling.audit.enough import enough_speakers
from profiling.audit.finding import ERROR, Finding, by_severity, counts
from profiling.audit.labelled import ages, confounding, contradictions, dominance, missing
from profiling.audit.listening import listen
from profiling.audit.overlap import namesakes, shared_speakers, shared_texts
from profiling.audit.recorded import conditions, unusable
from profiling.audit.rows import pool, with_measures, without_measures
from profiling.audit.voices import pitch_against_gender
from profiling.config import RunConfig
from profiling.corpora.reading import read_corpora
from profiling.errors import ConfigError

CHECKS: tuple[Callable[[pd.DataFrame], list[Finding]], ...] = (
    unusable,
    duplicates,
    shared_speakers,
    namesakes,
    contradictions,
    pitch_against_gender,
    confounding,
    missing,
    dominance,
    shared_texts,
    enough_speakers,
    ages,
    conditions,
)


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found.

    Attributes:
        train: the training corpora as named.
        heldout: the held-out corpora as named.
        rows: every row with its part and measures.
        findings: the worst first.
        listened: whether the recordings were opened (or their measures remembered).
    """

    train: tuple[str, ...]
    heldout: tuple[str, ...]
    rows: pd.DataFrame
    findings: list[Finding]
    listened: bool

    @property
    def counts(self) -> dict[str, int]:
        """Severity -> how many findings."""
        return counts(self.findings)

    @property
    def failed(self) -> bool:
        """Whether there is an error: a score on these corpora would be wrong."""
        return self.counts[ERROR] > 0


def run_audit(
    config: RunConfig, say: Callable[[str], None], *, listened: bool = True, progress: bool = True
) -> Audit:
    """Audits ``corpus.train`` and ``corpus.heldout``.

    Args:
        config: corpora, paths, ``audio.channel`` and ``extract.workers``.
        say: where lines for the person go.
        listened: False looks at the manifests only.
        progress: whether to say how far it is.

    Raises:
        ConfigError: no corpus is named.
        ManifestError, LabelError: a corpus that cannot be read.
    """
    if not (config.corpus.train or config.corpus.heldout):
        raise ConfigError("no corpus named; write corpus.train=[csv:path/to/manifest.csv]")
    rows = pool(_read(config, config.corpus.train), _read(config, config.corpus.heldout))
    say(
        f"{len(rows)} utterances of {rows['speaker_id'].nunique()} speakers in {rows['corpus'].nunique()} corpora"
    )
    if listened:
        heard = listen(
            rows, Path(config.paths.cache), config.audio.channel, config.extract.workers, progress=progress
        )
        say(f"{heard.cached}/{len(rows)} measured before, {len(rows) - heard.cached} measured now")
        rows = with_measures(rows, heard)
    else:
        rows = without_measures(rows)
    findings = by_severity(finding for check in CHECKS for finding in check(rows))
    return Audit(tuple(config.corpus.train), tuple(config.corpus.heldout), rows, findings, listened)


def _read(config: RunConfig, specs: Sequence[str]) -> pd.DataFrame | None:
    if not specs:
        return None
    return read_corpora(specs, vars(config.paths), config.corpus.drop_labels)
