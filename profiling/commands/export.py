"""``profiling export RUN --to head.onnx``: a trained head, or the whole way from a waveform, as ONNX."""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from profiling.commands.arguments import Parser, say

_NEEDED = ("onnx", "onnxruntime")


def main(argv: Sequence[str]) -> int:
    """Writes the file and says what goes in, what comes out and how equal it is."""
    asked = _arguments(argv)
    _check_installed()
    from profiling.bundle import read_bundle
    from profiling.export.export import export_head, export_waveform
    from profiling.hub import locate

    bundle = read_bundle(locate(asked.run))
    done = (export_waveform if asked.waveform else export_head)(bundle, asked.to)
    say(f"{done.path}: {_size(done.num_bytes)}, {bundle.spec.task['name']}")
    for name, shape in done.inputs.items():
        say(f"  in: {name} {shape}")
    say(f"  out: {', '.join(done.outputs)}")
    compared = ", ".join(f"{what} {difference:.1e}" for what, difference in done.differences.items())
    say(f"  compared with PyTorch in onnxruntime, largest difference: {compared}")
    for licence in bundle.spec.licences:
        say(f"  licence: {licence}")
    return 0


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} kB"


def _arguments(argv: Sequence[str]) -> Namespace:
    parser = Parser(
        "profiling export",
        description="A trained head as ONNX, scaler and calibration inside; labels, unit, layers, feature key and "
        "licences in its metadata. What goes in and comes out: docs/export.md.",
    )
    parser.add_argument("run", metavar="RUN", help="run or bundle folder, or user/name on the hub")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="such as head.onnx")
    parser.add_argument(
        "--waveform",
        action="store_true",
        help="the whole way, from 16 kHz samples to the answer; for native networks only",
    )
    return parser.parse_args(argv)


def _check_installed() -> None:
    from profiling.errors import ConfigError

    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise ConfigError(f"{', '.join(missing)} not installed; pip install profiling[onnx]")
