"""Who and what stands on both sides: speakers and texts in several parts."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pandas as pd

from profiling.audit.finding import ERROR, NOTE, WARNING, Finding
from profiling.audit.rows import HELDOUT, TRAIN, bare, folder_of

_MOSTLY = 0.5  # of the test rows: from here on a score says little about new texts


def shared_speakers(rows: pd.DataFrame) -> list[Finding]:
    """One speaker id in two parts."""
    known = rows[rows["speaker_id"].notna()]
    found = []
    for a, b in combinations(sorted(known["part"].unique()), 2):
        both = set(known["speaker_id"][known["part"] == a]) & set(known["speaker_id"][known["part"] == b])
        if both:
            who = known[known["speaker_id"].isin(both)]
            found.append(
                Finding(
                    "speakers",
                    ERROR,
                    tuple(sorted(set(who["corpus"]))),
                    f"{len(both)} speakers are both in {a} and {b}: a score would know their voices",
                    tuple(sorted(both)),
                    {"rows": {part: int((who["part"] == part).sum()) for part in (a, b)}},
                    "hold out other speakers, or mend the split column",
                )
            )
    return found


def namesakes(rows: pd.DataFrame) -> list[Finding]:
    """Speakers of a training and a held-out corpus with one id but for the corpus's name: the same people?

    An error where their recordings lie in one folder; a warning where gender and age agree as well; a note else.
    """
    known = rows[rows["speaker_id"].notna()]
    own = [bare(name, corpus) for name, corpus in zip(known["speaker_id"], known["corpus"], strict=True)]
    known = known.assign(own=own)
    here, there = (known[known["role"] == role] for role in (TRAIN, HELDOUT))
    twins = (
        here[["own", "corpus"]].drop_duplicates().merge(there[["own", "corpus"]].drop_duplicates(), on="own")
    )
    found: dict[str, list[str]] = {}
    for own_id, corpus, other in twins.itertuples(index=False):
        if corpus != other:
            pair = [
                side[(side["own"] == own_id) & (side["corpus"] == name)]
                for side, name in ((here, corpus), (there, other))
            ]
            found.setdefault(_sameness(*pair), []).extend(str(p["speaker_id"].iloc[0]) for p in pair)
    corpora = tuple(sorted(set(known["corpus"])))
    return [_namesake_finding(severity, names, corpora) for severity, names in found.items()]


def _sameness(here: pd.DataFrame, there: pd.DataFrame) -> str:
    if {folder_of(path) for path in here["path"]} & {folder_of(path) for path in there["path"]}:
        return ERROR
    for column in ("gender", "age_years"):
        values = [set(side[column].dropna()) for side in (here, there)]
        if all(values) and not values[0] & values[1]:
            return NOTE
    return WARNING


def _namesake_finding(severity: str, names: list[str], corpora: tuple[str, ...]) -> Finding:
    why = {
        ERROR: "their recordings lie in the same folder, so they are the same people",
        WARNING: "nothing in gender or age speaks against their being the same people",
        NOTE: "by gender or age other people",
    }[severity]
    return Finding(
        "speakers",
        severity,
        corpora,
        f"{len(names) // 2} speakers of held-out corpora have the id of a training speaker; {why}",
        tuple(names),
        {},
        "if they are the same people, give both corpora one name in a YAML, so that the overlap is refused",
    )


def shared_texts(rows: pd.DataFrame) -> list[Finding]:
    """Texts in two parts of a corpus; where nothing is split, texts that several speakers say."""
    known = rows[rows["text_id"].notna()]
    found = []
    for corpus, group in known.groupby("corpus", sort=False):
        parts = set(group["part"])
        if {"train", "test"} <= parts:
            found += _across_parts(str(corpus), group)
        elif parts == {"unsplit"}:
            found += _everybodys(str(corpus), group)
    return found


def _across_parts(corpus: str, group: pd.DataFrame) -> list[Finding]:
    seen = set(group["text_id"][group["part"] == "train"])
    test = group[group["part"] == "test"]
    shared = test[test["text_id"].isin(seen)]
    share = len(shared) / len(test)
    if share == 0:
        return []
    return [
        Finding(
            "texts",
            WARNING if share >= _MOSTLY else NOTE,
            (corpus,),
            f"{100 * share:.0f} % of the test rows have a text that is in train: a score says little about new texts",
            tuple(sorted(set(shared["text_id"]))),
            {"share": share, "texts": int(shared["text_id"].nunique())},
            "split.group=text keeps texts apart as well",
        )
    ]


def _everybodys(corpus: str, group: pd.DataFrame) -> list[Finding]:
    spoken_by = group.groupby("text_id")["speaker_id"].nunique()
    shared = spoken_by[spoken_by > 1]
    if shared.empty:
        return []
    share = float(group["text_id"].isin(shared.index).mean())
    return [
        Finding(
            "texts",
            NOTE,
            (corpus,),
            f"{len(shared)} of {len(spoken_by)} texts are said by several speakers ({100 * share:.0f} % of the rows): "
            "a split by speaker alone shares them between train and test",
            tuple(str(text) for text in shared.index),
            {"share": share, "speakers_per_text": dict(Counter(int(n) for n in spoken_by))},
            "split.group=text keeps texts apart as well",
        )
    ]
