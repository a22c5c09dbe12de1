"""``profiling extract``: the features of corpora, computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence

from profiling.commands.arguments import answer, refuse_strays, say, split_overrides
from profiling.errors import ConfigError

HELP = """\
usage: profiling extract corpus.train=[reader:path,...] [corpus.heldout=[...]] [key=value ...]

Computes the backbone's features of every utterance and keeps them in paths.features.
What is there already is not computed again, and no audio is opened for it.

  --verify-audio   hash every file again instead of trusting its size and time
  --help           this text

Often used settings
  backbone=ecapa2|native_mini|native|spectral_stats   backbone.path=/my/ecapa2.pt
  features.layers="gfe_1|pool|embedding" (features=all for all five)
  backbone.device=cuda backbone.precision=fp16   extract.batch_size=16   extract.workers=2
  extract.shard=3/16 (a part, for job arrays)    extract.max_failed=0.01
  extract.processes=4   extract.engine=ray       several processes or machines (docs/cluster.md)
  audio.perturb=[telephone,noise:10]             perturbed copies, kept apart (docs/cache.md)
"""
FLAGS = ("--verify-audio", "--help", "-h")


def main(argv: Sequence[str]) -> int:
    """Extracts; 0 done, 1 too many failures, 2 a mistake, 130 interrupted."""
    overrides, flags = split_overrides(argv)
    refuse_strays(flags, FLAGS)
    if "--help" in flags or "-h" in flags:
        answer(HELP.rstrip())
        return 0
    from profiling.corpora.reading import read_corpora
    from profiling.features.plan import part_of
    from profiling.features.prepare import load_backbone, prepare_features, utterances_of
    from profiling.training.hydra_app import compose_config
    from profiling.training.rows import layers_of

    if "--verify-audio" in flags:
        overrides.append("extract.verify_audio=true")
    config = compose_config(overrides)
    specs = [*config.corpus.train, *config.corpus.heldout]
    if not specs:
        raise ConfigError("no corpus named; write corpus.train=[csv:path/to/manifest.csv]")
    table = read_corpora(specs, vars(config.paths), config.corpus.drop_labels)
    utterances = part_of(utterances_of(table), config.extract.shard)
    backbone = load_backbone(config, say)
    prepare_features(utterances, layers_of(config, backbone), config, backbone, say)
    return 0
