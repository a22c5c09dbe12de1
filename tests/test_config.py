"""A misspelt key, an unknown choice, a wrong value: one line that names it and the nearest valid one."""

from __future__ import annotations

import re

import pytest

from profiling.config import RunConfig, parse_layers
from profiling.errors import ConfigError
from profiling.training.hydra_app import compose_config
from profiling.validation import validate


@pytest.mark.parametrize(
    ("override", "named", "offered"),
    [
        ("head.lrr=1", "head.lrr", "head.lr"),
        ("+head.lrr=1", "head.lrr", "head.lr"),
        ("++head.lrr=1", "head.lrr", "head.lr"),
        ("~head.lrr", "head.lrr", "head.lr"),
        ("+head.lr=1", "head.lr", "without the plus"),
        ("task=emotoin", "emotoin", "emotion"),
        ("backbone=ecapa", "ecapa", "ecapa2"),
        ("features.layers=[gfe_9]", "gfe_9", "gfe_1"),
        ("features.layers=[]", "features.layers", "gfe_1"),
        ("head.lr=fast", "fast", "head.lr"),
        ("head.lr=-1", "head.lr=-1", "above 0"),
        ("split.val_fraction=1.5", "split.val_fraction=1.5", "below 1"),
        ("backbone.precision=fp17", "fp17", "fp16"),
        ("corpus.train=[a b", "corpus.train=[a b", "quote"),
        ("hed=linear", "hed", "head"),
        ("features.layers=5", "features.layers=5", "gfe_1|pool"),
        ("features.layers=null", "features.layers", "gfe_1"),
        ("head.lr=inf", "head.lr=inf", "finite"),
        ("head.lr=nan", "head.lr=nan", "above 0"),
        ("head.weight_decay=-1", "head.weight_decay=-1", "at least 0"),
        ("audio.max_duration_s=inf", "audio.max_duration_s=inf", "finite"),
        ("seed=-1", "seed=-1", "at least 0"),
        ("seed=99999999999999999999", "seed=99999999999999999999", "below"),
        ("split.seed=-1", "split.seed=-1", "at least 0"),
        ("data.order_seed=-1", "data.order_seed=-1", "at least 0"),
        ("paths.cache=", "paths.cache", "name a folder"),
        ("paths.features=' '", "paths.features", "name a folder"),
        ("backbone.device=gpu", "backbone.device=gpu", "cuda:0"),
        ("trainer.device=cuda:x", "trainer.device=cuda:x", "cuda:0"),
        ("audio.channel=left", "audio.channel=left", "mix"),
        ("audio.channel=-1", "audio.channel=-1", "mix"),
        ("task.name=gender", "task.name=gender", "task=gender"),
        ("task.labels=[sad,sad]", "task.labels=[sad,sad]", "twice"),
        ("head=mlp head.hidden=[0]", "head.hidden=[0]", "above 0"),
        ("head=mlp head.hidden=[8,-3]", "head.hidden=[8, -3]", "above 0"),
        ("split.val_fraction=0.6 split.test_fraction=0.5", "split.test_fraction=0.5", "less than 1"),
        ("corpus.train=csv:a.csv", "corpus.train", "corpus.train=[csv:a.csv]"),
        ("corpus.train=null", "corpus.train", "corpus.train=[]"),
        ("head.lr=null", "head.lr", "leave it out"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(override: str, named: str, offered: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_config(re.split(r" (?=[a-z_.]+=)", override))
    message = str(caught.value)
    assert named in message
    assert offered in message
    assert "\n" not in message


def test_defaults_compose_to_the_dataclass_defaults() -> None:
    composed, plain = compose_config([]), RunConfig()
    validate(plain)
    assert composed.backbone == plain.backbone
    assert composed.backbone.name == "ecapa2"
    assert composed.head == plain.head
    assert composed.task == plain.task


def test_corpora_are_plain_lists() -> None:
    config = compose_config(["corpus.train=[csv:a/b.csv,emodb:/x]", "corpus.heldout=[nemo]"])
    assert config.corpus.train == ["csv:a/b.csv", "emodb:/x"]
    assert config.corpus.heldout == ["nemo"]


def test_seed_is_an_alias_of_the_heads_seed() -> None:
    assert compose_config(["seed=7"]).head.seed == 7
    assert compose_config(["head.seed=3"]).head.seed == 3


def test_every_card_gives_a_path() -> None:
    assert vars(compose_config(["paths.emodb=/corpora/emodb"]).paths)["emodb"] == "/corpora/emodb"


@pytest.mark.parametrize("asked", ["embedding|gfe_1|pool", ["pool", "gfe_1", "embedding"]])
def test_layers_come_in_network_order(asked: object) -> None:
    assert parse_layers(asked) == ["gfe_1", "pool", "embedding"]
