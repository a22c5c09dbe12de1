"""The parameters of a TorchScript file in a native network: found by order and shape, never by name.

Nothing is known of the names inside the released file, and little of the order in which its layers were
registered. Two orders are tried: that of registration, and that in which the file's own graph uses them.
A convolution or linear layer and the BatchNorms that follow it are one unit; the k-th unit of a shape in the
file is the k-th unit of that shape in the native network. Whether that was right is for
:mod:`profiling.backbones.engine` to measure: here nothing but shapes is looked at.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from profiling.backbones.network import NativeNet
from profiling.errors import BackboneError

Order = Literal["registration", "use"]
ORDERS: tuple[Order, ...] = get_args(Order)

Shapes = tuple[tuple[int, ...], ...]

#: Operators that take learned tensors; others, as a test for None, only look at them.
_LEARNED = (
    "conv1d",
    "conv2d",
    "_convolution",
    "linear",
    "addmm",
    "matmul",
    "batch_norm",
)
#: Operators through which a learned tensor passes unchanged.
_TRANSPARENT = ("prim::unchecked_cast", "aten::t", "aten::detach")
_NORM_TENSORS = 4  # weight, bias, running mean, running variance


@dataclass(frozen=True)
class Unit:
    """Tensors that belong together: a convolution or linear layer with the norms after it, or something alone.

    Attributes:
        names: in the state dict, in the order of the shapes.
        shapes: of the tensors.
    """

    names: tuple[str, ...]
    shapes: Shapes

    def __str__(self) -> str:
        return " ".join("x".join(map(str, shape)) for shape in self.shapes)


class Source:
    """The tensors of a TorchScript file in both orders.

    Args:
        file: just loaded: once it has run, its graph is no longer the one that was written.
    """

    def __init__(self, file: torch.jit.ScriptModule) -> None:
        self.state = _floats(file.state_dict())
        self.learned = {name for name, _ in file.named_parameters()}
        self.units = {order: _units(_groups(file, order), self.state) for order in ORDERS}


def adopt(net: NativeNet, source: Source, order: Order) -> None:
    """Fills ``net`` with the parameters and statistics of a file.

    Args:
        net: of the architecture the file is believed to have; changed only if everything fits.
        source: of the file.
        order: what says which of several equal shapes is which.

    Raises:
        BackboneError: the shapes do not fit each other; names the first that does not.
    """
    target = net.state_dict()
    places = _matched(_units(_own_groups(net, order), target), source.units[order])
    if left := sorted((source.state.keys() - set(places.values())) & source.learned):
        shape = "x".join(map(str, source.state[left[0]].shape))
        raise BackboneError(f"{len(left)} of its tensors have no place, as one of shape {shape}")
    with torch.no_grad():
        for name, found in places.items():
            target[name].copy_(source.state[found])


def _matched(wanted: Sequence[Unit], found: Sequence[Unit]) -> dict[str, str]:
    """Name in the native network -> name in the file; the k-th unit of a shape is the k-th."""
    waiting: dict[Shapes, deque[Unit]] = defaultdict(deque)
    for unit in found:
        waiting[unit.shapes].append(unit)
    places: dict[str, str] = {}
    for number, unit in enumerate(wanted, start=1):
        if not waiting[unit.shapes]:
            raise BackboneError(
                f"it has no tensors left for layer {number} of {len(wanted)}, of shapes {unit}"
            )
        places |= zip(unit.names, waiting[unit.shapes].popleft().names, strict=True)
    return places


def _units(groups: Iterable[Sequence[str]], state: Mapping[str, Tensor]) -> list[Unit]:
    """Groups of names as units: norms join the convolution or linear layer before them."""
    units: list[Unit] = []
    for names in groups:
        unit = Unit(tuple(names), tuple(tuple(state[name].shape) for name in names))
        if units and _is_norm(unit) and any(len(shape) > 1 for shape in units[-1].shapes):
            before = units.pop()
            unit = Unit(before.names + unit.names, before.shapes + unit.shapes)
        units.append(unit)
    return units


def _is_norm(unit: Unit) -> bool:
    return len(unit.shapes) == _NORM_TENSORS and len(set(unit.shapes)) == 1 and len(unit.shapes[0]) == 1


def _groups(module: torch.jit.ScriptModule, order: Order) -> list[list[str]]:
    """Names of a layer's tensors together, layers in an order."""
    state = _floats(module.state_dict())
    if order == "use":
        return list(_used(module.inlined_graph, state))
    return _by_module(state)


def _own_groups(net: NativeNet, order: Order) -> list[list[str]]:
    if order == "registration":
        return _by_module(_floats(net.state_dict()))
    from profiling.backbones.export import scripted

    prefix = "net."
    return [[name.removeprefix(prefix) for name in group] for group in _groups(scripted(net), order)]


def _by_module(state: Mapping[str, Tensor]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in state:
        groups[name.rpartition(".")[0]].append(name)
    return list(groups.values())


def _used(graph: Any, state: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """The tensors of each learned operator, in the order of the graph, each once."""
    seen: set[str] = set()
    for node in _nodes(graph):
        if node.kind().removeprefix("aten::") not in _LEARNED:
            continue
        names = [name for value in node.inputs() for name in _attribute(value) if name in state]
        if fresh := [name for name in names if name not in seen]:
            seen.update(fresh)
            yield fresh


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        for inner in node.blocks():
            yield from _nodes(inner)
        yield node


def _attribute(value: Any) -> list[str]:
    """The path of the attribute a value is read from, at most one; a choice between attributes is followed."""
    node = value.node()
    if node.kind() in _TRANSPARENT:
        return _attribute(next(node.inputs()))
    if node.kind() == "prim::If":
        index = [output.debugName() for output in node.outputs()].index(value.debugName())
        return [name for block in node.blocks() for name in _attribute(list(block.outputs())[index])][:1]
    if node.kind() != "prim::GetAttr":
        return []
    parent = _attribute(next(node.inputs()))
    return [".".join([*parent, node.s("name")])]


def _floats(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without counters of batches, which are integers and not always saved."""
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
