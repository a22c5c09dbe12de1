"""One file per command of ``profiling``; each has ``main(argv) -> int`` and is imported only when asked for."""
