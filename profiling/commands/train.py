"""``profiling train``, the same as ``python train.py``."""

from __future__ import annotations

from collections.abc import Sequence

from profiling.commands.arguments import answer

HELP = """\
usage: python train.py task=emotion|gender|age corpus.train=[reader:path,...] [corpus.heldout=[...]] [key=value ...]

Features (cached), a speaker-disjoint split, training, validation, test and held-out scores, a run folder.

  -m               try every combination of comma-separated values; test and held-out are opened for the winner
  --cfg job        print the resolved configuration and stop
  --help           this text

Often used settings
  backbone=ecapa2|native_mini   features.layers="gfe_1|pool|embedding"   head=linear|mlp   head.lr=0.001   seed=0
  split.kind=auto|official|random|loso|kfold|session   split.protocol=emobox_ravdess   split.group=text
   task.children=keep|drop|child   heldout.decision=masked|open
"""


def main(argv: Sequence[str]) -> int:
    """Trains; 0 done, 2 a mistake, 130 interrupted."""
    if "--help" in argv or "-h" in argv:
        answer(HELP.rstrip())
        return 0
    from profiling.training.app import run_app

    return run_app(argv)
