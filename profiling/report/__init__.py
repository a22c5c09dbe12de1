"""The report of a run, of several, of a sweep or of a matrix: one self-contained HTML page."""
