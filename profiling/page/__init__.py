"""Pages for people: one self-contained HTML file, light and dark, for screen, print and screen reader."""
