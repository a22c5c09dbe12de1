"""``profiling cache`` and ``profiling verify`` as a user types them; what they do inside is tested with the store."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from profiling.audio import hash_file
from profiling.features.store import FeatureStore, RowKey
from tests.command_line import CommandLine, Said, manifest
from tests.recordings import speechlike, write
from tests.stub_backbone import recording


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A store of two shards with the rows of four recordings; ``mine`` lists all, ``half`` two of them."""
    command = CommandLine(tmp_path, capsys)
    for i in range(4):
        recording(tmp_path / "mine" / f"{i}.wav", speechlike(0.5, seed=i))
    half = manifest(tmp_path / "mine", ["0.wav", "1.wav"], name="half.csv")
    whole = manifest(tmp_path / "mine", [f"{i}.wav" for i in range(4)])
    assert command.extract(half).code == 0
    assert command.extract(whole).code == 0
    return command


def cache(command: CommandLine, *arguments: str) -> Said:
    return command("cache", *arguments, *command.settings[2:])


def shards(command: CommandLine) -> list[Path]:
    return sorted(command.store.glob("*.arrow"))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rows(command: CommandLine) -> int:
    return FeatureStore.load(command.store).count(["embedding"])


def test_ls(command: CommandLine) -> None:
    said = cache(command, "ls")
    assert said.code == 0
    assert said.out.startswith(f"{command.store.name}  spectral_stats (signal)\n  embedding 4\n")
    assert "in 2 shards, float32, fp32" in said.out
    assert cache(command, "ls", command.store.name).out == said.out
    assert command("cache", "ls", "--root", str(command.store.parent)).out == said.out


def test_verify_repair_and_extract_again(command: CommandLine, tmp_path: Path) -> None:
    assert cache(command, "verify").out == f"{command.store.name}: clean\n"
    before = FeatureStore.load(command.store).read(keys := mine(tmp_path), ["embedding"])["embedding"]
    broken = shards(command)[0]
    damage(broken)
    found = cache(command, "verify")
    assert found.code == 1
    assert broken.name in found.out
    assert "--repair sets damaged shards aside" in found.err
    assert cache(command, "verify", "--repair").code == 1
    assert rows(command) == 2
    assert "2/4 from cache, 2 computed" in command.extract(tmp_path / "mine" / "manifest.csv").err
    assert cache(command, "verify").code == 0
    after = FeatureStore.load(command.store).read(keys, ["embedding"], verify="all")["embedding"]
    np.testing.assert_allclose(after, before, rtol=1e-5)
    assert cache(command, "prune", "--damaged", "--yes").code == 0
    assert not list(command.store.rglob(broken.name))


def mine(folder: Path) -> list[RowKey]:
    return [RowKey(hash_file(folder / "mine" / f"{i}.wav")) for i in range(4)]


def test_compact(command: CommandLine) -> None:
    assert "2 -> 1 shards" in cache(command, "compact").out
    assert (len(shards(command)), rows(command)) == (1, 4)


def test_prune_keeps_what_manifests_name(command: CommandLine, tmp_path: Path) -> None:
    half = f"csv:{tmp_path}/mine/half.csv"
    dry = cache(command, "prune", "--keep", half)
    assert "would remove (add --yes) 0 files, 2 rows" in dry.out
    assert rows(command) == 4
    assert "removed 0 files, 2 rows" in cache(command, "prune", "--keep", half, "--yes").out
    assert set(FeatureStore.load(command.store).present(["embedding"])) == set(mine(tmp_path)[:2])


def test_prune_does_not_guess_the_rows_of_unread_recordings(command: CommandLine, tmp_path: Path) -> None:
    write(tmp_path / "mine" / "0.wav", speechlike(0.7, seed=50))
    os.utime(tmp_path / "mine" / "0.wav", ns=(1, 1))
    said = cache(command, "prune", "--keep", f"csv:{tmp_path}/mine/half.csv", "--yes")
    assert said.code == 2
    assert "1 of 2 recordings to keep changed or were never read" in said.error
    assert rows(command) == 4


def test_remove_needs_a_name_and_a_yes(command: CommandLine) -> None:
    assert "needs the names" in cache(command, "prune", "--remove", "--yes").error
    store = command.store
    assert "would remove" in cache(command, "prune", store.name, "--remove").out
    assert store.exists()
    assert cache(command, "prune", store.name, "--remove", "--yes").code == 0
    assert not store.exists()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["lss"], "'lss'"),
        ([], "ls|verify|compact|prune"),
        (["verify", "spectral_stat"], "no store 'spectral_stat'; did you mean spectral_stats-"),
        (["ls", "native-1"], "no store 'native-1'"),
        (["ls", "paths.feature=/x"], "did you mean paths.features"),
        (["ls", "--root", "/nowhere"], "no feature store in /nowhere"),
        (["verify", "--repare"], "--repare"),
    ],
)
def test_mistakes(command: CommandLine, arguments: list[str], hint: str) -> None:
    said = cache(command, *arguments)
    assert said.code == 2
    assert hint in said.error


def test_verify_manifest_at_three_depths(command: CommandLine, tmp_path: Path) -> None:
    table = f"csv:{tmp_path}/mine/manifest.csv"
    (tmp_path / "mine" / "3.wav").unlink()
    (tmp_path / "mine" / "2.wav").write_text("no audio\n" * 99)
    exists = command("verify", "manifest", table)
    assert exists.code == 1
    assert "4 utterances, 1 problems (depth exists)" in exists.out
    decode = command("verify", "manifest", table, "--depth", "decode")
    assert "4 utterances, 2 problems (depth decode)" in decode.out
    assert "mine/2: decode:" in decode.out
    good = command("verify", "manifest", f"csv:{tmp_path}/mine/half.csv", "--depth", "decode")
    assert (good.code, good.out) == (0, "2 utterances, 0 problems (depth decode)\n")
    assert "--depth" in command("verify", "manifest", table, "--depth", "deep").error
    assert "no such file" in command("verify", "manifest", "csv:/nowhere.csv").error


@pytest.mark.parametrize("arguments", [["cache", "--help"], ["cache", "prune", "-h"], ["verify", "--help"]])
def test_help_is_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    said = CommandLine(tmp_path, capsys)(*arguments)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: profiling {arguments[0]}")
