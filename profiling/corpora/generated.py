"""A corpus of generated voices for the demo and for tests: no recordings, no download, the same for a seed.

The folder looks like a publisher's: 16 kHz wavs, ``manifest.csv`` (read it with ``csv:``), ``README.txt``.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from profiling.audio import SAMPLE_RATE_HZ
from profiling.corpora.synthesis import synthesise
from profiling.corpora.voices import AGES_YEARS, EMOTIONS, GENDERS, Speaker, draw_delivery, draw_speaker
from profiling.errors import ManifestError
from profiling.provenance import atomic_write, canonical_json, publish

_VERSION = 1  # raised whenever the same seed gives other voices
_RECIPE = "generated.json"
_COLUMNS = ("path", "speaker", "gender", "age", "emotion", "language", "split", "text_id")
_NO_LANGUAGE = "zxx"  # BCP 47: no linguistic content
_TEXTS = 12
_SYLLABLES = 7
_CONSONANTS, _VOWELS = "sxftdmlr", "ieaouy"
_DURATION_S = (1.5, 2.5)  # of an utterance, with 0.2 s of silence
_SILENCE_S = 0.21
_HELD_BACK = 0.2  # of a sex's speakers for validation, and as many for the test
_THREADS = 2  # numpy leaves the lock while it computes; the voices do not depend on it

_README = """Generated voices

These are not recordings of people. Every utterance was computed by profiling from a source-filter model
whose pitch, formants, rate, loudness and voice quality follow published averages for sex, age and emotion.
What a model learns here proves that the chain from audio to report works. It says nothing about people:
never quote a score on this corpus as a result about speech.

speakers={speakers} utterances={utterances} seed={seed} version={version}
"""


@dataclass(frozen=True)
class Line:
    """One row of ``manifest.csv``; the fields are its columns."""

    path: str
    speaker: str
    gender: str
    age: int
    emotion: str
    language: str
    split: str
    text_id: str


def generate_corpus(folder: Path, speakers: int, utterances: int, seed: int) -> Path:
    """Writes the corpus, whole or not at all; one that is there already is left as it is.

    Args:
        folder: to be made; its parents too.
        speakers: as many women as men (one woman more if odd), ages spread over 20 to 80.
        utterances: of each speaker, 1.5 to 2.5 s each, emotions in turn.
        seed: equal seeds give equal bytes.

    Returns:
        The path of ``manifest.csv``.

    Raises:
        ManifestError: no speakers or utterances asked, or the folder holds something else.
    """
    if speakers < 1 or utterances < 1:
        raise ManifestError(
            f"speakers={speakers} utterances={utterances}: a corpus needs at least one of each"
        )
    recipe = {"speakers": speakers, "utterances": utterances, "seed": seed, "version": _VERSION}
    if _is_there(folder, canonical_json(recipe)):
        return folder / "manifest.csv"
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write(unfinished, speakers, utterances, seed)
        (unfinished / "README.txt").write_text(_README.format(**recipe), encoding="utf-8")
        atomic_write(unfinished / _RECIPE, canonical_json(recipe))
        unfinished.chmod(0o755)
        publish(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder / "manifest.csv"


def _is_there(folder: Path, recipe: str) -> bool:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    written = folder / _RECIPE
    if written.is_file() and written.read_text(encoding="utf-8") == recipe:
        return True
    raise ManifestError(
        f"{folder}: holds something else than the generated corpus {recipe}; name another folder"
    )


def _write(folder: Path, speakers: int, utterances: int, seed: int) -> None:
    texts = _texts(seed)
    people = _people(speakers, seed)
    splits = _splits(people, seed)
    jobs = [
        (folder, person, splits[person.speaker], texts, (seed, number, utterance))
        for number, person in enumerate(people)
        for utterance in range(utterances)
    ]
    for person in people:
        (folder / "wav" / person.speaker).mkdir(parents=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        lines = list(pool.map(lambda job: _say(*job), jobs))
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([getattr(line, column) for column in _COLUMNS] for line in lines)
    (folder / "manifest.csv").write_text(table.getvalue(), encoding="utf-8")


def _people(count: int, seed: int) -> list[Speaker]:
    """Women and men in turn; the ages of each sex are spread evenly, in random order."""
    people: list[Speaker | None] = [None] * count
    youngest, oldest = AGES_YEARS
    for which, gender in enumerate(GENDERS):
        numbers = range(which, count, len(GENDERS))
        rng = np.random.default_rng([seed, which])
        places = (rng.permutation(len(numbers)) + rng.random(len(numbers))) / max(1, len(numbers))
        for number, place in zip(numbers, places, strict=True):
            age_years = int(youngest + place * (oldest + 1 - youngest))
            own = np.random.default_rng([seed, 1000 + number])
            people[number] = draw_speaker(f"g{number:03d}", gender, age_years, own)
    return [person for person in people if person is not None]


def _splits(people: list[Speaker], seed: int) -> dict[str, str]:
    """Speaker -> train, val or test, drawn within each sex; none where a sex has under five speakers."""
    splits = {}
    for which, gender in enumerate(GENDERS):
        names = [person.speaker for person in people if person.gender == gender]
        held_back = round(_HELD_BACK * len(names))
        order = np.random.default_rng([seed, 100 + which]).permutation(len(names))
        for place, index in enumerate(order):
            rank = place // held_back if held_back else 2
            splits[names[index]] = ("test", "val", "train")[min(rank, 2)]
    few = min(sum(person.gender == gender for person in people) for gender in GENDERS) < 1 / _HELD_BACK
    return dict.fromkeys(splits, "") if few else splits


def _texts(seed: int) -> list[list[str]]:
    """The sentences: what is said is independent of who says it and how."""
    rng = np.random.default_rng([seed, 10])
    return [
        [rng.choice(list(_CONSONANTS)) + rng.choice(list(_VOWELS)) for _ in range(_SYLLABLES)]
        for _ in range(_TEXTS)
    ]


def _say(
    folder: Path, person: Speaker, split: str, texts: list[list[str]], key: tuple[int, int, int]
) -> Line:
    seed, number, utterance = key
    rng = np.random.default_rng([seed, 10_000 + number, utterance])
    emotion = EMOTIONS[(number + utterance) % len(EMOTIONS)]
    text = int(rng.integers(len(texts)))
    delivery = draw_delivery(person, emotion, rng)
    slowest, fastest = (_SYLLABLES / (seconds - _SILENCE_S) for seconds in reversed(_DURATION_S))
    rate = float(np.clip(delivery.syllables_per_s, slowest, fastest))
    waveform = synthesise(texts[text], delivery.at_rate(rate), rng)
    path = f"wav/{person.speaker}/{person.speaker}_{utterance:02d}_{emotion}.wav"
    sf.write(folder / path, waveform, SAMPLE_RATE_HZ, subtype="PCM_16")
    return Line(
        path, person.speaker, person.gender, person.age_years, emotion, _NO_LANGUAGE, split, f"t{text:02d}"
    )
