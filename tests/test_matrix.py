"""Train x test over corpora: the numbers are those of ordinary runs, the means by hand, mistakes are said early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profiling.evaluation.matrix import Cell, Matrix, heat_map, markdown, table
from tests.trained import Lab, Said, call, rewrite


def cell(train: str, test: str, value: float | None) -> Cell:
    return Cell(train, test, value, None, None, 0.25, 40, 8, 4)


def test_means_are_over_the_diagonal_and_over_the_rest() -> None:
    values = {("a", "a"): 0.8, ("a", "b"): 0.4, ("b", "a"): 0.5, ("b", "b"): 0.6}
    matrix = Matrix("emotion", "uar", "masked", ("a", "b"), tuple(cell(*k, v) for k, v in values.items()))
    means = matrix.means()
    assert means["self"] == pytest.approx(0.7)
    assert means["cross"] == pytest.approx(0.45)
    assert means["cross_by_train"] == {"a": 0.4, "b": 0.5}
    assert means["cross_by_test"] == {"a": 0.5, "b": 0.4}
    assert "| a | **80.0** (c 25.0, k 4) | 40.0 (c 25.0, k 4) | 40.0 |" in markdown(matrix)
    assert len(table(matrix)) == 4


def test_an_undefined_cell_is_left_out_of_the_means() -> None:
    cells = [cell("a", "a", 0.8), cell("a", "b", None), cell("b", "a", 0.5), cell("b", "b", 0.6)]
    matrix = Matrix("emotion", "uar", "masked", ("a", "b"), tuple(cells))
    assert matrix.means()["cross"] == 0.5
    assert matrix.means()["cross_by_train"] == {"a": None, "b": 0.5}
    assert np.isnan(matrix.values()[0, 1])
    assert len(heat_map(matrix).axes) == 2
    json.dumps(matrix.document(), allow_nan=False)


def asked(lab: Lab, name: str, *settings: str, corpora: list[Path]) -> tuple[Said, Path]:
    folder = lab.folder / "matrices" / name
    listed = ",".join(f"csv:{manifest}" for manifest in corpora)
    said = call("matrix", *lab.cheap, f"corpus.train=[{listed}]", f"hydra.run.dir={folder}", *settings)
    return said, folder


@pytest.fixture(scope="module")
def three(lab: Lab) -> tuple[Said, Path, list[Path]]:
    """Three corpora of other people; the third knows only two emotions. Their ids would collide without prefixes."""
    third = lab.copy(lab.corpus("third", 6, 6, seed=9), "poor")
    rewrite(third, lambda row: row if row["emotion"] in ("angry", "sad") else None)
    corpora = [lab.few, lab.other, third]
    return *asked(lab, "three", "task=emotion", corpora=corpora), corpora


def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "matrix.json").read_text(encoding="utf-8"))
    return found


def test_one_command_trains_one_head_per_corpus_and_scores_all_pairs(
    three: tuple[Said, Path, list[Path]],
) -> None:
    said, folder, _ = three
    assert said.code == 0, said.err
    found = document(folder)
    assert found["corpora"] == ["few", "other", "poor"]
    assert len(found["cells"]) == 9
    assert {cell["train"] for cell in found["cells"] if cell["self"]} == set(found["corpora"])
    assert len(found["comparisons"]) == 9, "three pairs of heads on each of three corpora"
    assert (folder / "matrix.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(folder / "matrix.csv")) == 9
    assert "self mean" in said.err


def test_features_are_computed_once(three: tuple[Said, Path, list[Path]]) -> None:
    said, _, corpora = three
    rows = sum(len(pd.read_csv(path)) for path in corpora)
    computed = [line for line in said.err.splitlines() if " from cache" in line]
    assert len(computed) == 4
    assert all(line.startswith(f"{rows}/{rows} from cache") for line in computed[1:])


def test_cells_are_the_numbers_of_the_ordinary_runs(three: tuple[Said, Path, list[Path]]) -> None:
    _, folder, _ = three
    cells = {(c["train"], c["test"]): c for c in document(folder)["cells"]}
    metrics = json.loads((folder / "runs" / "few" / "metrics.json").read_text(encoding="utf-8"))
    assert cells["few", "few"]["value"] == metrics["scores"]["test"]["metrics"]["uar"]["value"]
    held = metrics["scores"]["heldout"]["poor"]["masked"]
    assert cells["few", "poor"]["value"] == held["metrics"]["uar"]["value"]
    assert cells["few", "poor"]["labels"] == 2
    assert cells["poor", "few"]["not_scored"] == metrics["scores"]["test"]["n"] // 2


def test_common_labels_are_those_of_all_corpora(lab: Lab, three: tuple[Said, Path, list[Path]]) -> None:
    said, folder = asked(lab, "common", "task=emotion", "matrix.labels=common", corpora=three[2])
    assert said.code == 0, said.err
    assert {cell["labels"] for cell in document(folder)["cells"]} == {2}
    assert all(cell["not_scored"] == 0 for cell in document(folder)["cells"])
    assert "labels of all corpora: angry, sad" in said.err


def test_mistakes_are_said_before_anything_is_computed(lab: Lab) -> None:
    one = lab.few
    said, _ = asked(lab, "single", "task=emotion", corpora=[one])
    assert (said.code, "at least two corpora" in said.err) == (2, True)
    twins = [one, lab.copy(one, "few_again")]
    said, folder = asked(lab, "twins", "task=emotion", corpora=twins)
    assert said.code == 2, "the same recordings in both"
    assert not (folder / "matrix.json").exists()
    said, _ = asked(lab, "swept", "task=emotion", "matrix.label=common", corpora=[one, lab.other])
    assert (said.code, "matrix.labels" in said.err) == (2, True)
