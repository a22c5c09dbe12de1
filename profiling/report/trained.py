"""How it was trained: learning curves of every fold, a probe's path of penalties, what a layer-mix listens to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from profiling.page.blocks import Block, Picture, Row, Section
from profiling.report.folder import RunFolder
from profiling.report.forest import ForestRow, forest
from profiling.report.plane import Curve, curves_chart

_WORDS = {
    "train_loss": "training loss",
    "val_uar": "validation UAR",
    "val_mae": "validation MAE",
    "val_loss": "validation loss",
}
_SHARE = ("val_uar",)
_PENALTY = "penalty/"


def training(run: RunFolder) -> Section | None:
    """Curves and layer weights; None where neither is there."""
    pictures: list[Block] = []
    if run.curves is not None and any(str(name).startswith(_PENALTY) for name in run.curves):
        pictures += _path(run, run.curves)
    elif run.curves is not None:
        pictures += [
            picture for what in _measured(run.curves) if (picture := _curve(run.curves, what)) is not None
        ]
    blocks: list[Block] = [Row(pictures)] if pictures else []
    blocks += _layers(run)
    return Section("training", "How it was trained", blocks) if blocks else None


def _measured(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(name.partition("/")[0] for name in table.columns if "/" in name))


def _curve(table: pd.DataFrame, what: str) -> Picture | None:
    """Thin: every head; thick: their mean, in which a head that has stopped keeps its last value."""
    columns = [name for name in table.columns if name.startswith(f"{what}/")]
    found = table.dropna(subset=columns, how="all")
    if len(found) < 2:
        return None
    steps = found["step"].to_numpy(dtype=float)
    curves = [
        Curve("", steps[known], values[known], "thin")
        for values in (found[name].to_numpy(dtype=float) for name in columns)
        if (known := ~pd.isna(values)).sum() > 1 and len(columns) > 1
    ]
    mean = found[columns].ffill().mean(axis=1).to_numpy(dtype=float)
    curves.append(Curve("mean of the heads" if len(columns) > 1 else "", steps, mean, "a"))
    top = float(found[columns].max().max())
    limits = ((float(steps.min()), float(steps.max())), (0.0, 1.0 if what in _SHARE else top * 1.05 or 1.0))
    name = _WORDS.get(what, what)
    said = f"{name} from {mean[0]:.3f} to {mean[-1]:.3f} over {len(steps)} epochs, {_heads(len(columns))}"
    drawing = curves_chart(curves, limits, ("epoch", name), f"Learning curve: {name}", said)
    return Picture(f"curve_{what}", drawing, f"{said[0].upper()}{said[1:]}.")


def _heads(count: int) -> str:
    return "1 head" if count == 1 else f"{count} heads"


def _path(run: RunFolder, table: pd.DataFrame) -> list[Picture]:
    """A probe has no epochs: it is solved for every penalty, and validation chooses."""
    what = next(one for one in _measured(table) if one + "/" != _PENALTY)
    columns = [str(name) for name in table]
    heads = [name.removeprefix(_PENALTY) for name in columns if name.startswith(_PENALTY)]
    found = [table[[_PENALTY + head, f"{what}/{head}"]].dropna().to_numpy(dtype=float) for head in heads]
    paths = [path[np.argsort(path[:, 0])] for path in found if len(path) > 1 and (path[:, 0] > 0).all()]
    if not paths:
        return []
    thin = [Curve("", np.log10(path[:, 0]), path[:, 1], "thin") for path in paths[:-1]]
    last = Curve("the kept head", np.log10(paths[-1][:, 0]), paths[-1][:, 1], "a")
    every = np.concatenate(paths)
    top = 1.0 if what in _SHARE else float(every[:, 1].max()) * 1.05 or 1.0
    limits = ((float(np.log10(every[:, 0].min())), float(np.log10(every[:, 0].max()))), (0.0, top))
    name = _WORDS.get(what, what)
    said = f"{name} for {len(paths[-1])} penalties, {_heads(len(paths))}"
    chosen = run.result["head"].get("penalty")
    if chosen is not None:
        said += f"; chosen for the kept head: {chosen:.3g}"
    names = ("log10 of the L2 penalty", name)
    drawing = curves_chart([*thin, last], limits, names, f"Path of penalties: {name}", said)
    return [Picture(f"path_{what}", drawing, f"{said[0].upper()}{said[1:]}.")]


def _layers(run: RunFolder) -> list[Block]:
    weights = run.result["head"].get("layer_weights")
    if not weights:
        return []
    rows = [ForestRow(layer, weight, None, None, f"{weight:.3f}") for layer, weight in weights.items()]
    share = 1 / len(weights)
    drawing = forest(rows, "Weights of the layers", "weight in the layer-mix", limits=(0.0, 1.0), line=share)
    return [
        Picture(
            "layers",
            drawing,
            "What the head listens to; dashed: an equal share. Weights are not causes: layers are correlated.",
        )
    ]
