"""Pictures of an audit. Colours are from the Okabe-Ito palette, told apart by colour-blind eyes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from profiling.audit.association import Association
from profiling.audit.rows import speakers
from profiling.audit.voices import GENDERS, MIN_RATIO, adults, references
from profiling.evaluation.figures import canvas

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_RED, _GREY = "#C00000", "#888888"
_MOST_SPEAKERS = 60  # rows of a heat map that can be read
_NAMED = 12
_SEED = 0


def pitch_figure(rows: pd.DataFrame) -> Figure | None:
    """Median F0 of every speaker by gender, children apart; flagged adults are named. None without pitch."""
    people = speakers(rows)
    people = people[people["f0_hz"].notna() & people["gender"].isin(GENDERS)]
    if people.empty:
        return None
    flagged = adults(rows).set_index("speaker_id")["ratio"]
    people = people.assign(flagged=people["speaker_id"].map(flagged).fillna(0) >= MIN_RATIO)
    ages = (False, True) if people["child"].any() else (False,)
    columns = [(gender, child) for child in ages for gender in GENDERS]
    figure, axes = canvas(8.2, 4.6)
    for place, (gender, child) in enumerate(columns):
        _strip(axes, place, people[(people["gender"] == gender) & (people["child"].astype(bool) == child)])
    for place, gender in enumerate(GENDERS):
        middle = references(adults(rows))[gender].median_hz
        axes.plot([place - 0.35, place + 0.35], [middle, middle], color="black", linewidth=1.2)
    labels = [f"{'children' if child else 'adults'}\n{gender}" for gender, child in columns]
    axes.set_xticks(range(len(columns)), labels)
    axes.set_yscale("log", base=2)
    ticks = [80, 100, 125, 160, 200, 250, 320, 400]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("median F0 of the speaker, Hz")
    axes.grid(axis="y", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.set_title("Pitch against gender label; red: fits the other gender better", loc="left", fontsize=11)
    return figure


def _strip(axes: Axes, place: int, people: pd.DataFrame) -> None:
    spread = np.random.default_rng(_SEED).uniform(-0.22, 0.22, len(people))
    wrong = people["flagged"].to_numpy(dtype=bool)
    pitch = people["f0_hz"].to_numpy(dtype=float)
    axes.scatter(
        place + spread[~wrong], pitch[~wrong], s=16, color=COLOURS[place % 2], alpha=0.55, linewidths=0
    )
    axes.scatter(place + spread[wrong], pitch[wrong], s=30, color=_RED)
    order = np.argsort(pitch[wrong])[:_NAMED]
    for count, which in enumerate(order):  # on both sides in turn: neighbours would hide each other's names
        right = count % 2 == 0
        axes.annotate(
            people["speaker_id"][wrong].iloc[which].rpartition("/")[2],
            (place + spread[wrong][which], pitch[wrong][which]),
            (6 if right else -6, -3),
            textcoords="offset points",
            ha="left" if right else "right",
            fontsize=8,
            color=_RED,
        )


def durations_figure(rows: pd.DataFrame) -> Figure | None:
    """Distribution of durations by corpus."""
    known = rows[rows["duration_s"].notna()]
    if known.empty:
        return None
    figure, axes = canvas(7.0, 3.2)
    longest = float(known["duration_s"].quantile(0.995))
    edges = [float(edge) for edge in np.linspace(0, max(longest, 1.0), 41)]
    for colour, (corpus, group) in zip(_cycle(), known.groupby("corpus", sort=False), strict=False):
        seconds = group["duration_s"].clip(upper=edges[-1])
        weights = np.full(len(seconds), 100 / len(seconds))
        axes.hist(
            seconds, edges, weights=weights, histtype="step", color=colour, linewidth=1.8, label=str(corpus)
        )
    axes.set_xlabel("duration, s")
    axes.set_ylabel("% of the recordings")
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("Durations", loc="left", fontsize=11)
    return figure


def _cycle() -> list[str]:
    return list(COLOURS) * 20


def bandwidth_figure(rows: pd.DataFrame) -> Figure | None:
    """Highest frequency with anything in it, by corpus; a heap at 4 kHz was recorded at 8 kHz."""
    known = rows[rows["bandwidth_hz"].notna()]
    if known.empty:
        return None
    figure, axes = canvas(7.0, 3.2)
    edges = [250.0 * step for step in range(33)]
    for colour, (corpus, group) in zip(_cycle(), known.groupby("corpus", sort=False), strict=False):
        weights = np.full(len(group), 100 / len(group))
        axes.hist(
            group["bandwidth_hz"],
            edges,
            weights=weights,
            histtype="step",
            color=colour,
            linewidth=1.8,
            label=str(corpus),
        )
    axes.axvline(4000, color=_GREY, linestyle="--", linewidth=1.2)
    axes.set_xlabel("bandwidth, Hz (dashed: where 8 kHz recordings end)")
    axes.set_ylabel("% of the recordings")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    axes.set_title("Bandwidth", loc="left", fontsize=11)
    return figure


def labels_figure(rows: pd.DataFrame, corpus: str) -> Figure | None:
    """Rows of each emotion by speaker, in one corpus; the speakers with most rows where there are many."""
    group = rows[(rows["corpus"] == corpus) & rows["emotion"].notna() & rows["speaker_id"].notna()]
    if group.empty:
        return None
    table = pd.crosstab(group["speaker_id"], group["emotion"])
    chosen = table.sum(axis=1).nlargest(_MOST_SPEAKERS).index
    table = table.loc[sorted(chosen)]
    figure, axes = canvas(2.6 + 0.75 * table.shape[1], 1.4 + 0.28 * table.shape[0])
    axes.imshow(table.to_numpy(), cmap=colormaps["Blues"], vmin=0, aspect="auto")
    for row, column in np.ndindex(*table.shape):
        value = int(table.to_numpy()[row, column])
        dark = value > 0.6 * table.to_numpy().max()
        axes.text(
            column, row, str(value), ha="center", va="center", fontsize=8, color="white" if dark else "black"
        )
    axes.set_xticks(
        range(table.shape[1]), list(table.columns), rotation=35, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(range(table.shape[0]), [str(name).rpartition("/")[2] for name in table.index], fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{corpus}: rows by speaker and emotion", loc="left", fontsize=11)
    return figure


def association_figure(found: Sequence[tuple[str, str, str, Association]]) -> Figure | None:
    """Cramér's V of every pair, with what chance gives."""
    if not found:
        return None
    figure, axes = canvas(7.6, 1.2 + 0.34 * len(found))
    for place, (_, _, _, association) in enumerate(found):
        axes.barh(place, association.v, color=COLOURS[0], height=0.6)
        axes.plot(
            [0, association.chance_99], [place, place], color=COLOURS[4], linewidth=4, solid_capstyle="butt"
        )
    axes.set_yticks(range(len(found)), [f"{corpus}: {what} with {other}" for corpus, what, other, _ in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("Cramér's V (orange: up to the 99th percentile of chance)")
    axes.set_title("What labels go with", loc="left", fontsize=11)
    return figure


def ages_figure(rows: pd.DataFrame) -> Figure | None:
    """Speakers by age and gender."""
    people = speakers(rows)
    people = people[people["age_years"].notna()]
    if people.empty:
        return None
    figure, axes = canvas(7.0, 3.0)
    edges = [5.0 * step - 0.5 for step in range(int(max(people["age_years"].max(), 60)) // 5 + 2)]
    groups = [people["age_years"][people["gender"] == gender] for gender in GENDERS]
    others = people["age_years"][~people["gender"].isin(GENDERS)]
    values, names = [*groups, others], [*GENDERS, "other or unknown"]
    axes.hist(values, edges, stacked=True, color=list(COLOURS[:3]), label=names)
    axes.set_xlabel("age, years")
    axes.set_ylabel("speakers")
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("Ages of the speakers", loc="left", fontsize=11)
    return figure
