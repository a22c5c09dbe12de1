"""Extraction on real speech: exact in batches, clean on disk, equal to the model card's own loop."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from benchmarks.parity_full_width import parity, shortest
from profiling.audio import hash_file
from profiling.backbones.build import build_backbone
from profiling.backbones.probe import TOLERANCE, relative_l2
from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.config import BackboneConfig
from profiling.features.decode import Utterance
from profiling.features.extract import plan_extraction, run_extraction, set_up
from profiling.features.store import FeatureStore, RowKey
from tests.command_line import CommandLine, manifest
from tests.stub_backbone import settings

pytestmark = pytest.mark.data


def some(speech: Path, corpus: str, every: int) -> list[Path]:
    """Every so-manieth recording of a corpus, in the order of its manifest."""
    paths = pd.read_csv(speech / corpus / "manifest.csv", dtype=str)["path"]
    return [speech / corpus / path for path in paths[::every]]


def test_masked_batches_equal_each_recording_alone(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty recordings of three corpora and many lengths, through the small network."""
    recordings = [*some(speech, "emodb", 34), *some(speech, "nemo", 60), *some(speech, "speechocean762", 500)]
    assert len({sf.info(path).frames for path in recordings}) >= 25
    backbone = build_backbone(BackboneConfig(name="native_mini", device="cpu"), tmp_path)
    assert backbone.batching == "masked"
    asked = [Utterance(path.stem, path) for path in recordings]
    found, calls = {}, Counter[int]()
    compute = backbone.extract
    for batch_size in (1, 16):
        config = settings(tmp_path / str(batch_size))
        config.extract.batch_size = batch_size
        monkeypatch.setattr(
            backbone, "extract", lambda w, layers: calls.update([len(w)]) or compute(w, layers)
        )
        setup = set_up(backbone, list(ECAPA2_LAYERS), config)
        done = run_extraction(setup, plan_extraction(setup, asked))
        assert (max(calls) > 4) == (batch_size > 1), "no batch was ever formed, or one too many"
        assert done.computed == len(recordings) == 30
        keys = [key for key in done.keys if key is not None]
        found[batch_size] = done.store.read(keys, list(ECAPA2_LAYERS), verify="all")
    for layer, bound in TOLERANCE.items():
        distances = [relative_l2(a, b) for a, b in zip(found[16][layer], found[1][layer], strict=True)]
        assert max(distances) <= bound, layer


@pytest.mark.parametrize(("corpus", "every"), [("emodb", 12), ("nemo", 20), ("speechocean762", 170)])
def test_a_corpus_is_extracted_verified_and_cached(
    speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], corpus: str, every: int
) -> None:
    command = CommandLine(tmp_path, capsys)
    paths = some(speech, corpus, every)
    table = manifest(tmp_path / corpus, [str(path) for path in paths])
    assert f"0/{len(paths)} from cache, {len(paths)} computed" in command.extract(table).err
    assert command("cache", "verify", *command.settings[2:]).out == f"{command.store.name}: clean\n"
    assert f"{len(paths)}/{len(paths)} from cache\n" in command.extract(table).err
    keys = [RowKey(hash_file(path)) for path in paths]
    features = FeatureStore.load(command.store).read(keys, ["embedding"], verify="all")["embedding"]
    assert len(np.unique(features, axis=0)) == len(paths)


def test_the_whole_table_of_a_corpus_is_read_as_it_is(
    speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """nEMO's own manifest, a hundredth of it."""
    command = CommandLine(tmp_path, capsys)
    said = command.extract(speech / "nemo" / "manifest.csv", "extract.shard=7/100")
    assert said.code == 0
    assert "quarantined" not in said.err


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ecapa2_at_full_width_equals_the_cards_own_loop(speech: Path, tmp_path: Path) -> None:
    """Acceptance 3 of issue A on a few recordings; benchmarks/parity_full_width.py does all twenty."""
    found = parity(shortest(speech / "emodb" / "manifest.csv", 3), tmp_path)
    assert all(len(distances) == 3 for distances in found.distances.values())
    assert found.holds, found.table()
