"""The command line: finds the command, imports only that, and turns a user's mistake into one line.

Exit codes: 0 done, 1 the job was done but something is not right (damage found, too many failures),
2 a mistake in what was asked for, 130 interrupted, 141 nobody reads the answers any more.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

from profiling import __version__
from profiling.errors import ProfilingError, did_you_mean

COMMANDS = {
    "extract": "compute and cache the features of corpora",
    "train": "train heads and score them on held-out corpora (the same as train.py)",
    "matrix": "every corpus trains a head, every other scores it",
    "evaluate": "score a trained head on other corpora",
    "compare": "paired tests of runs on the same utterances",
    "predict": "age, gender and emotion of recordings: files, folders, lists, standard input",
    "similarity": "how alike voices are: cosine of their embeddings",
    "serve": "a web page and a REST endpoint that answer on recordings, on this machine",
    "export": "a trained head, or the whole way from a waveform to its answer, as ONNX",
    "push": "put a trained profiler with its card on the Hugging Face hub",
    "report": "one HTML page of a run, several runs, a sweep or a matrix",
    "cache": "ls | verify | compact | prune the feature stores",
    "audit": "what would make a result on these corpora wrong: duplicates, overlap, labels, voices",
    "corpora": "which corpora can be read: labels, hours, licence; one card in full",
    "manifest": "write a corpus as a checked manifest with hashes",
    "verify": "check manifests: files exist, hashes agree, audio decodes",
    "demo": "generated voices to a report, offline, in two minutes",
}
OK, FAILED, MISTAKE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141

#: What a disk answers that is full, over its quota, read-only or not ours, and a path that cannot be a folder.
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def main(argv: Sequence[str]) -> int:
    """Runs one command.

    Args:
        argv: arguments without the program's name.

    Returns:
        The exit code.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())  # noqa: T201 - this is the answer
        return OK if argv else MISTAKE
    if argv[0] in ("-V", "--version"):
        print(f"profiling {__version__}")  # noqa: T201 - this is the answer
        return OK
    if argv[0] not in COMMANDS:
        return _mistake(f"no command {argv[0]!r}; {did_you_mean(argv[0], COMMANDS)}")
    return run(argv[0], list(argv[1:]))


def run(command: str, arguments: list[str]) -> int:
    """Imports and runs ``profiling.commands.<command>``; one line and a code for a user's mistake."""
    module = importlib.import_module(f"profiling.commands.{command}")
    try:
        return int(module.main(arguments))
    except ProfilingError as error:
        return _mistake(str(error), getattr(error, "exit_code", MISTAKE))
    except KeyboardInterrupt:
        return _mistake("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return _unread()
    except OSError as error:
        if error.errno not in _REFUSALS or error.filename is None:
            raise
        return _mistake(f"{error.filename}: {error.strerror}; make room, or name another folder (paths.*)")
    except SystemExit as left:  # argparse, after --help
        return int(left.code or OK)


def _unread() -> int:
    """Whoever read the answers has left, such as ``| head``: nothing more to say, and no traceback at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _mistake(message: str, code: int = MISTAKE) -> int:
    print(f"profiling: {message}", file=sys.stderr)  # noqa: T201 - this is the answer
    return code


def usage() -> str:
    """The list of commands."""
    width = max(len(name) for name in COMMANDS)
    listed = "\n".join(f"  {name:<{width}}  {what}" for name, what in COMMANDS.items())
    return (
        "usage: profiling COMMAND [arguments]\n\n"
        f"{listed}\n\n"
        "profiling COMMAND --help says more. Settings are given as key=value, as in\n"
        "  profiling extract corpus.train=[csv:my/manifest.csv] backbone=native_mini"
    )


def entry() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))
