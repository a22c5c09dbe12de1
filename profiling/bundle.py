"""A profiler bundle: one trained head with everything its answers depend on. safetensors and JSON, no pickle.

- ``profiler.json``: task, labels, head, feature key, backbone, licence, citation, metrics; signed
- ``head.safetensors``: the head's tensors, its scaler among them
- ``seen.json``: hashes of the speakers and recordings it was trained on, to refuse overlap
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiling.errors import BundleError
from profiling.heads.spec import HeadSpec
from profiling.provenance import (
    fsync_folder,
    read_json,
    sha256_bytes,
    sha256_file,
    signature,
    sync_file,
    write_json,
)

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
FOLDER = "bundle"
#: Of a hash in ``seen.json``: 64 bits; a million recordings against a million collide once in 18 million cases.
_SEEN_DIGITS = 16
_SPEC, _HEAD, _SEEN = "profiler.json", "head.safetensors", "seen.json"


@dataclass(frozen=True)
class ProfilerSpec:
    """What a profiler is, as data.

    Attributes:
        task: name, kind, column, unit, children policy of the task.
        head: architecture, layers, labels and training settings.
        backbone: the ``backbone`` section that rebuilds it (name, path, precision, native widths, ...).
        feature_key: everything that changes a feature; the features it sees must have exactly this key.
        backbone_training: what stands behind the numbers, see ``backbones.protocol.Training``.
        audio: the ``audio`` section: channel rule and long-audio rule.
        train: corpora, utterances, speakers and label counts it was trained on.
        metrics: scores with intervals, as in ``metrics.json``.
        licences: licence lines of the data and the backbone.
        citations: what to cite.
        provenance: versions, git state, command.
        calibration: temperature and conformal quantiles (``evaluation.trust``); {} where it was not calibrated.
    """

    task: dict[str, Any]
    head: HeadSpec
    backbone: dict[str, Any]
    feature_key: dict[str, Any]
    backbone_training: str
    audio: dict[str, Any]
    train: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    licences: list[str] = field(default_factory=list)
    citations: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON values; :meth:`from_json` is the inverse."""
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "head": self.head.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProfilerSpec:
        """Reads what :meth:`to_json` gave."""
        return cls(**{**data, "head": HeadSpec.from_json(data["head"])})


@dataclass(frozen=True)
class Seen:
    """Hashes of what a head was trained (and selected) on; names of speakers do not travel."""

    speakers: frozenset[str]
    recordings: frozenset[str]

    @classmethod
    def of(cls, speaker_ids: Iterable[str], audio_sha256: Iterable[str]) -> Seen:
        """Hashes speaker ids and shortens the recordings' hashes."""
        return cls(frozenset(map(speaker_hash, speaker_ids)), frozenset(map(recording_hash, audio_sha256)))


def speaker_hash(speaker_id: str) -> str:
    """The form in which a bundle remembers a speaker."""
    return sha256_bytes(f"speaker:{speaker_id}".encode())[:_SEEN_DIGITS]


def recording_hash(audio_sha256: str) -> str:
    """The form in which a bundle remembers a recording."""
    return audio_sha256[:_SEEN_DIGITS]


@dataclass(frozen=True)
class Bundle:
    """A bundle read and checked.

    Attributes:
        folder: where it is.
        spec: what it is.
        state: the head's tensors by name.
        seen: what it was trained on.
        signature: sha256 over everything in it; names this profiler.
    """

    folder: Path
    spec: ProfilerSpec
    state: dict[str, Tensor]
    seen: Seen
    signature: str


def write_bundle(folder: Path, spec: ProfilerSpec, state: Mapping[str, Tensor], seen: Seen) -> Path:
    """Writes a whole bundle or none: a temporary folder beside it, fsync, rename.

    Raises:
        BundleError: the folder exists already, or cannot be written (disk full, no permission).
    """
    if folder.exists():
        raise BundleError(f"{folder} exists already; bundles are never overwritten")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        _fill(temporary, spec, state, seen)
        temporary.chmod(0o755)
        temporary.rename(folder)
        fsync_folder(folder.parent)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _unwritable(folder: Path, error: OSError) -> BundleError:
    return BundleError(f"{folder} cannot be written: {error.strerror or error}; nothing was left behind")


def _fill(folder: Path, spec: ProfilerSpec, state: Mapping[str, Tensor], seen: Seen) -> None:
    from safetensors.torch import save

    tensors = save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})
    with (folder / _HEAD).open("wb") as file:
        file.write(tensors)
        sync_file(file)
    write_json(folder / _SEEN, {k: sorted(v) for k, v in asdict(seen).items()})
    content: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "files": {name: sha256_file(folder / name) for name in (_HEAD, _SEEN)},
        **spec.to_json(),
    }
    write_json(folder / _SPEC, {**content, "signature": signature(content)})


def bundle_files() -> tuple[str, ...]:
    """The files a bundle consists of; anything else in its folder is not part of it."""
    return _SPEC, _HEAD, _SEEN


def find_bundle(path: Path) -> Path:
    """The bundle of a path that is a bundle folder or a run folder.

    Raises:
        BundleError: neither.
    """
    for folder in (path, path / FOLDER):
        if (folder / _SPEC).is_file():
            return folder
    what = "has no bundle: the run did not finish" if path.is_dir() else "does not exist"
    raise BundleError(f"{path} {what}; give a run folder or a bundle folder with {_SPEC}")


def read_bundle(path: Path) -> Bundle:
    """Reads and checks a bundle.

    Args:
        path: a bundle folder, or a run folder that holds one.

    Raises:
        BundleError: missing, truncated, edited, or of a newer format; the message says which file.
    """
    from safetensors.torch import load

    folder = find_bundle(path)
    content = _read_spec(folder)
    signed = content.pop("signature")
    for name, expected in content.pop("files").items():
        _check_file(folder / name, expected)
    del content["format_version"]
    try:
        state = load((folder / _HEAD).read_bytes())
        spec = ProfilerSpec.from_json(content)
    except (TypeError, KeyError, ValueError) as error:
        raise BundleError(f"{folder}: not a bundle of this version: {error}") from error
    seen = {name: frozenset(values) for name, values in read_json(folder / _SEEN).items()}
    return Bundle(folder, spec, state, Seen(**seen), signed)


def _read_spec(folder: Path) -> dict[str, Any]:
    file = folder / _SPEC
    try:
        content: Any = read_json(file)
    except ValueError as error:
        raise BundleError(f"{file} is not JSON ({error}); the bundle is damaged, train it again") from error
    if not isinstance(content, dict):
        raise BundleError(f"{file} holds no bundle; the bundle is damaged, train it again")
    version = content.get("format_version")
    if type(version) is not int or version > FORMAT_VERSION:
        raise BundleError(
            f"{file} has format {version!r}, this profiling reads up to {FORMAT_VERSION}: update profiling"
        )
    unsigned = {key: value for key, value in content.items() if key != "signature"}
    if signature(unsigned) != content.get("signature"):
        raise BundleError(
            f"{file} was edited after it was written; write a new bundle instead of editing one"
        )
    return content


def _check_file(file: Path, expected: str) -> None:
    if not file.is_file():
        raise BundleError(f"{file} is missing; copy the whole bundle folder")
    if sha256_file(file) != expected:
        raise BundleError(f"{file} is not the file this bundle was written with (truncated or edited)")
