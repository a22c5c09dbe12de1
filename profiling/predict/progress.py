"""What prediction says while it works, and at its end."""

from __future__ import annotations

from typing import TextIO

from profiling.features.progress import ExtractionProgress, human_duration


class PredictProgress(ExtractionProgress):
    """Counts recordings, answered or failed; one alone is not worth a bar.

    Args:
        total: recordings to come.
        stream: where to; None is standard error.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        super().__init__(total, shown=total > 1, stream=stream, unit="files")

    def summary(self) -> str:
        """The whole run in a line."""
        wall_s = max(self.wall_s, 1e-9)
        return (
            f"{self.done} files: {self.done - self.failed} answered, {self.failed} failed; "
            f"{human_duration(self.audio_s)} of audio in {human_duration(wall_s)} "
            f"({self.done / wall_s:.1f} files/s, {self.audio_s / wall_s:.0f} x real time)"
        )
