"""Cards: what is known of a corpus beside its recordings (``conf/corpus/<name>.yaml``), read by name.

A card is found in the user's own ``./conf/corpus`` first, then in the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from profiling.corpora.labelling import Rules
from profiling.corpora.manifest import LABEL_COLUMNS, SPLITS
from profiling.errors import ManifestError, did_you_mean
from profiling.resources import conf_folder, splits_folder
from profiling.scales import parse_scales

#: How far a reader has been checked; ``none`` for the formats of a user's own data.
GRADES = ("checked on real files", "on two public sources", "on one", "none")
#: What a publisher states of a corpus's size, beside the hours.
SIZES = ("utterances", "speakers")
_LISTS = ("languages", "traps", "gives", "sources", "unverified")


@dataclass(frozen=True)
class Card:
    """A corpus in words, and its rules.

    Attributes:
        name: the corpus's name, prefix of its ids.
        title: what it is, in a line.
        languages: BCP 47 tags.
        licence: the publisher's terms.
        citation: the paper to cite.
        homepage: where it is had or asked for.
        grade: how far the reader has been checked, one of :data:`GRADES`.
        layout: the publisher's layout, in words.
        official_split: which split the publisher gives, in words; None without one.
        traps: what goes wrong with it.
        labels: column -> the corpus's own words -> vocabulary; ``votes`` are words that only raters use,
            ``split`` the names of its parts.
        gives: label columns of the manifest that the reader fills, in :data:`LABEL_COLUMNS`' order.
        hours: of speech, as published; None where it is not.
        scale: of arousal, valence and dominance: ``[1, 7]``, or one each; None without such labels.
        off_scale: what happens to a number off it: ``error``, or ``missing``: left empty and counted.
        sources: where the layout was looked up.
        speakers: published facts, speaker -> ``{gender, age}``.
        size: as published: ``utterances`` and ``speakers``; what is not published is absent.
        ages: words for ages -> years.
        age_binned: ages stand for decades or classes: an error of less than half a bin means nothing.
        unverified: which of the card's facts are from memory or hearsay; none of the sources says them.
    """

    name: str
    title: str
    languages: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    grade: str
    layout: str
    official_split: str | None = None
    traps: tuple[str, ...] = ()
    labels: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    speakers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gives: tuple[str, ...] = ()
    hours: float | None = None
    scale: Any = None
    off_scale: str = "error"
    sources: tuple[str, ...] = ()
    size: Mapping[str, int] = field(default_factory=dict)
    ages: Mapping[str, float] = field(default_factory=dict)
    age_binned: bool = False
    unverified: tuple[str, ...] = ()

    def rules(self, drop: tuple[str, ...] = ()) -> Rules:
        """The corpus's label maps and scales with the drops of this command."""
        return Rules(
            gender=self.labels.get("gender", {}),
            emotion=self.labels.get("emotion", {}),
            votes=self.labels.get("votes", {}),
            age=self.ages,
            scales={} if self.scale is None else parse_scales(self.scale, f"card of {self.name}"),
            off_scale=self.off_scale,
            split=self.labels.get("split", {}),
            drop=drop,
            language=self.languages[0] if len(self.languages) == 1 else None,
        )

    def speaker(self, name: str | None) -> dict[str, str]:
        """Published facts of a speaker: ``gender`` and ``age``, as text.

        Raises:
            ManifestError: not on the card.
        """
        if name is None or name not in self.speakers:
            near = did_you_mean(str(name), self.speakers)
            raise ManifestError(f"{self.name}: no speaker {name!r} on its card; {near}")
        return {key: str(value) for key, value in self.speakers[name].items()}


def card_folders() -> list[Path]:
    """Where cards lie, the user's own first."""
    folders = (Path.cwd() / "conf" / "corpus", conf_folder() / "corpus")
    return [folder for folder in folders if folder.is_dir()]


def card_names() -> list[str]:
    """Every corpus with a card."""
    return sorted({path.stem for folder in card_folders() for path in folder.glob("*.yaml")})


def read_card(name: str) -> Card:
    """Reads the card of a corpus.

    Raises:
        ManifestError: no such card, or a key that is missing or unknown.
    """
    for folder in card_folders():
        path = folder / f"{name}.yaml"
        if path.is_file():
            return _card(name, read_yaml(path), path)
    raise ManifestError(f"no card for corpus {name!r}; {did_you_mean(name, card_names())}")


def find_card(name: str) -> Card | None:
    """The card of a corpus, or None for a user's own."""
    return read_card(name) if name in card_names() else None


def official_speakers(name: str) -> dict[str, str]:
    """Speaker -> ``train``, ``val`` or ``test`` from the shipped list of a corpus (``data/splits``).

    Raises:
        ManifestError: no such list.
    """
    path = splits_folder() / f"{name}.yaml"
    if not path.is_file():
        names = [p.stem for p in splits_folder().glob("*.yaml")]
        raise ManifestError(f"no official speaker list of {name!r}; {did_you_mean(name, names)}")
    content = read_yaml(path)
    return {str(speaker): part for part in SPLITS for speaker in content.get(part, [])}


def _card(name: str, content: Mapping[str, Any], path: Path) -> Card:
    known = {f.name: f for f in fields(Card) if f.name != "name"}
    check_keys(content, known, path)
    missing = [key for key, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    for key in missing:
        if key not in content:
            raise ManifestError(f"{path}: the card has no {key!r}")
    if content["grade"] not in GRADES:
        raise ManifestError(f"{path}: grade {content['grade']!r}; {did_you_mean(content['grade'], GRADES)}")
    if content.get("off_scale", "error") not in ("error", "missing"):
        raise ManifestError(f"{path}: off_scale {content['off_scale']!r}; write error or missing")
    lists = {key: tuple(content.get(key, ())) for key in _LISTS}
    for column in lists["gives"]:
        if column not in LABEL_COLUMNS:
            raise ManifestError(f"{path}: gives {column!r}; {did_you_mean(str(column), LABEL_COLUMNS)}")
    check_keys(content.get("size", {}), dict.fromkeys(SIZES), path)
    return Card(name=name, **{**content, **lists})


def check_keys(content: Mapping[str, Any], known: Mapping[str, Any], path: Path) -> None:
    """Refuses a key that does not exist.

    Raises:
        ManifestError: names the key, the file and the nearest valid ones.
    """
    for key in content:
        if key not in known:
            raise ManifestError(f"{path}: no key {key!r}; {did_you_mean(str(key), known)}")


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping with text keys.

    Raises:
        ManifestError: not readable, not a mapping, or a key that YAML read as a truth value.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ManifestError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ManifestError(f"{path}: holds no keys")
    return {key: _text_keys(value, path) for key, value in _text_keys(content, path).items()}


def _text_keys(value: Any, path: Path) -> Any:
    if not isinstance(value, dict):
        return value
    truths = [key for key in value if isinstance(key, bool)]
    if truths:
        raise ManifestError(
            f"{path}: YAML reads an unquoted yes, no, on or off as {truths[0]}; put it in quotes"
        )
    return {str(key): _text_keys(item, path) for key, item in value.items()}
