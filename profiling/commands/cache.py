"""``profiling cache ls|verify|compact|prune``: what is in the feature stores, and keeping them well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from profiling.commands.arguments import Parser, answer, say
from profiling.commands.places import split_paths
from profiling.errors import StoreError, did_you_mean

if TYPE_CHECKING:
    from argparse import Namespace

    from profiling.config import PathsConfig
    from profiling.features.maintenance import Pruning, StoreInfo
    from profiling.features.store import RowKey


def main(argv: Sequence[str]) -> int:
    """Runs a sub-command; ``verify`` returns 1 when it finds damage."""
    if {"-h", "--help"} & set(argv):
        _parser().parse_args(argv)  # prints and leaves, before anything is imported
    paths, rest = split_paths(argv)
    arguments = _parser().parse_args(rest)
    actions = {"ls": _ls, "verify": _verify, "compact": _compact, "prune": _prune}
    return actions[arguments.action](arguments, paths)


def _parser() -> Parser:
    parser = Parser("profiling cache", description="List and maintain the feature stores.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ls|verify|compact|prune")
    listing = actions.add_parser("ls", help="stores with rows per layer, size and state")
    verify = actions.add_parser("verify", help="read every byte; damage is listed and the exit code is 1")
    verify.add_argument("--repair", action="store_true", help="set damaged shards aside, to be recomputed")
    compacting = actions.add_parser("compact", help="merge small shards, drop rows written twice")
    prune = actions.add_parser("prune", help="remove temporary files, and what else is named; a dry run")
    prune.add_argument(
        "--keep", action="append", default=[], metavar="READER:PATH", help="only its rows stay"
    )
    prune.add_argument("--damaged", action="store_true", help="also what verify --repair set aside")
    prune.add_argument("--remove", action="store_true", help="the whole of the stores named")
    prune.add_argument("--yes", action="store_true", help="do it")
    for action in (listing, verify, compacting, prune):
        action.add_argument("stores", nargs="*", help="folder names; all stores without")
        action.add_argument("--root", help="folder of the stores (default: paths.features)")
    return parser


def _root(arguments: Namespace, paths: PathsConfig) -> Path:
    return Path(arguments.root or paths.features)


def _chosen(arguments: Namespace, root: Path) -> list[StoreInfo]:
    """The stores named, or all.

    Raises:
        StoreError: there is none, or none of that name.
    """
    from profiling.features.maintenance import ls

    known = {info.folder.name: info for info in ls(root)}
    if not known:
        raise StoreError(f"no feature store in {root}; name another folder with --root or paths.features=")
    for name in arguments.stores:
        if name not in known:
            raise StoreError(f"{root} has no store {name!r}; {did_you_mean(name, known)}")
    return [known[name] for name in arguments.stores or known]


def _ls(arguments: Namespace, paths: PathsConfig) -> int:
    for info in _chosen(arguments, _root(arguments, paths)):
        for line in _described(info):
            answer(line)
    return 0


def _folders(arguments: Namespace, paths: PathsConfig) -> list[Path]:
    return [info.folder for info in _chosen(arguments, _root(arguments, paths))]


def _described(info: StoreInfo) -> list[str]:
    layers = ", ".join(f"{label} {count}" for label, count in info.rows.items() if count) or "no rows"
    facts = f"{info.num_bytes / 2**20:.1f} MiB in {info.shards} shards, {info.dtype}, {info.precision}"
    lines = [
        f"{info.folder.name}  {info.backbone} ({info.training})",
        f"  {layers}",
        f"  {facts}, {info.created}",
    ]
    if info.perturb:
        lines.insert(1, f"  perturbed copies: {', then '.join(info.perturb)}")
    return lines + [f"  PROBLEM {problem}" for problem in info.problems]


def _verify(arguments: Namespace, paths: PathsConfig) -> int:
    from profiling.features.maintenance import repair, verify

    found = 0
    for folder in _folders(arguments, paths):
        problems = verify(folder)
        found += len(problems)
        answer(f"{folder.name}: {'clean' if not problems else f'{len(problems)} problems'}")
        for problem in problems:
            answer(f"  {problem.kind}: {problem.path.name}: {problem.detail}")
        if problems and arguments.repair:
            for path in repair(folder, problems):
                answer(f"  set aside: {path}")
    if found and not arguments.repair:
        say("--repair sets damaged shards aside; the next extraction computes their rows again")
    return 1 if found else 0


def _compact(arguments: Namespace, paths: PathsConfig) -> int:
    from profiling.features.maintenance import compact
    from profiling.features.store import FeatureStore

    for folder in _folders(arguments, paths):
        done = compact(FeatureStore.load(folder))
        before, after = done.bytes_before / 2**20, done.bytes_after / 2**20
        answer(
            f"{folder.name}: {done.shards_before} -> {done.shards_after} shards, "
            f"{before:.1f} -> {after:.1f} MiB"
        )
    return 0


def _prune(arguments: Namespace, paths: PathsConfig) -> int:
    from profiling.features.maintenance import prune
    from profiling.features.store import FeatureStore

    if arguments.remove:
        return _remove(arguments, _root(arguments, paths))
    keep = _kept_rows(arguments.keep, paths) if arguments.keep else None
    for folder in _folders(arguments, paths):
        store = FeatureStore.load(folder)
        _said(folder.name, prune(store, keep, damaged=arguments.damaged, dry_run=not arguments.yes))
    return 0


def _remove(arguments: Namespace, root: Path) -> int:
    from profiling.features.maintenance import remove_stores

    if not arguments.stores:
        raise StoreError(
            "prune --remove needs the names of the stores to remove; `profiling cache ls` lists them"
        )
    done = remove_stores(root, arguments.stores, dry_run=not arguments.yes)
    _said("stores " + ", ".join(arguments.stores), done)
    return 0


def _kept_rows(specs: Sequence[str], paths: PathsConfig) -> list[RowKey]:
    """Row keys of manifests, by the remembered hashes of their recordings; a file never read has no rows."""
    from profiling.audio_index import AudioIndex
    from profiling.corpora.reading import read_corpora
    from profiling.features.plan import row_key
    from profiling.features.prepare import utterances_of

    utterances = utterances_of(read_corpora(specs, vars(paths)))
    known = AudioIndex(Path(paths.cache)).lookup_many({u.path for u in utterances})
    keys = [row_key(u, known.get(u.path)) for u in utterances]
    if unknown := sum(key is None for key in keys):
        raise StoreError(
            f"{unknown} of {len(keys)} recordings to keep changed or were never read, so their rows cannot be told; "
            "run `profiling extract` for them first"
        )
    return [key for key in keys if key is not None]


def _said(what: str, done: Pruning) -> None:
    verb = "removed" if done.applied else "would remove (add --yes)"
    answer(f"{what}: {verb} {len(done.files)} files, {done.rows} rows, {done.num_bytes / 2**20:.1f} MiB")
