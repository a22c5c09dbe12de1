"""``profiling matrix corpus.train=[A,B,C]``: every corpus trains a head, every other corpus scores it."""

from __future__ import annotations

from collections.abc import Sequence

from profiling.commands.arguments import answer

HELP = """\
usage: profiling matrix task=emotion|gender|age corpus.train=[reader:path,reader:path,...] [key=value ...]

Trains one head per corpus with different speakers in training, validation and test, and scores each on its own test
speakers and on every other corpus. Features are computed once. Writes matrix.md, matrix.png, matrix.csv, matrix.json
and an ordinary run folder per corpus.

  matrix.labels=masked   each pair on the labels it shares (default)
  matrix.labels=common   all pairs on the labels that all corpora have: cells can be compared
  --help                 this text

The same as python train.py experiment=cross_corpus_emotion corpus.train=[...]. Settings are those of train.
"""


def main(argv: Sequence[str]) -> int:
    """Trains and scores; 0 done, 2 a mistake, 130 interrupted."""
    if "--help" in argv or "-h" in argv:
        answer(HELP.rstrip())
        return 0
    from profiling.training.app import run_app

    return run_app([*argv, "matrix.enabled=true"])
