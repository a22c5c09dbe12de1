"""How alike voices are to a backbone: the cosine of their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from profiling.backbones.protocol import Backbone
from profiling.config import AudioConfig
from profiling.errors import AudioError, ConfigError
from profiling.predict.recording import hear
from profiling.predict.sources import Source, name_of
from profiling.predict.vectors import Vectorizer

EMBEDDING = "embedding"
_DIGITS = 6  # two machines agree to about this

#: What the number means, by what stands behind the backbone (``Backbone.training``).
MEANING = {
    "released": "cosine of ECAPA2 speaker embeddings, -1 to 1: higher where voices are more alike to the network",
    "mini": "cosine of the mini network's embeddings, -1 to 1: a weak speaker network, see docs/mini.md",
    "local": "cosine of the embeddings of a local weights file, -1 to 1",
    "untrained": "cosine of embeddings of an untrained network: says nothing about speakers",
    "signal": "cosine of signal statistics: says nothing about speakers",
}
NO_THRESHOLD = "no threshold for one speaker or two was measured here: compare with pairs you know"


@dataclass(frozen=True)
class Similarity:
    """Two recordings and how alike they are.

    Attributes:
        a: one recording, as it was given.
        b: the other.
        cosine: of their embeddings, -1 to 1; None after an error.
        backbone: name and what stands behind it.
        error: why there is no number; None otherwise.
    """

    a: str
    b: str
    cosine: float | None
    backbone: str
    error: str | None = None


def similarities(
    backbone: Backbone, sources: Sequence[Source], channel: str = "mix", rules: AudioConfig | None = None
) -> list[Similarity]:
    """Every pair of the recordings, each of which passes the backbone once.

    Args:
        backbone: whose embeddings are compared; they are not centred or scored against a cohort.
        sources: at least two.
        channel: ``mix``, ``0``, ``1``, ...
        rules: the long-audio rule; None for the default.

    Raises:
        ConfigError: fewer than two recordings.
    """
    if len(sources) < 2:
        raise ConfigError(f"{len(sources)} recording: a similarity needs two or more")
    audio = AudioConfig(max_duration_s=(rules or AudioConfig()).max_duration_s, channel=channel)
    vectorizer = Vectorizer(backbone, [EMBEDDING], audio, "float32", Path(), "off")
    found = [_embedding(vectorizer, source, channel) for source in sources]
    name = f"{backbone.name} ({backbone.training})"
    return [
        _compared(name_of(sources[i]), name_of(sources[j]), found[i], found[j], name)
        for i, j in combinations(range(len(sources)), 2)
    ]


def _embedding(vectorizer: Vectorizer, source: Source, channel: str) -> np.ndarray | AudioError:
    try:
        (found,) = vectorizer.whole([hear(source, channel)])
    except AudioError as error:
        return error
    return found if isinstance(found, AudioError) else found[EMBEDDING].astype(np.float64)


def _compared(
    a: str, b: str, left: np.ndarray | AudioError, right: np.ndarray | AudioError, name: str
) -> Similarity:
    for one in (left, right):
        if isinstance(one, AudioError):
            return Similarity(a, b, None, name, str(one))
    assert not isinstance(left, AudioError) and not isinstance(right, AudioError)  # noqa: S101
    cosine = float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))
    return Similarity(a, b, round(cosine, _DIGITS), name)
