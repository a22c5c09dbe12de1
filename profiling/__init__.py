"""Speaker profiling and emotion recognition on frozen, cached, hierarchical ECAPA2 features."""

__version__ = "0.1.0"
