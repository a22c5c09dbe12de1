"""A user's own table as ``parquet:/data/my.parquet``: the same reader as ``csv``, which goes by the file's suffix."""

from profiling.corpora.csv import read

__all__ = ["read"]
