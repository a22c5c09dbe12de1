"""Which group a recording belongs to: sex, decade of age, language, corpus, duration, signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

#: Grouping -> column it is made of, whether it belongs to the speaker.
GROUPINGS = {
    "sex": ("gender", True),
    "age": ("age_years", True),
    "sex and age": ("gender", True),
    "language": ("language", True),
    "corpus": ("corpus", True),
    "duration": ("duration_s", False),
    "snr": ("snr_db", False),
}
#: Upper ends (excluded) and names of the bands; duration in seconds, signal-to-noise ratio in dB.
DURATION_BANDS = (
    (1.0, "under 1 s"),
    (2.0, "1 to 2 s"),
    (4.0, "2 to 4 s"),
    (8.0, "4 to 8 s"),
    (np.inf, "8 s and over"),
)
NOT_MEASURED = "not measured"
SNR_BANDS = ((10.0, "under 10 dB"), (20.0, "10 to 20 dB"), (30.0, "20 to 30 dB"), (np.inf, "30 dB and over"))


def group_names(table: pd.DataFrame, grouping: str) -> pd.Series | None:
    """(n,) group of each row, NA where unknown; None where there are fewer than two groups.

    Rows without a signal-to-noise ratio are :data:`NOT_MEASURED`, a group that is scored but enters no gap.
    """
    column = GROUPINGS[grouping][0]
    if column not in table or (grouping == "sex and age" and "age_years" not in table):
        return None
    values = table[column]
    if grouping == "age":
        names = _decades(values)
    elif grouping == "sex and age":
        names = values.astype("string") + ", " + _decades(table["age_years"])
    elif grouping == "duration":
        names = _banded(values, DURATION_BANDS)
    elif grouping == "snr":
        names = _banded(values, SNR_BANDS)
    else:
        names = values.astype("string")
    if names.nunique() < 2:
        return None
    return names.fillna(NOT_MEASURED) if grouping == "snr" else names


def _decades(ages: pd.Series) -> pd.Series:
    """``20 to 29``, by decade."""
    numbers = pd.to_numeric(ages, errors="coerce")
    return numbers.map(
        lambda age: f"{int(age // 10) * 10} to {int(age // 10) * 10 + 9}", na_action="ignore"
    ).astype("string")


def _banded(values: pd.Series, bands: Sequence[tuple[float, str]]) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    edges = [-np.inf, *(end for end, _ in bands)]
    return pd.cut(numbers, edges, right=False, labels=[name for _, name in bands]).astype("string")
