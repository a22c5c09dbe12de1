"""Speaker profiling and emotion recognition on frozen, cached, hierarchical ECAPA2 features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from profiling.predict import Panel, Profiler

__version__ = "0.1.0"
__all__ = ["Panel", "Profiler", "__version__"]


def __getattr__(name: str) -> Any:
    """``from profiling import Profiler``, without seconds of imports for those who do not."""
    if name in ("Panel", "Profiler"):
        from profiling import predict

        return getattr(predict, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
