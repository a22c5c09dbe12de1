"""A profiler: trained heads with their backbone, answering on any recording.

source -> recording -> windows -> backbone (or the feature cache) -> heads -> answers

Names are imported when they are first used: PyTorch costs seconds, and a mistake in an argument is said before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from profiling.predict.answer import Answer, Interval, Profile, Segment
    from profiling.predict.loading import backbone_config, default_bundles, default_cache, load_profilers
    from profiling.predict.panel import Panel, PanelOptions
    from profiling.predict.profiler import Profiler, check_same_features
    from profiling.predict.similarity import Similarity, similarities

_HOME = {
    "Answer": "answer",
    "Interval": "answer",
    "Panel": "panel",
    "PanelOptions": "panel",
    "Profile": "answer",
    "Profiler": "profiler",
    "Segment": "answer",
    "Similarity": "similarity",
    "backbone_config": "loading",
    "check_same_features": "profiler",
    "default_bundles": "loading",
    "default_cache": "loading",
    "load_profilers": "loading",
    "similarities": "similarity",
}

__all__ = [
    "Answer",
    "Interval",
    "Panel",
    "PanelOptions",
    "Profile",
    "Profiler",
    "Segment",
    "Similarity",
    "backbone_config",
    "check_same_features",
    "default_bundles",
    "default_cache",
    "load_profilers",
    "similarities",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
