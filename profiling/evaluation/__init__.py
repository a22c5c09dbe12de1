"""Scores on held-out speakers and corpora: metrics, intervals over speakers, constants, reports."""
