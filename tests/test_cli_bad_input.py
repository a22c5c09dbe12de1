"""Bad recordings and bad tables through ``profiling extract``: quarantined or refused, never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from profiling.audio import hash_file
from profiling.features.quarantine import Quarantined, read_quarantine
from profiling.features.store import FeatureStore, RowKey
from profiling.provenance import sha256_file
from tests.command_line import CommandLine, Said, manifest, ordinary_rights
from tests.recordings import encode, speechlike, tone, write
from tests.stub_backbone import aged

#: name -> (stage, what the reason says)
REFUSED = {
    "missing.wav": ("open", "No such file"),
    "zero_bytes.wav": ("open", "0 bytes"),
    "not_audio.wav": ("decode", "not audio"),
    "truncated.wav": ("decode", "truncated"),
    "truncated_ogg.ogg": ("decode", "truncated"),
    "silent.wav": ("check", "silent (all samples are 0"),
    "nan.wav": ("check", "1 samples not finite, first nan at 777"),
    "samples_0.wav": ("check", "0 samples"),
    "samples_100.wav": ("duration", "100 samples at 16 kHz (0.0063 s): the backbone needs at least 400"),
    "a_folder.wav": ("open", "is a folder"),
}
#: name -> flags
ACCEPTED = {
    "channels_8_at_96_khz.wav": (),
    "at_8_khz.wav": ("upsampled",),
    "as_wav.wav": (),
    "as_flac.flac": (),
    "as_ogg.ogg": (),
    "as_opus.opus": (),
    "as_mp3.mp3": (),
    "as_aiff.aiff": (),
}


def make_bad(folder: Path) -> None:
    sound = encode(speechlike(0.5), 16_000, "wav")
    (folder / "zero_bytes.wav").touch()
    (folder / "not_audio.wav").write_text("path,speaker\na.wav,1\n" * 99)
    (folder / "truncated.wav").write_bytes(sound[: len(sound) // 2])
    ogg = encode(speechlike(2.0), 16_000, "ogg")
    (folder / "truncated_ogg.ogg").write_bytes(ogg[: len(ogg) // 2])
    write(folder / "silent.wav", np.zeros(8000, np.float32))
    samples = speechlike(0.5)
    samples[777] = np.nan
    write(folder / "nan.wav", samples, subtype="FLOAT")
    write(folder / "samples_0.wav", np.zeros(0, np.float32))
    write(folder / "samples_100.wav", tone(100 / 16_000))
    (folder / "a_folder.wav").mkdir()


def make_good(folder: Path) -> None:
    eight = np.stack([speechlike(0.5, 96_000, seed=i) for i in range(8)], axis=1)
    write(folder / "channels_8_at_96_khz.wav", eight, 96_000)
    write(folder / "at_8_khz.wav", speechlike(0.5, 8000), 8000)
    for name in ACCEPTED:
        if name.startswith("as_"):
            write(folder / name, speechlike(0.5))
        aged(folder / name)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A table of ten recordings that must be refused and eight that must not."""
    folder = tmp_path / "mine"
    folder.mkdir()
    make_bad(folder)
    make_good(folder)
    return manifest(folder, [*REFUSED, *ACCEPTED])


def entry_of(command: CommandLine, name: str) -> Quarantined:
    (entry,) = [e for e in read_quarantine(command.store) if Path(e.path).name == name]
    return entry


def test_every_bad_recording_is_quarantined_and_the_others_are_computed(
    command: CommandLine, corpus: Path
) -> None:
    said = command.extract(corpus, "extract.max_failed=0.6")
    assert said.code == 0
    assert len(read_quarantine(command.store)) == len(REFUSED)
    for name, (stage, reason) in REFUSED.items():
        entry = entry_of(command, name)
        assert entry.stage == stage
        assert reason in entry.reason
        path = corpus.parent / name
        assert Path(entry.path) == path
        assert str(path) not in entry.reason, "said once is enough"
        assert entry.audio_sha256 == (sha256_file(path) if path.is_file() else "")
    store = FeatureStore.load(command.store)
    for name, flags in ACCEPTED.items():
        key = RowKey(hash_file(corpus.parent / name))
        assert np.isfinite(store.read([key], ["embedding"], verify="all")["embedding"]).all()
        assert store.flags([key]) == {key: flags}
    assert store.count(["embedding"]) == len(ACCEPTED)
    assert "0/18 from cache, 8 computed" in said.err
    assert "10 quarantined, listed in" in said.err


def test_the_budget_decides_the_exit_code_and_keeps_the_rows(command: CommandLine, corpus: Path) -> None:
    beyond = command.extract(corpus)
    assert beyond.code == 1
    assert "10 of 18 utterances failed, more than extract.max_failed=0.01 allows" in beyond.error
    just_beyond = command.extract(corpus, "extract.max_failed=0.55")
    within = command.extract(corpus, "extract.max_failed=0.56")
    assert (just_beyond.code, within.code) == (1, 0)
    assert "8/18 from cache" in within.err


def test_failures_are_tried_again_and_leave_the_table_once_mended(command: CommandLine, corpus: Path) -> None:
    command.extract(corpus)
    for name in ("missing.wav", "nan.wav", "truncated.wav", "samples_100.wav"):
        aged(write(corpus.parent / name, speechlike(0.6, seed=len(name))))
    said = command.extract(corpus)
    assert "8/18 from cache, 4 computed" in said.err
    assert {Path(e.path).name for e in read_quarantine(command.store)} == set(REFUSED) - {
        "missing.wav", "nan.wav", "truncated.wav", "samples_100.wav"
    }  # fmt: skip
    for name in REFUSED:
        path = corpus.parent / name
        if path.is_dir():
            path.rmdir()
        aged(write(path.with_suffix(".wav"), speechlike(0.6, seed=len(name))))
        path.with_suffix(".wav").rename(path)
    mended = command.extract(corpus)
    assert mended.code == 0
    assert "quarantined" not in mended.err
    assert not (command.store / "quarantine.csv").exists()


def test_a_recording_mended_while_another_store_was_filled_leaves_the_table(
    command: CommandLine, tmp_path: Path
) -> None:
    """Its hash and its row are known by then, so nothing is tried again."""
    aged(write(tmp_path / "mine.wav", speechlike(0.5)))
    table = manifest(tmp_path / "c", ["../mine.wav", "../copy.wav"])
    assert command.extract(table).code == 1
    (tmp_path / "copy.wav").write_bytes((tmp_path / "mine.wav").read_bytes())
    aged(tmp_path / "copy.wav")
    assert command.extract(table, "audio.max_duration_s=20").code == 0
    assert len(list((tmp_path / "features").glob("*/quarantine.csv"))) == 1
    assert "2/2 from cache" in command.extract(table).err
    assert list((tmp_path / "features").glob("*/quarantine.csv")) == []


def test_the_8_channels_are_their_mean_at_16_khz(command: CommandLine, tmp_path: Path) -> None:
    """Two files with the same mean have the same features; the rate is divided by six."""
    generator = np.random.default_rng(3)
    same = np.repeat(speechlike(0.5, 96_000)[:, None], 8, axis=1)
    apart = same + 0.1 * (noise := generator.standard_normal((len(same), 8)).astype(np.float32))
    apart -= 0.1 * noise.mean(axis=1, keepdims=True)
    for name, samples in (("same", same), ("apart", apart)):
        write(tmp_path / f"{name}.wav", samples, 96_000, subtype="FLOAT")
    assert sf.info(tmp_path / "apart.wav").channels == 8
    assert command.extract(manifest(tmp_path, ["same.wav", "apart.wav"])).code == 0
    keys = [RowKey(hash_file(tmp_path / f"{name}.wav")) for name in ("same", "apart")]
    one, other = FeatureStore.load(command.store).read(keys, ["embedding"])["embedding"]
    assert keys[0] != keys[1]
    np.testing.assert_allclose(one, other, atol=2e-3)


class TestTables:
    """A user's mistake in the table: exit code 2, one line, no store."""

    @pytest.fixture(autouse=True)
    def _recordings(self, tmp_path: Path) -> None:
        for name in "ab":
            write(tmp_path / f"{name}.wav", speechlike(0.5, seed=ord(name)))

    def refused(self, said: Said, command: CommandLine) -> str:
        assert said.code == 2
        assert not (command.folder / "features").exists()
        return said.error

    def test_duplicate_id(self, command: CommandLine, tmp_path: Path) -> None:
        table = manifest(tmp_path, ["a.wav,one", "b.wav,one"], "path,utt_id")
        assert "one" in self.refused(command.extract(table), command)

    def test_unknown_label_lists_counts(self, command: CommandLine, tmp_path: Path) -> None:
        words = ["angry", *["hapy"] * 3, *["xxx"] * 2]
        lines = [f"a.wav,{i},{word}" for i, word in enumerate(words)]
        table = manifest(tmp_path, lines, "path,utt_id,emotion")
        error = self.refused(command.extract(table), command)
        assert "hapy" in error
        assert "3" in error
        assert "xxx" in error
        assert command.extract(table, "corpus.drop_labels=[hapy,xxx]").code == 0

    def test_wrong_column(self, command: CommandLine, tmp_path: Path) -> None:
        error = self.refused(command.extract(manifest(tmp_path, ["a.wav,1"], "path,speeker")), command)
        assert "'speeker'; did you mean speaker?" in error
        error = self.refused(command.extract(manifest(tmp_path, ["a.wav"], "file")), command)
        assert "no column 'path'" in error

    def test_no_such_table_and_no_such_reader(self, command: CommandLine, tmp_path: Path) -> None:
        (tmp_path / "manifest.csv").write_text("path\na.wav\n")
        assert "did you mean manifest.csv" in self.refused(command.extract(tmp_path / "manifst.csv"), command)
        assert "did you mean emodb" in self.refused(command.extract("emdb:/x"), command)
        assert "corpus.train=[csv:path" in self.refused(command("extract", *command.settings), command)

    def test_an_unreadable_folder(self, command: CommandLine, tmp_path: Path) -> None:
        locked = tmp_path / "locked"
        table = manifest(locked, ["a.wav"])
        locked.chmod(0)
        try:
            with ordinary_rights():
                error = self.refused(command.extract(table), command)
                folder = self.refused(command.extract(f"folder:{locked}"), command)
        finally:
            locked.chmod(0o700)
        assert f"{table} cannot be read: Permission denied" in error
        assert f"{locked} cannot be read: Permission denied" in folder

    def test_recordings_in_an_unreadable_folder_are_quarantined(
        self, command: CommandLine, tmp_path: Path
    ) -> None:
        locked = tmp_path / "locked"
        locked.mkdir()
        write(locked / "c.wav", speechlike(0.5))
        table = manifest(tmp_path, ["a.wav", "b.wav", "locked/c.wav"])
        locked.chmod(0)
        try:
            with ordinary_rights():
                said = command.extract(table, "extract.max_failed=0.5")
        finally:
            locked.chmod(0o700)
        assert said.code == 0
        entry = entry_of(command, "c.wav")
        assert (entry.stage, "Permission denied" in entry.reason) == ("open", True)
