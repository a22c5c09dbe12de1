"""Finds ``ecapa2.pt``: a local file, the Hugging Face cache, or a download at the pinned revision.

The cache is looked at first, and before a download one quick connection says whether the hub answers
at all: ``hf_hub_download`` without a network retries for 23 seconds before it gives up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from profiling.backbones.reach import patience_s, why_unreachable
from profiling.backbones.weights import weights_sha256
from profiling.config import BackboneConfig
from profiling.errors import BackboneError

#: The authors' file, whatever the configuration says: only these bytes may be called "released".
RELEASED_SHA256 = BackboneConfig.sha256


@dataclass(frozen=True)
class WeightsFile:
    """A weights file that exists, and what it is.

    Attributes:
        path: the file.
        sha256: of its bytes, 64 hex digits.
        notice: one line for the user where the weights are not the authors', else None.
    """

    path: Path
    sha256: str
    notice: str | None = None

    @property
    def released(self) -> bool:
        """Whether these are the authors' published bytes."""
        return self.sha256 == RELEASED_SHA256


def locate(config: BackboneConfig, cache: Path) -> WeightsFile:
    """Finds the weights the configuration asks for and checks what they are.

    Args:
        config: ``path``, or ``repo_id``, ``filename``, ``revision``, ``cache_dir``; and ``sha256``.
        cache: the user's own cache folder, where hashes of files already read are remembered.

    Raises:
        BackboneError: no such file; not cached and the hub cannot be reached; other bytes than ``sha256``.
    """
    if config.path is not None:
        return _local(config, Path(config.path).expanduser(), cache)
    path = _cached(config, cache) or _download(config)
    digest = weights_sha256(path, cache)
    if digest != config.sha256:
        raise BackboneError(
            f"{path}: sha256 is {digest}, expected {config.sha256} (backbone.sha256); to download it again"
            f" delete {path.resolve()}, or use it knowingly with backbone.path={path}"
        )
    return WeightsFile(path, digest, _notice(path, digest))


def _local(config: BackboneConfig, path: Path, cache: Path) -> WeightsFile:
    if not path.is_file():
        raise BackboneError(f"backbone.path={config.path}: no such file")
    digest = weights_sha256(path, cache)
    if config.sha256 not in (digest, RELEASED_SHA256):  # a hash the user named is meant
        raise BackboneError(
            f"backbone.path={config.path}: sha256 is {digest}, but backbone.sha256={config.sha256};"
            " correct one of them"
        )
    return WeightsFile(path, digest, _notice(path, digest))


def _notice(path: Path, digest: str) -> str | None:
    if digest == RELEASED_SHA256:
        return None
    return f"{path} is not the released ecapa2.pt: sha256 {digest[:12]}…, released {RELEASED_SHA256[:12]}…"


def hub_cache(config: BackboneConfig) -> Path:
    """The hub's cache folder: ``cache_dir``, else what HF_HUB_CACHE and HF_HOME say."""
    from huggingface_hub import constants  # half a second to import

    return Path(config.cache_dir or constants.HF_HUB_CACHE).expanduser()


def _cached(config: BackboneConfig, cache: Path) -> Path | None:
    """The cached file of the pinned revision, else the same bytes cached under another one."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    folder = hub_cache(config)
    try:
        pinned = try_to_load_from_cache(
            config.repo_id, config.filename, cache_dir=folder, revision=config.revision
        )
    except ValueError as error:  # the hub's own check of names
        names = f"backbone.repo_id={config.repo_id} backbone.filename={config.filename}"
        raise BackboneError(f"{names}: {str(error).splitlines()[0]}") from error
    if isinstance(pinned, str):
        return Path(pinned)
    snapshots = folder / repo_folder_name(repo_id=config.repo_id, repo_type="model") / "snapshots"
    # The model card's own code downloads from `main`: that user has the file, under another commit.
    for path in sorted(snapshots.glob(f"*/{config.filename}")):
        if weights_sha256(path, cache) == config.sha256:
            return path
    return None


def _download(config: BackboneConfig) -> Path:
    from huggingface_hub import constants, hf_hub_download

    folder = hub_cache(config)
    if constants.HF_HUB_OFFLINE:
        raise _not_here(config, folder, "HF_HUB_OFFLINE is set")
    if reason := why_unreachable(constants.ENDPOINT, patience_s()):
        raise _not_here(config, folder, f"{constants.ENDPOINT} cannot be reached ({reason})")
    try:
        return Path(
            hf_hub_download(config.repo_id, config.filename, revision=config.revision, cache_dir=folder)
        )
    except (
        Exception
    ) as error:  # the hub's, its HTTP client's and the disk's: which ones changes with its versions
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _not_here(
            config, folder, f"the download failed ({type(error).__name__}: {first_line})"
        ) from error


def _not_here(config: BackboneConfig, folder: Path, reason: str) -> BackboneError:
    """The error that names both ways out."""
    owner_and_name = config.repo_id.replace("/", "--")
    return BackboneError(
        f"{config.filename} of {config.repo_id} is not in the hub cache {folder}, and {reason}. Two ways out:"
        f" (1) on a machine with a network, `hf download {config.repo_id} {config.filename}"
        f" --revision {config.revision}`, then copy its folder models--{owner_and_name} into {folder};"
        f" (2) name a file you have: backbone.path=/my/{config.filename}"
    )
