"""Trains heads on cached features and scores them on held-out corpora: ``python train.py --help``."""

import sys

from profiling.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
