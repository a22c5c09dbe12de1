"""Recordings: those that cannot be used, are clipped, mostly silent, too short or long, or of narrow band."""

from __future__ import annotations

import pandas as pd

from profiling.audit.finding import ERROR, NOTE, WARNING, Finding
from profiling.audit.rows import NARROW_HZ

_CLIPPED_SHARE = 1e-3  # of a recording's samples at full scale, as the loader flags it
_SILENT_SHARE = 0.6  # of a recording's frames
_EDGE_S = 1.0
_SHORT_S, _LONG_S = 0.5, 30.0
_QUIET_DBFS = -45.0
_FEW, _MANY = 0.01, 0.1  # shares of a corpus's recordings


def unusable(rows: pd.DataFrame) -> list[Finding]:
    """Recordings that do not open, decode, or hold a sound."""
    found = []
    for corpus, group in rows[rows["failed"].notna()].groupby("corpus", sort=False):
        share = len(group) / int((rows["corpus"] == corpus).sum())
        reasons = group["failed"].tolist()
        found.append(
            Finding(
                "recordings",
                ERROR if share > _FEW else WARNING,
                (str(corpus),),
                f"{len(group)} recordings cannot be used ({100 * share:.1f} %), the first: {reasons[0]}",
                tuple(group["utt_id"]),
                {"reasons": reasons},
                "mend or remove them; extraction quarantines them, and fails above extract.max_failed",
            )
        )
    return found


def conditions(rows: pd.DataFrame) -> list[Finding]:
    """Clipping, silence, length, level and band, each with the recordings it concerns."""
    found = []
    for corpus, group in rows[rows["duration_s"].notna()].groupby("corpus", sort=False):
        for what, way_out, wrong in _looks(group):
            share = float(wrong.mean())
            if share > 0:
                severity = WARNING if share >= _MANY else NOTE
                message = f"{int(wrong.sum())} of {len(group)} recordings ({100 * share:.1f} %) {what}"
                subjects = tuple(group["utt_id"][wrong])
                found.append(
                    Finding(
                        "recordings", severity, (str(corpus),), message, subjects, {"share": share}, way_out
                    )
                )
        found += _rates(str(corpus), group)
    return found


def _looks(group: pd.DataFrame) -> list[tuple[str, str, pd.Series]]:
    return [
        (
            f"are clipped (over {100 * _CLIPPED_SHARE:g} % of the samples at full scale)",
            "loudness is lost and harmonics are added; leave them out of what matters",
            group["clipped_share"] > _CLIPPED_SHARE,
        ),
        (
            f"are mostly silence (over {100 * _SILENT_SHARE:g} % pauses)",
            "trim",
            group["silence_share"] > _SILENT_SHARE,
        ),
        (f"begin or end with over {_EDGE_S:g} s of silence", "trim", group["edge_silence_s"] > _EDGE_S),
        (
            f"are shorter than {_SHORT_S:g} s",
            "too little for pitch or pooling",
            group["duration_s"] < _SHORT_S,
        ),
        (f"are longer than {_LONG_S:g} s", "averaged over windows", group["duration_s"] > _LONG_S),
        (f"are quieter than {_QUIET_DBFS:g} dBFS", "near the noise", group["level_dbfs"] < _QUIET_DBFS),
        (
            f"hold nothing above {NARROW_HZ:g} Hz: telephone band, once recorded at 8 kHz whatever the file says",
            "do not mix with wide band where the label goes with it",
            group["bandwidth_hz"] < NARROW_HZ,
        ),
    ]


def _rates(corpus: str, group: pd.DataFrame) -> list[Finding]:
    rates = group["sample_rate_hz"].value_counts()
    if len(rates) < 2:
        return []
    listed = ", ".join(f"{rate:g} Hz ({count})" for rate, count in rates.items())
    return [
        Finding("recordings", NOTE, (corpus,), f"several sample rates: {listed}", evidence={"rates": listed})
    ]
