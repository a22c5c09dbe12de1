"""``backbone.compile=true``: the native network through torch.compile, or as it is where that fails, with a word.

Compiled once for batches of any lengths. It takes a minute and needs a C++ compiler, then computes about a quarter
faster on a CPU (docs/performance.md): worth it from some hours of audio on. PyTorch keeps what was compiled in
its own cache. The numbers stay within 1e-6, so it is no part of the feature key (DESIGN 4).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

_LOG = logging.getLogger(__name__)

Outputs = dict[str, Tensor]
Forward = Callable[[Tensor, Tensor | None], Outputs]


class CompiledNet:
    """A network that is compiled at its first call.

    Attributes:
        refused: why it computes as it is after all; None while the compiled one does.
    """

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._compiled: Forward = torch.compile(net, dynamic=True)
        self.refused: str | None = None

    def __call__(self, waveforms: Tensor, lengths: Tensor | None) -> Outputs:
        """As the network itself."""
        if self.refused is None:
            try:
                return self._compiled(waveforms, lengths)
            except _compiler_errors() as error:
                self.refused = (str(error).strip().splitlines() or [type(error).__name__])[0]
                _LOG.warning("backbone.compile: PyTorch computes without compiling: %s", self.refused)
        outputs: Outputs = self._net(waveforms, lengths)
        return outputs


def _compiler_errors() -> type[Exception]:
    """What torch.compile raises, as opposed to what the network itself would; imported when something failed."""
    from torch._dynamo.exc import TorchDynamoException

    return TorchDynamoException
