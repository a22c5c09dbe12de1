"""Words to drop: some corpus must have them, or a vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiling.corpora.reading import read_corpora
from profiling.errors import LabelError
from profiling.training.precheck import check_drops

ROWS = "path,speaker,emotion\na.wav,a,angry\nb.wav,b,happy\nc.wav,c,hapy\n"


@pytest.mark.parametrize(
    ("words", "misspelt"),
    [
        (["hapy"], None),
        (["emotion:hapy", "neutral"], None),
        (["hapy", "surprized"], "surprized"),
        (["hapy", "emotion:angri"], "angri"),
    ],
)
def test_a_word_nobody_has_is_named(words: list[str], misspelt: str | None, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(ROWS)
    for name in "abc":
        (tmp_path / f"{name}.wav").write_bytes(b"RIFF")
    table = read_corpora([f"csv:{tmp_path / 'm.csv'}"], {}, words)
    if misspelt is None:
        check_drops(words, [table])
        return
    with pytest.raises(LabelError, match=rf"drop_labels.*'{misspelt}'.*did you mean"):
        check_drops(words, [table])
