"""``torch.export`` of the native network against the network itself."""

from __future__ import annotations

import io

import pytest
import torch

from profiling.backbones.batches import stack
from profiling.backbones.calibration import untrained
from profiling.backbones.probe_signals import noise, voice
from profiling.backbones.program import export_program
from profiling.config import NativeConfig


@pytest.mark.slow
def test_one_program_computes_any_batch_of_any_lengths() -> None:
    net = untrained(NativeConfig(widths=[4, 6], strides=[4, 4], time_stride=2))
    written = io.BytesIO()
    torch.export.save(export_program(net), written)
    written.seek(0)
    program = torch.export.load(written).module()
    for signals in ([voice(3000), noise(400), voice(1111)], [noise(9001)], [voice(5000)] * 5):
        batch, _ = stack(signals)
        lengths = torch.tensor([len(signal) for signal in signals])
        with torch.inference_mode():
            expected = net(batch, lengths)
        found = program(batch, lengths)
        assert found.keys() == expected.keys()
        for layer, rows in expected.items():
            assert found[layer].shape == rows.shape
            assert (found[layer] - rows).norm() <= 1e-5 * rows.norm(), layer
