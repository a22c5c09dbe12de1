"""``profiling corpora`` and ``profiling manifest``: what they print, write, refuse and remember."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from profiling.corpora import recordings
from profiling.corpora.cards import read_card
from profiling.corpora.listing import HEADER, all_cards
from profiling.corpora.manifest import read_manifest
from profiling.corpora.reading import reader_names
from tests.command_line import CommandLine, manifest
from tests.recordings import speechlike, tone, write

DOCS = Path(__file__).resolve().parents[1] / "docs" / "corpora.md"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three recordings of 0.5 s, the third a copy of the first."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        write(folder / f"{name}.wav", speechlike(0.5, seed=seed))
    rows = ["a.wav,01,f,angry", "b.wav,02,m,sad", "c.wav,02,m,sad"]
    return manifest(folder, rows, "path,speaker,gender,emotion")


class TestCorpora:
    def test_lists_every_reader(self, command: CommandLine) -> None:
        lines = command("corpora").out.splitlines()
        assert lines[0].split() == list(HEADER)
        assert [line.split()[0] for line in lines[1:]] == reader_names()

    def test_only_those_with_labels_for_a_task(self, command: CommandLine) -> None:
        names = [line.split()[0] for line in command("corpora", "--task", "emotion").out.splitlines()[1:]]
        assert "emodb" in names
        assert "speechocean762" not in names

    def test_prints_a_card(self, command: CommandLine) -> None:
        said = command("corpora", "emodb")
        card = read_card("emodb")
        text = " ".join(said.out.split())
        assert (said.code, said.err) == (0, "")
        for fact in (card.title, card.licence, card.citation, card.homepage, card.grade, *card.traps):
            assert fact in text
        assert "535 utterances, 10 speakers" in text
        assert "W = angry" in text

    def test_an_unknown_name_is_one_line(self, command: CommandLine) -> None:
        said = command("corpora", "emdb")
        assert said.code == 2
        assert "did you mean emodb" in said.error

    def test_the_rows_of_the_documented_table_are_those_of_the_cards(self, command: CommandLine) -> None:
        """A corpus that is not in the table yet is fine; a row that contradicts its card is not."""
        made = command("corpora", "--markdown").out.splitlines()
        _, _, rest = DOCS.read_text(encoding="utf-8").partition("<!-- readers: from the cards")
        rows = [line for line in rest.partition("<!-- /readers -->")[0].splitlines() if line.startswith("|")]
        assert len(rows) > 30, "the table has gone"
        stale = [row for row in rows if row not in made]
        assert not stale, "put what `profiling corpora --markdown` prints into docs/corpora.md"
        assert rows == sorted(rows, key=made.index)

    def test_the_table_is_of_all_corpora(self, command: CommandLine) -> None:
        assert command("corpora", "--markdown").out.count("\n") == len(all_cards()) + 2
        said = command("corpora", "emodb", "--markdown")
        assert (said.code, said.out) == (2, "")
        assert "leave the names out" in said.error

    def test_help_is_quick(self) -> None:
        """The list of commands imports none of what reads corpora."""
        code = "import sys; from profiling.cli import main; main(['--help']); print(sorted(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not {"'pandas'", "'torch'", "'yaml'", "'pyarrow'"} & set(
            done.stdout.replace("]", ",").split(", ")
        )


class TestManifest:
    def test_writes_what_the_recordings_hold(self, command: CommandLine, corpus: Path) -> None:
        out = command.folder / "out" / "m.csv"
        said = command("manifest", f"csv:{corpus}", str(out), f"paths.cache={command.folder}/cache")
        assert said.code == 0
        table = read_manifest(out)
        digest = hashlib.sha256((corpus.parent / "b.wav").read_bytes()).hexdigest()
        assert table["audio_sha256"].tolist()[1] == digest
        assert table["num_samples"].tolist() == [8000] * 3
        assert set(table["sample_rate_hz"]) == {16000}
        assert "mine: 3 utterances, 2 speakers, 0.00 h" in said.out
        assert "emotion: angry 1, sad 2" in said.out
        assert "1 rows hold the same audio as an earlier row" in said.out

    def test_a_second_time_opens_nothing_and_needs_force(
        self, command: CommandLine, corpus: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = (
            "manifest",
            f"csv:{corpus}",
            f"{command.folder}/m.csv",
            f"paths.cache={command.folder}/cache",
        )
        time.sleep(0.05)  # the index does not trust a file read within a clock tick of its writing
        assert "3 recordings read, 0 remembered" in command(*asked).out
        refused = command(*asked)
        assert refused.code == 2
        assert "is there already; name another file or add --force" in refused.error
        monkeypatch.setattr(recordings, "load_audio", lambda path: pytest.fail(f"{path} was opened"))
        assert "0 recordings read, 3 remembered" in command(*asked, "--force").out

    def test_interrupted_it_goes_on_where_it_stopped(
        self, command: CommandLine, corpus: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load = recordings.load_audio

        def stop(path: Path) -> object:
            if path.name == "c.wav":
                raise KeyboardInterrupt
            return load(path)

        asked = (
            "manifest",
            f"csv:{corpus}",
            f"{command.folder}/m.csv",
            f"paths.cache={command.folder}/cache",
        )
        time.sleep(0.05)
        monkeypatch.setattr(recordings, "load_audio", stop)
        assert command(*asked).code == 130
        assert not Path(asked[2]).exists()
        monkeypatch.setattr(recordings, "load_audio", load)
        assert "1 recordings read, 2 remembered" in command(*asked).out

    def test_problems_are_listed_and_their_rows_stay(self, command: CommandLine, corpus: Path) -> None:
        write(corpus.parent / "silent.wav", 0 * tone(0.5))
        with corpus.open("a") as table:
            table.write("silent.wav,03,f,sad\nnone.wav,03,f,sad\n")
        out = command.folder / "m.csv"
        said = command("manifest", f"csv:{corpus}", str(out), f"paths.cache={command.folder}/cache")
        assert said.code == 1
        assert "mine/silent: check:" in said.out
        assert "mine/none: open:" in said.out
        assert read_manifest(out)["audio_sha256"].isna().tolist() == [False, False, False, True, True]

    def test_a_span_outside_of_its_recording_is_found(self, command: CommandLine, tmp_path: Path) -> None:
        write(tmp_path / "a.wav", speechlike(0.5))
        path = manifest(tmp_path, ["a.wav,0,4000", "a.wav,4000,8001", "a.wav,4000,"], "path,start,end")
        said = command("manifest", f"csv:{path}", f"{tmp_path}/m.csv", f"paths.cache={tmp_path}/cache")
        assert said.code == 1
        assert said.out.count("is not inside its 8000 samples") == 1
        assert "1 rows cannot be used" in said.out

    def test_without_hashes_nothing_is_opened(
        self, command: CommandLine, corpus: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recordings, "load_audio", lambda path: pytest.fail(f"{path} was opened"))
        out = command.folder / "m.csv"
        said = command("manifest", f"csv:{corpus}", str(out), "--no-hash", "--drop", "angry")
        assert said.code == 0
        table = read_manifest(out)
        assert len(table) == 2
        assert table["audio_sha256"].isna().all()
        assert set(table["num_samples"]) == {-1}

    def test_the_result_is_a_corpus(self, command: CommandLine, corpus: Path) -> None:
        from profiling.corpora.reading import read_corpus

        out = command.folder / "m.csv"
        command("manifest", f"csv:{corpus}", str(out), f"paths.cache={command.folder}/cache")
        pd.testing.assert_frame_equal(read_corpus(f"csv:{out}", {}), read_manifest(out))

    @pytest.mark.parametrize(
        ("arguments", "hint"),
        [
            (["csv:x.csv"], "the following arguments are required"),
            (["csv:x.csv", "out.tsv"], "ends in .csv"),
            (["csv:x.csv", "out.csv", "--workers", "0"], "at least 1"),
            (["csv:x.csv", "out.csv", "--workers", "two"], "invalid int"),
            (["csv:x.csv", "out.csv", "paths.cash=x"], "did you mean paths.cache"),
        ],
    )
    def test_mistakes_are_one_line(self, command: CommandLine, arguments: list[str], hint: str) -> None:
        said = command("manifest", *arguments)
        assert said.code == 2
        assert hint in said.error
