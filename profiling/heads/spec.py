"""What one head is: everything its trained numbers depend on, besides the rows and their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from profiling.config import HeadConfig
from profiling.errors import BundleError, ConfigError, did_you_mean
from profiling.provenance import signature
from profiling.scales import DIMENSIONS

Layers = tuple[tuple[str, int], ...]  # (label, dim) in the order of the columns

#: Which losses a kind of target can be trained with; the first is ``head.loss=auto``, but for rated dimensions.
LOSSES: Mapping[str, tuple[str, ...]] = {
    "classification": ("cross_entropy",),
    "regression": ("l1", "l2", "ccc", "distribution", "ordinal"),
}
#: What ``head=probe`` minimises beside its penalty: logistic regression and ridge.
PROBE_LOSSES: Mapping[str, str] = {"classification": "cross_entropy", "regression": "l2"}
ARCHITECTURES = ("linear", "mlp", "layer_mix")
BALANCES = ("none", "speaker", "corpus")
_SEQUENCES = ("labels", "hidden", "penalties")
_LATER = frozenset(
    {"penalties", "project", "bins", "label_smoothing", "mixup", "noise", "balance"}
)  # fields a bundle of format 1 may lack
_HASH_DIGITS = 10  # 40 bits: one chance in a million of two equal names among 1,500 heads


@dataclass(frozen=True)
class HeadSpec:
    """One head, as data.

    Attributes:
        architecture: ``linear``, ``mlp`` or ``layer_mix``.
        layers: (label, dim) of the features it sees, in the order of its columns.
        labels: the classes, in the order of the outputs; empty for regression (years).
        hidden: widths of the hidden layers; empty for ``linear``.
        dropout: share of hidden units dropped in training, [0, 1).
        loss: ``cross_entropy``, ``l1``, ``l2``, ``ccc``, ``distribution`` or ``ordinal``.
        class_weights: inverse frequency in the head's train rows; classification only.
        lr: AdamW learning rate.
        weight_decay: AdamW decoupled weight decay.
        clip_norm: largest gradient norm of this head; a larger gradient is scaled down.
        seed: of the initial weights and of dropout.
        fold: row of the fold masks this head is trained and validated on.
        penalties: of a probe: an L2 path solved exactly, one penalty kept without a look at test rows; empty for a head
            trained by gradient steps.
        project: ``layer_mix``: width every layer is projected to; 0 otherwise.
        bins: ``distribution`` and ``ordinal``: levels between the smallest and the largest train target; 0 otherwise.
        label_smoothing: share of a label given to all classes, [0, 1).
        mixup: both parameters of the beta distribution that mixes two rows (Zhang et al., ICLR 2018); 0: none.
        noise: standard deviation of noise on the standardised features in training.
        balance: ``speaker`` or ``corpus``: each weighs the same in the loss; ``none``.
    """

    architecture: str
    layers: Layers
    labels: tuple[str, ...] = ()
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    loss: str = "cross_entropy"
    class_weights: bool = True
    lr: float = 1e-3
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    seed: int = 0
    fold: int = 0
    penalties: tuple[float, ...] = ()
    project: int = 0
    bins: int = 0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    noise: float = 0.0
    balance: str = "none"

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ConfigError(
                f"head.name={self.architecture}: {did_you_mean(self.architecture, ARCHITECTURES)}"
            )
        self._check_shape()
        self._check_loss()

    @property
    def kind(self) -> str:
        """``classification`` or ``regression``."""
        return "classification" if self.labels else "regression"

    @property
    def dim(self) -> int:
        """Columns of the features it sees."""
        return sum(dim for _, dim in self.layers)

    @property
    def widths(self) -> tuple[int, ...]:
        """(dim, *hidden, outputs): the sizes between its affine maps; a layer-mix starts with its projection."""
        return (self.project or self.dim, *self.hidden, self.outputs)

    @property
    def outputs(self) -> int:
        """Numbers it gives for a row: one a class, one a bin, one an inner edge, or one."""
        if self.loss == "ordinal":
            return self.bins - 1
        return len(self.labels) or self.bins or 1

    @property
    def augmented(self) -> bool:
        """Whether it sees other features in training than other heads do."""
        return bool(self.mixup or self.noise)

    @property
    def name(self) -> str:
        """Readable prefix and a hash of the whole spec: unequal specs have unequal names."""
        layers = "+".join(label for label, _ in self.layers)
        how = f"probe-{layers}" if self.penalties else f"{self.architecture}-{layers}-lr{self.lr:g}"
        return f"{how}-fold{self.fold}-{self.hash}"

    @property
    def hash(self) -> str:
        """The first digits of the signature of :meth:`to_json`."""
        return signature(self.to_json())[:_HASH_DIGITS]

    def to_json(self) -> dict[str, Any]:
        """The spec as JSON values; :meth:`from_json` is its inverse."""
        data = asdict(self)
        data["layers"] = [[label, dim] for label, dim in self.layers]
        return data | {name: list(data[name]) for name in _SEQUENCES}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HeadSpec:
        """Reads what :meth:`to_json` wrote.

        Raises:
            BundleError: a field that is missing or unknown. Fields that came later have their default.
        """
        names = {field.name for field in fields(cls)}
        if odd := sorted((names ^ set(data)) - (_LATER - set(data))):
            raise BundleError(
                f"head spec: field {odd[0]!r} is missing or unknown; fields are {sorted(names)}"
            )
        layers = tuple((str(label), int(dim)) for label, dim in data["layers"])
        sequences = {name: tuple(data[name]) for name in _SEQUENCES if name in data}
        return cls(**{**data, **sequences, "layers": layers})

    def _check_shape(self) -> None:
        if not self.layers:
            raise ConfigError("head: no feature layers; name at least one in features.layers")
        if len(self.labels) == 1:
            raise ConfigError(f"head: one class only ({self.labels[0]}); a classifier needs at least two")
        if self.architecture == "linear" and self.hidden:
            raise ConfigError(f"head.hidden={list(self.hidden)}: a linear head has none; use head=mlp")
        if (self.architecture == "layer_mix") != (self.project > 0):
            raise ConfigError(
                f"head.project={self.project}: a layer_mix projects to at least 1, other heads do not"
            )
        if self.architecture == "linear" and self.dropout:
            raise ConfigError(f"head.dropout={self.dropout}: a linear head has no hidden units; use head=mlp")
        if self.architecture == "mlp" and not self.hidden:
            raise ConfigError("head.hidden=[]: an MLP needs hidden widths, such as head.hidden=[256]")

    def _check_loss(self) -> None:
        valid = LOSSES[self.kind]
        if self.loss not in valid:
            raise ConfigError(f"head.loss={self.loss} for {self.kind}: {did_you_mean(self.loss, valid)}")
        levels = self.loss in ("distribution", "ordinal")
        if levels and self.bins < 2:
            raise ConfigError(f"head.bins={self.bins}: head.loss={self.loss} needs at least 2")
        if self.bins and not levels:
            raise ConfigError(f"head.bins={self.bins}: only head.loss=distribution and ordinal have bins")
        if self.label_smoothing and not self.labels:
            raise ConfigError(f"head.label_smoothing={self.label_smoothing}: only classes can be smoothed")
        if self.balance not in BALANCES:
            raise ConfigError(f"head.balance={self.balance}: {did_you_mean(self.balance, BALANCES)}")


def head_spec(
    config: HeadConfig,
    layers: Sequence[tuple[str, int]],
    labels: Sequence[str],
    fold: int = 0,
    task: str = "",
) -> HeadSpec:
    """The spec of a configured head.

    Args:
        config: ``head.*``.
        layers: (label, dim) in the order of the columns.
        labels: the classes, or empty for regression.
        fold: row of the fold masks.
        task: its name; ``head.loss=auto`` is CCC for arousal, valence and dominance, what their field is scored by.

    Raises:
        ConfigError: a loss that does not fit the target, or a shape that does not fit the architecture.
    """
    kind = "classification" if labels else "regression"
    if config.name == "probe":
        return _probe_spec(config, kind, layers, labels, fold)
    usual = "ccc" if task in DIMENSIONS else LOSSES[kind][0]
    loss = usual if config.loss == "auto" else config.loss
    return HeadSpec(
        architecture=config.name,
        layers=tuple((label, int(dim)) for label, dim in layers),
        labels=tuple(labels),
        hidden=tuple(config.hidden),
        dropout=config.dropout,
        loss=loss,
        class_weights=config.class_weights and kind == "classification",
        lr=config.lr,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        seed=config.seed,
        fold=fold,
        project=config.project if config.name == "layer_mix" else 0,
        bins=config.bins if loss in ("distribution", "ordinal") else 0,
        label_smoothing=config.label_smoothing,
        mixup=config.mixup,
        noise=config.noise,
        balance=config.balance,
    )


def _probe_spec(
    config: HeadConfig, kind: str, layers: Sequence[tuple[str, int]], labels: Sequence[str], fold: int
) -> HeadSpec:
    """An ordinary linear head that is solved instead of trained; the settings of gradient steps say nothing."""
    if config.loss not in ("auto", PROBE_LOSSES[kind]):
        raise ConfigError(f"head.loss={config.loss}: a probe of this task has head.loss={PROBE_LOSSES[kind]}")
    for name in ("dropout", "label_smoothing", "mixup", "noise"):
        if getattr(config, name):
            raise ConfigError(
                f"head.{name}={getattr(config, name)}: a probe is solved, not trained; leave it out"
            )
    if config.balance != "none" and kind == "regression":
        raise ConfigError(
            f"head.balance={config.balance}: a probe of numbers is plain ridge; use head=linear"
        )
    if not config.penalties:
        raise ConfigError("head.penalties=[]: name at least one penalty above 0")
    return HeadSpec(
        architecture="linear",
        layers=tuple((label, int(dim)) for label, dim in layers),
        labels=tuple(labels),
        loss=PROBE_LOSSES[kind],
        class_weights=config.class_weights and kind == "classification",
        seed=config.seed,
        fold=fold,
        penalties=tuple(config.penalties),
        balance=config.balance,
    )
