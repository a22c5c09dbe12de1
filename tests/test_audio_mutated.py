"""Hundreds of recordings of every format, damaged at random: each is decoded or refused with a reason, in time."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from profiling.audio import load_audio, probe_duration
from profiling.errors import AudioError
from profiling.features.decode import Utterance
from tests.recordings import FORMATS, encode, speechlike, write_m4a
from tests.stub_backbone import ALL, extract, settings

PER_FORMAT = 46  # times eleven formats: over 500
LONGEST_S = 5.0  # for one file, on a busy machine; a hang would be minutes


def mutated(data: bytes, moment: random.Random) -> bytes:
    """One of seven kinds of damage."""
    changed, at = bytearray(data), moment.randrange(len(data))
    header = moment.randrange(min(len(data), 64))
    kind = moment.randrange(7)
    if kind == 0:  # a few bits flipped anywhere
        for _ in range(moment.randrange(1, 20)):
            changed[moment.randrange(len(data))] ^= 1 << moment.randrange(8)
    elif kind == 1:  # the header's numbers become others
        changed[header : header + 4] = moment.choice([b"\xff" * 4, b"\0" * 4, moment.randbytes(4)])
    elif kind == 2:  # a hole of zeros
        changed[at : at + 500] = bytes(len(changed[at : at + 500]))
    elif kind == 3:  # a piece is missing
        del changed[at : at + moment.randrange(1, 2000)]
    elif kind == 4:  # something was put in between
        changed[at:at] = moment.randbytes(moment.randrange(1, 2000))
    elif kind == 5:  # the end is missing
        del changed[at:]
    else:  # the beginning is missing
        del changed[: max(1, at)]
    return bytes(changed)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    samples = speechlike(0.5)
    found = {suffix: encode(samples, 16_000, suffix) for suffix in FORMATS}
    pytest.importorskip("av")
    m4a = write_m4a(tmp_path_factory.mktemp("m4a") / "a.m4a", samples[:, None], 16_000)
    return {**found, "m4a": m4a.read_bytes()}


@pytest.mark.parametrize("suffix", [*FORMATS, "m4a"])
def test_no_crash_no_hang_and_a_reason(tmp_path: Path, whole: dict[str, bytes], suffix: str) -> None:
    moment, ends = random.Random(suffix), Counter[str]()
    for number in range(PER_FORMAT):
        path = tmp_path / f"{number}.{suffix}"
        path.write_bytes(mutated(whole[suffix], moment))
        began = time.monotonic()
        try:
            audio = load_audio(path)
        except AudioError as error:
            ends[error.stage] += 1
            assert len(error.reason) > len(str(path)) + 5, "a reason, not a path alone"
            assert "\n" not in error.reason
        else:
            ends["decoded"] += 1
            assert np.isfinite(audio.waveform).all()
            assert 0 < audio.duration_s < 60, "half a second was written; a hole may not become an hour"
        try:
            probe_duration(path)
        except AudioError as error:
            assert error.stage in ("open", "decode", "check")
        assert time.monotonic() - began < LONGEST_S
    assert sum(ends.values()) == PER_FORMAT
    assert set(ends) <= {"decoded", "open", "decode", "check"}
    assert ends["decoded"] < PER_FORMAT


def test_extraction_decodes_or_quarantines_every_one(tmp_path: Path, whole: dict[str, bytes]) -> None:
    moment, paths = random.Random(7), []
    for number in range(60):
        suffix = [*FORMATS, "m4a"][number % 11]
        paths.append(tmp_path / f"{number}.{suffix}")
        paths[-1].write_bytes(mutated(whole[suffix], moment))
    done = extract([Utterance(path.name, path) for path in paths], settings(tmp_path))
    assert done.computed + done.shared + len(done.quarantined) == 60
    assert all(entry.reason and entry.stage for entry in done.quarantined)
    assert done.computed == done.store.count(ALL) > 0
