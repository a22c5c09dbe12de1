"""The probing benchmark's own arithmetic, against scikit-learn, SciPy and hand-made cases."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import permutation_test
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from profiling.backbones.calibration import untrained
from profiling.backbones.checkpoint import load_weights, read_card
from profiling.backbones.native import MINI_WEIGHTS
from profiling.backbones.network import architecture, mini_config
from profiling.provenance import read_json, sha256_file

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def probing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("probing", ROOT / "benchmarks" / "probing.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["probing"] = module
    spec.loader.exec_module(module)
    return module


def test_folds_never_share_a_speaker(probing: ModuleType) -> None:
    for speakers in (8, 30):
        groups = np.repeat(np.arange(speakers), 4)
        tested = []
        for train, test in probing.folds(groups):
            assert not set(groups[train]) & set(groups[test])
            tested.extend(test)
        assert sorted(tested) == list(range(len(groups))), "every row is predicted once"


def test_a_ridge_in_the_row_space_is_the_ridge(probing: ModuleType) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 90)), rng.choice(["a", "b", "c"], size=40, p=[0.6, 0.3, 0.1])
    train, test = np.arange(30), np.arange(30, 40)
    ours = probing._fitted(x, y, train, test, RidgeClassifier, (0.1,))[0]
    scaler = StandardScaler().fit(x[train])
    direct = RidgeClassifier(alpha=9.0, class_weight="balanced").fit(scaler.transform(x[train]), y[train])
    assert list(ours) == list(direct.predict(scaler.transform(x[test])))


def test_a_probe_finds_what_is_linear_and_nothing_in_noise(probing: ModuleType) -> None:
    rng = np.random.default_rng(1)
    groups, y = np.repeat(np.arange(10), 12), np.tile(["f", "m"], 60)
    noise = rng.normal(size=(120, 20))
    signal = noise + 3 * (y == "m")[:, None]
    assert probing.uar(y, probing.probe(signal, y, groups)) > 0.95
    assert 0.3 < probing.uar(y, probing.probe(noise, y, groups)) < 0.7


@pytest.mark.parametrize("count", [6, 10])
def test_the_sign_flip_test_is_scipys(probing: ModuleType, count: int) -> None:
    rng = np.random.default_rng(count)
    first, second = rng.normal(0.4, 1, count), rng.normal(0, 1, count)
    exact = permutation_test(
        (first, second), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert probing.paired_p(first, second) == pytest.approx(exact.pvalue, abs=1e-12)
    assert probing.paired_p(np.arange(9) + 1.0, np.zeros(9)) == 2 / 2**9


def test_equal_error_rate_of_clear_and_of_random_speakers(probing: ModuleType) -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(10), 6)
    clear = np.eye(10)[groups] + 0.01 * rng.normal(size=(60, 10))
    assert probing.equal_error_rate(clear, groups) == 0.0
    assert probing.equal_error_rate(rng.normal(size=(60, 10)), groups) == pytest.approx(0.5, abs=0.1)


def test_the_shipped_weights_are_those_of_the_card_and_the_page() -> None:
    card = read_json(MINI_WEIGHTS.with_suffix(".json"))
    assert card["sha256"] == sha256_file(MINI_WEIGHTS) and card["bytes"] == MINI_WEIGHTS.stat().st_size < 16e6
    assert card["architecture"] == architecture(mini_config()) == read_card(MINI_WEIGHTS)["architecture"]
    page = (ROOT / "docs" / "mini.md").read_text(encoding="utf-8")
    assert card["sha256"] in page and f"{card['step']} steps" in page
    assert read_json(ROOT / "docs" / "mini_probing.json")["weights_sha256"] == card["sha256"]


@pytest.mark.data
def test_the_shipped_network_tells_unseen_speakers_apart(probing: ModuleType, speech: Path) -> None:
    table = probing.read_corpus(speech, "speechocean762").groupby("speaker").head(4).head(80)
    groups = table["speaker"].to_numpy()
    rates = {}
    for name, net in (("mini", load_weights(MINI_WEIGHTS)), ("untrained", untrained(mini_config()))):
        features = probing.extracted(probing.network(net), speech, "speechocean762", table)
        rates[name] = probing.equal_error_rate(features["embedding"], groups)
    assert rates["mini"] < 0.12 < 0.2 < rates["untrained"]
