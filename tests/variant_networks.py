"""The native network with its source edited: other names, another order of layers, another computation.

What a TorchScript file is called inside cannot be changed after it is written, so the classes are copied to a
module of their own, edited as text, and scripted from there.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import profiling.backbones
from profiling.backbones.export import ReleasedInterface
from profiling.backbones.network import NativeNet
from profiling.config import NativeConfig

MODULES = ("local", "frame_level", "network")

#: Every name that the blocks' tensors have, exchanged for another's or for a meaningless one.
LYING_NAMES = [
    (r"self\.conv\b", "self.was_conv"),
    (r"self\.norm\b", "self.conv"),
    (r"self\.was_conv\b", "self.norm"),
    (r"self\.squeeze\b", "self.x7"),
    (r"self\.excite\b", "self.squeeze"),
    (r"self\.conv1\b", "self.z"),
    (r"self\.conv3\b", "self.conv1"),
    (r"self\.conv2\b", "self.a"),
    (r"self\.gfe_1\b", "self.gfe_3"),
    (r"self\.pool\b", "self.gfe_1"),
    (r"self\.norm_in\b", "self.conv_0"),
]
#: The first two convolutions of a block registered after the third: computed as ever.
LATE_REGISTRATION = [
    (
        r"( +self\.conv1 = .*\n)( +self\.conv2 = .*\n)( +self\.conv3 = .*\n)",
        r"\3\2\1",
    )
]
#: The same shapes, another computation: ReLU after the residual sum.
RELU_AFTER_SUM = [(r"return y \+ x\n", "return torch.relu(y + x)\n")]

_count = 0


def variant(folder: Path, edits: Sequence[tuple[str, str]], config: NativeConfig) -> Any:
    """An untrained network of edited classes; every edit must change something."""
    global _count
    _count += 1
    package = f"variant_{_count}"
    (folder / package).mkdir(parents=True)
    sources = {name: _source(name, package) for name in MODULES}
    for pattern, replacement in edits:
        edited = {name: re.sub(pattern, replacement, text) for name, text in sources.items()}
        assert edited != sources, pattern
        sources = edited
    for name, text in sources.items():
        (folder / package / f"{name}.py").write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        return importlib.import_module(f"{package}.network").NativeNet(config)
    finally:
        sys.path.remove(str(folder))


def _source(name: str, package: str) -> str:
    text = (Path(profiling.backbones.__path__[0]) / f"{name}.py").read_text(encoding="utf-8")
    return re.sub(rf"profiling\.backbones\.({'|'.join(MODULES)})\b", rf"{package}.\1", text)


def fill(net: Any, source: NativeNet, names: Sequence[tuple[str, str]] = ()) -> Any:
    """Gives a variant the parameters of ``source``; ``names``: variant's path -> source's, as patterns."""
    state = source.state_dict()
    filled = {}
    for name, tensor in net.state_dict().items():
        own = name
        for pattern, replacement in names:
            own = re.sub(pattern, replacement, own)
        filled[name] = state[own]
        assert filled[name].shape == tensor.shape
    net.load_state_dict(filled)
    return net.eval()


def fill_in_order(net: Any, source: NativeNet) -> Any:
    """Gives a variant with other names the parameters of ``source``, one after the other."""
    net.load_state_dict(dict(zip(net.state_dict(), source.state_dict().values(), strict=True)))
    return net.eval()


def save(net: Any, path: Path) -> Path:
    """Writes a TorchScript file that says nothing of itself, as the released one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(ReleasedInterface(net).eval()).save(str(path))
    return path
