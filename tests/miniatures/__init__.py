"""Corpora in miniature, one module each: ``build(folder)`` in the publisher's layout, and ``FACTS`` about it."""
