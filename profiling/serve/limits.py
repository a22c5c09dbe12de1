"""What one request may ask for, and how a request that asks for more is told."""

from __future__ import annotations

from dataclasses import dataclass

from profiling.errors import ConfigError

_MB = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What the server takes.

    Attributes:
        max_mb: largest upload, in millions of bytes, form and all.
        max_seconds: longest recording.
        queue: requests at a time, those being uploaded, waiting and answered together.
        upload_s: longest time an upload may take; a stalled one would hold its place for ever.
    """

    max_mb: float = 50.0
    max_seconds: float = 600.0
    queue: int = 64
    upload_s: float = 120.0

    def __post_init__(self) -> None:
        for name, value in (("max-mb", self.max_mb), ("max-seconds", self.max_seconds)):
            if not 0 < value < float("inf"):
                raise ConfigError(f"--{name} {value}: above 0")
        if self.queue < 1:
            raise ConfigError(f"--queue {self.queue}: at least 1")

    @property
    def max_bytes(self) -> int:
        """Of a request's body."""
        return int(self.max_mb * _MB)

    def too_large(self, num_bytes: int | None = None) -> RefusedError:
        """The refusal of an upload above :attr:`max_mb`."""
        size = f"{num_bytes / _MB:.1f} MB" if num_bytes is not None else "the upload"
        return RefusedError(
            413, f"{size}: this server takes up to {self.max_mb:g} MB (profiling serve --max-mb)"
        )

    def too_long(self, seconds: float) -> RefusedError:
        """The refusal of a recording above :attr:`max_seconds`."""
        return RefusedError(
            413,
            f"a recording of {seconds:.0f} s: this server takes up to {self.max_seconds:g} s "
            "(profiling serve --max-seconds, or profiling predict for any length)",
        )


class RefusedError(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        message: for the person who asked.
        headers: of the response.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}
