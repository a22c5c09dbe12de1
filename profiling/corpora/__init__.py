"""Corpora: readers, the manifest, speaker-disjoint splits, and the rows of a task."""
