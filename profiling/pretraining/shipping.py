"""Makes a finished run the package's mini backbone: the weights file and the card beside it.

python -m profiling.pretraining.shipping RUN [TARGET.safetensors [WHERE_IT_WAS_TRAINED]]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from profiling.backbones.checkpoint import load_weights, read_card, save_weights
from profiling.backbones.native import MINI_WEIGHTS
from profiling.errors import BackboneError, ProfilingError
from profiling.pretraining.checkpoints import LOG
from profiling.pretraining.train import CARD
from profiling.provenance import read_json, sha256_file, write_json

DATA = {
    "corpus": "speechocean762 (OpenSLR SLR101), train split: 125 speakers, 2500 utterances, 2.9 h",
    "licence": "free for commercial and non-commercial use (the corpus' README)",
    "source": "https://www.openslr.org/101/",
    "unseen": "its test split and every other corpus",
}
GOOD_FOR = "trying the package without the hub; gender and speakers of clean speech"
NOTES = "notes.txt"  # in the run's folder, a line for each thing that was done by hand
NOT_GOOD_FOR = (
    "decisions about people; published comparisons with ECAPA2; ages (the training ages are child or adult); "
    "noisy or telephone speech beyond what the distortions cover"
)


def ship(run: Path, target: Path, machine: str = "not said") -> dict[str, Any]:
    """Copies the last snapshot of ``run`` to ``target`` and writes its card beside it.

    Args:
        run: a folder that :func:`profiling.pretraining.train.pretrain` has finished.
        target: the weights file; the card is beside it, with the suffix ``.json``.
        machine: what it was trained on, in words.

    Returns:
        The card.

    Raises:
        BackboneError: a run that has not reached its last step.
    """
    snapshots = sorted(run.glob("step-*.safetensors"))
    if not snapshots:
        raise BackboneError(
            f"{run} holds no snapshot; train first: python -m profiling.pretraining output={run}"
        )
    training = read_card(snapshots[-1])
    if training["step"] != training["of"]:
        raise BackboneError(f"{run} stands at step {training['step']} of {training['of']}; continue it first")
    kept = {key: training[key] for key in ("step", "seed")} | {"data": DATA["corpus"]}
    save_weights(load_weights(snapshots[-1]), target, kept)
    card = {**_facts(run, target), "step": training["step"], "seed": training["seed"], "machine": machine}
    write_json(target.with_suffix(".json"), card)
    return card


def _facts(run: Path, target: Path) -> dict[str, Any]:
    recipe = read_json(run / CARD)
    rows = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    steps = [row["step"] for row in rows]
    spans = [end - start for start, end in zip([0, *steps], steps, strict=False)]
    seconds = sum(row["step_s"] * span for row, span in zip(rows, spans, strict=True) if span > 0)
    return {
        "name": "native_mini",
        "sha256": sha256_file(target),
        "bytes": target.stat().st_size,
        "architecture": read_card(target)["architecture"],
        "data": DATA,
        "good_for": GOOD_FOR,
        "not_good_for": NOT_GOOD_FOR,
        "recipe": recipe["settings"],
        "notes": _notes(run),
        "command": f"python -m profiling.pretraining speech.folder=PATH output=RUN steps={steps[-1]}",
        "training_hours": round(seconds / 3600, 2),
        "environment": recipe["environment"]["packages"],
        "licence": "Apache-2.0, as the package",
    }


def _notes(run: Path) -> list[str]:
    file = run / NOTES
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def main(argv: Sequence[str]) -> int:
    """Returns 0, or 2 after one line about a user's mistake."""
    if not 1 <= len(argv) <= 3:
        sys.stderr.write(f"{(__doc__ or '').strip().splitlines()[-1]}\n")
        return 2
    target = Path(argv[1]) if len(argv) > 1 else MINI_WEIGHTS
    try:
        card = ship(Path(argv[0]), target, *argv[2:])
    except ProfilingError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(f"{target}: step {card['step']}, sha256 {card['sha256']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
