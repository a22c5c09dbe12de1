"""``profiling similarity a.wav b.wav [more]``: how alike voices are to a backbone, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from profiling.commands.arguments import Parser, answer, say


def main(argv: Sequence[str]) -> int:
    """Compares every pair; 0 done, 1 if a recording could not be used (its lines say why)."""
    parser = Parser(
        "profiling similarity",
        description="Cosine of the embeddings of every pair of recordings, as JSON lines.",
        epilog="The number is comparable within one backbone only; no threshold comes with it.",
    )
    add = parser.add_argument
    add("recordings", nargs="+", metavar="RECORDING", help="two or more files, folders, globs, @list.txt")
    add("--backbone", default="ecapa2", help="ecapa2, native_mini, ... (default: ecapa2)")
    add("--path", help="a local weights file, as backbone.path")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:0, ...")
    add("--channel", default="mix", help="mix, 0, 1, ...")
    asked = parser.parse_args(argv)
    from profiling.predict.sources import expand

    sources = expand(asked.recordings)
    from profiling.backbones.build import build_backbone
    from profiling.config import BackboneConfig
    from profiling.features.prepare import say_backbone
    from profiling.predict.loading import default_cache
    from profiling.predict.similarity import MEANING, NO_THRESHOLD, similarities

    config = BackboneConfig(name=asked.backbone, path=asked.path, device=asked.device)
    backbone = build_backbone(config, default_cache())
    say_backbone(backbone, say)
    say(MEANING[backbone.training])
    say(NO_THRESHOLD)
    found = similarities(backbone, sources, asked.channel)
    for one in found:
        answer(json.dumps({k: v for k, v in asdict(one).items() if v is not None}, ensure_ascii=False))
    return 1 if any(one.error for one in found) else 0
