"""A user's own table as ``tsv:/data/my.tsv``: the same reader as ``csv``, which goes by the file's suffix."""

from profiling.corpora.csv import read

__all__ = ["read"]
