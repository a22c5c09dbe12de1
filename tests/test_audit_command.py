"""``profiling audit`` as a user types it, on generated voices with planted faults, and on real speech."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import soundfile as sf

from profiling.audio import load_audio
from profiling.corpora.generated import generate_corpus
from tests.command_line import CommandLine


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two generated corpora of other people, 6 speakers and 4 utterances each."""
    top = tmp_path_factory.mktemp("corpora")
    return generate_corpus(top / "one", 6, 4, seed=1), generate_corpus(top / "two", 6, 4, seed=2)


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="") as file:
        return list(csv.DictReader(file))


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def absolute(manifest: Path) -> list[dict[str, str]]:
    return [row | {"path": str(manifest.parent / row["path"])} for row in rows_of(manifest)]


def audited(command: CommandLine, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    out = command.folder / "audit"
    said = command(
        "audit",
        *arguments,
        f"paths.cache={command.folder}/cache",
        "trainer.progress=false",
        "--out",
        str(out),
    )
    assert said.code in (0, 1), said.err
    return said.code, said.out, json.loads((out / "audit.json").read_text(encoding="utf-8"))


def found(result: dict[str, Any], check: str, severity: str) -> list[dict[str, Any]]:
    return [f for f in result["findings"] if (f["check"], f["severity"]) == (check, severity)]


def test_different_people_in_both_corpora_give_no_error(
    command: CommandLine, corpora: tuple[Path, Path]
) -> None:
    one, two = corpora
    other_ids = [row | {"speaker": f"x{row['speaker']}"} for row in absolute(two)]
    heldout = written(command.folder / "two" / "m.csv", other_ids)
    code, out, result = audited(command, f"corpus.train=[csv:{one}]", f"corpus.heldout=[csv:{heldout}]")
    assert code == 0
    assert result["counts"]["error"] == 0
    assert out.splitlines()[-1].startswith("0 errors")
    assert {c["corpus"]: c["rows"] for c in result["corpora"]} == {"one": 24, "two": 24}
    page = (command.folder / "audit" / "audit.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 7
    assert "<script" not in page
    assert "http://" not in page


def test_a_recording_copied_into_the_heldout_corpus_is_found_in_another_container(
    command: CommandLine, corpora: tuple[Path, Path]
) -> None:
    one, two = corpora
    source = one.parent / rows_of(one)[3]["path"]
    copy = command.folder / "copy.flac"
    samples, rate = sf.read(source, dtype="int16")
    sf.write(copy, samples, rate)
    rows = absolute(two)
    heldout = written(command.folder / "two" / "m.csv", [*rows, rows[0] | {"path": str(copy)}])
    code, out, result = audited(command, f"corpus.train=[csv:{one}]", f"corpus.heldout=[csv:{heldout}]")
    assert code == 1
    (finding,) = found(result, "duplicates", "error")
    paths = {copied["path"] for copied in finding["evidence"]["copies"][0]}
    assert paths == {str(source), str(copy)}
    assert "ERROR   duplicates" in out


def test_a_recording_in_two_splits_is_found(command: CommandLine, corpora: tuple[Path, Path]) -> None:
    rows = [row | {"split": "train" if i < 12 else "test"} for i, row in enumerate(absolute(corpora[0]))]
    planted = rows[0] | {"split": "test", "speaker": rows[-1]["speaker"]}
    copy = command.folder / "again.wav"
    copy.write_bytes(Path(rows[0]["path"]).read_bytes())
    manifest = written(command.folder / "one" / "m.csv", [*rows, planted | {"path": str(copy)}])
    code, _, result = audited(command, f"corpus.train=[csv:{manifest}]")
    assert code == 1
    (finding,) = found(result, "duplicates", "error")
    assert {copied["part"] for copied in finding["evidence"]["copies"][0]} == {"train", "test"}
    assert "1 with the same bytes" in finding["message"]


def test_speakers_planted_in_train_and_heldout_are_found(
    command: CommandLine, corpora: tuple[Path, Path]
) -> None:
    rows = absolute(corpora[0])
    people = sorted({row["speaker"] for row in rows})
    train = [row for row in rows if row["speaker"] != people[5]]
    heldout = [row for row in rows if row["speaker"] in people[4:]]
    both = [
        written(command.folder / name / "m.csv", part)
        for name, part in (("mine", train[::2]), ("yours", heldout[1::2]))
    ]
    code, _, result = audited(command, f"corpus.train=[csv:{both[0]}]", f"corpus.heldout=[csv:{both[1]}]")
    assert code == 1
    (finding,) = found(result, "speakers", "error")
    assert set(finding["subjects"]) == {f"mine/{people[4]}", f"yours/{people[4]}"}


def test_a_second_audit_opens_no_recording_and_finds_the_same(
    command: CommandLine, corpora: tuple[Path, Path]
) -> None:
    _, _, first = audited(command, f"corpus.train=[csv:{corpora[0]}]")
    with patch("profiling.audit.listening.load_audio", side_effect=AssertionError("opened")) as opened:
        _, _, second = audited(command, f"corpus.train=[csv:{corpora[0]}]")
    assert opened.call_count == 0
    assert first == second
    assert load_audio  # the real one, untouched


def test_the_manifests_alone_are_checked_on_demand(command: CommandLine, corpora: tuple[Path, Path]) -> None:
    code, _, result = audited(command, f"corpus.train=[csv:{corpora[0]}]", "--no-audio")
    assert code == 0
    assert not result["listened"]
    assert result["corpora"][0]["hours"] is None
    assert "only the manifests" in (command.folder / "audit" / "audit.html").read_text().casefold()


def test_a_broken_recording_is_an_error_with_its_reason(
    command: CommandLine, corpora: tuple[Path, Path]
) -> None:
    rows = absolute(corpora[0])
    (command.folder / "broken.wav").write_bytes(b"RIFF")
    manifest = written(
        command.folder / "one" / "m.csv", [*rows, rows[0] | {"path": str(command.folder / "broken.wav")}]
    )
    code, _, result = audited(command, f"corpus.train=[csv:{manifest}]")
    assert code == 1
    (finding,) = found(result, "recordings", "error")
    assert finding["subjects"] == ["one/broken"]


def test_no_corpus_is_a_mistake(command: CommandLine) -> None:
    assert command("audit").code == 2
    assert "corpus.train=[csv:" in command("audit").error


@pytest.mark.data
@pytest.mark.slow
def test_seven_adults_whose_pitch_contradicts_their_label_are_found(
    command: CommandLine, speech: Path
) -> None:
    """The seven that ../shared/speech/README.md names, and at most ten others."""
    _, _, result = audited(command, f"corpus.train=[csv:{speech / 'speechocean762' / 'manifest.csv'}]")
    (finding,) = found(result, "pitch", "warning")
    listed = {name.rpartition("/")[2] for name in finding["subjects"]}
    known = {"2451", "2430", "2380", "2937", "2355", "2917", "3023"}
    assert known <= listed
    assert len(listed - known) <= 10
