"""The command line: exit codes, one line for a user's mistake, and extraction from end to end."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from profiling import __version__, cli
from profiling.features.store import FeatureStore
from tests.command_line import CommandLine, manifest
from tests.recordings import speechlike
from tests.stub_backbone import recording

#: Written to every interpreter that starts with this folder on its path: notes what is opened below a folder.
AUDIT = """
import os, sys

def note(event, arguments, folder=os.environ["WATCHED"], log=os.environ["WATCH_LOG"]):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if path.startswith(folder) and path != folder:
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, (path + "\\n").encode())
            os.close(descriptor)

sys.addaudithook(note)
"""
_IN_OPEN, _IN_ISDIR = 0x20, 0x40000000  # linux/inotify.h


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Six recordings of 0.5 s."""
    for i in range(6):
        recording(tmp_path / "audio" / f"{i}.wav", speechlike(0.5, seed=i))
    return manifest(tmp_path / "mine", [f"../audio/{i}.wav" for i in range(6)])


class TestAnswers:
    @pytest.mark.parametrize("command", ["train", "extract"])
    def test_a_reader_who_leaves_early_sees_no_traceback(self, command: str) -> None:
        line = f"{sys.executable} -m profiling {command} --help | true; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", f"sleep 0; {line}"], capture_output=True, text=True, check=False)
        assert done.returncode in (cli.OK, cli.BROKEN_PIPE)  # OK: it wrote before the reader had left
        assert done.stderr == ""

    def test_a_folder_that_cannot_be_is_one_line(self, command: CommandLine, corpus: Path) -> None:
        file = corpus.with_name("file")
        file.write_text("")
        said = command.extract(corpus, f"paths.features={file}")
        assert (said.code, "Traceback" in said.err) == (cli.MISTAKE, False)
        assert f"{file}" in said.err.splitlines()[-1]
        assert "Not a directory" in said.err.splitlines()[-1]

    @pytest.mark.parametrize("workers", ["0", "-1", "two"])
    def test_threads_that_cannot_be(self, command: CommandLine, corpus: Path, workers: str) -> None:
        said = command("verify", "manifest", f"csv:{corpus}", f"--workers={workers}")
        assert (said.code, said.err) == (
            cli.MISTAKE,
            f"profiling: --workers {workers}: must be at least 1\n",
        )

    def test_help_and_version(self, command: CommandLine) -> None:
        for arguments in (["--help"], ["-h"], ["help"]):
            said = command(*arguments)
            assert (said.code, said.err) == (0, "")
            assert all(name in said.out for name in cli.COMMANDS)
        assert command("--version").out == f"profiling {__version__}\n"
        assert command("extract", "--help").out.startswith("usage: profiling extract")
        assert command().code == 2

    def test_an_unknown_command(self, command: CommandLine) -> None:
        said = command("extrct")
        assert said.code == 2
        assert "did you mean extract" in said.error

    @pytest.mark.parametrize(
        ("argument", "hint"),
        [
            ("head.lrr=1", "did you mean head.lr"),
            ("+head.lrr=1", "did you mean head.lr"),
            ("++head.lrr=1", "did you mean head.lr"),
            ("extract.worker=3", "did you mean extract.workers"),
            ("+extract.workers=3", "without the plus"),
            ("extract.workers=many", "many"),
            ("extract.max_failed=2", "below 1"),
            ("extract.shard=4/3", "such as 3/16"),
            ("backbone=native_mni", "did you mean native_mini"),
            ("features.layers=gfe_9", "did you mean gfe_"),
            ("features.layers=pool", "write features.layers=embedding"),
            ("audio.max_duration_s=0.01", "at least 0.05 s"),
            ("store.dtype=float64", "did you mean float"),
            ("--verify-audios", "did you mean --verify-audio"),
            ("corpus.train=[]", "no corpus named"),
            ("stray", "neither a setting (key=value) nor a flag"),
        ],
    )
    def test_a_mistake_is_one_line_and_2(
        self, command: CommandLine, corpus: Path, argument: str, hint: str
    ) -> None:
        said = command.extract(corpus, argument)
        assert said.code == 2
        assert hint in said.error
        assert list((command.folder / "features").glob("*/*.arrow")) == []

    def test_ctrl_c_before_anything_is_computed(
        self, command: CommandLine, corpus: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from profiling.corpora import reading

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(reading, "read_corpora", interrupted)
        said = command.extract(corpus)
        assert (said.code, said.error) == (130, "profiling: interrupted")


class TestExtract:
    def test_first_second_and_one_more(self, command: CommandLine, corpus: Path) -> None:
        first = command.extract(corpus)
        assert (first.code, first.out) == (0, "")
        assert "0/6 from cache, 6 computed: 3 s of audio" in first.err
        assert "signal statistics, no network" in first.err
        second = command.extract(corpus)
        assert "6/6 from cache\n" in second.err
        recording(corpus.parent.parent / "audio" / "6.wav", speechlike(0.5, seed=6))
        with corpus.open("a") as table:
            table.write("../audio/6.wav\n")
        assert "6/7 from cache, 1 computed" in command.extract(corpus).err
        assert "7/7 from cache" in command.extract(corpus, "--verify-audio").err
        assert command("cache", "verify", "--root", f"{command.folder}/features").code == 0

    def test_parts_together(self, command: CommandLine, corpus: Path) -> None:
        said = [command.extract(corpus, f"extract.shard={part}/3") for part in (1, 2, 3)]
        assert [s.code for s in said] == [0, 0, 0]
        assert "6/6 from cache" in command.extract(corpus).err

    def test_a_long_job_says_first_what_it_will_cost(self, command: CommandLine, tmp_path: Path) -> None:
        names = [str(recording(tmp_path / "audio" / f"{i}.wav", speechlike(2.0, seed=i))) for i in range(50)]
        said = command.extract(manifest(tmp_path / "mine", names))
        lines = [line for line in said.err.splitlines() if " of audio, CPU, spectral_stats: about " in line]
        assert len(lines) == 1
        assert lines[0].startswith("2 min of audio, CPU, spectral_stats: about ")
        assert said.err.index(lines[0]) < said.err.index("50 computed")

    def test_the_bar_stays_away_where_no_terminal_is(self, command: CommandLine, corpus: Path) -> None:
        assert "\r" not in command.extract(corpus).err


def hear_ctrl_c() -> None:
    """A shell that starts the tests in the background has them, and their children, ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_in_background(folder: Path, arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "profiling", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        preexec_fn=hear_ctrl_c,
    )


def test_a_second_run_opens_no_audio_in_any_process(
    command: CommandLine, tmp_path: Path, corpus: Path
) -> None:
    """Proved twice: an audit hook in every interpreter, and the kernel's own notes (inotify) of the folder.

    One new recording shows that both would have noticed.
    """
    assert command.extract(corpus).code == 0
    audio = (tmp_path / "audio").resolve()
    new = recording(audio / "new.wav", speechlike(0.5, seed=99))
    table = manifest(tmp_path / "mine", [f"../audio/{i}.wav" for i in range(6)] + ["../audio/new.wav"])
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(AUDIT)
    log = tmp_path / "opened.log"
    kernel = watch(audio)
    process = run_in_background(
        tmp_path,
        ["extract", f"corpus.train=[csv:{table}]", *command.settings],
        PYTHONPATH=f"{hook}{os.pathsep}{Path(cli.__file__).parents[1]}",
        WATCHED=str(audio),
        WATCH_LOG=str(log),
    )
    _, err = process.communicate(timeout=300)
    assert "6/7 from cache, 1 computed" in err
    assert set(log.read_text().split()) == {str(new)}
    assert opened(kernel) == {"new.wav"}


def watch(folder: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(descriptor, str(folder).encode(), _IN_OPEN) > 0
    return int(descriptor)


def opened(descriptor: int) -> set[str]:
    """Names of the files that anyone opened; closes the watch."""
    names, events = set(), os.read(descriptor, 1 << 16)
    os.close(descriptor)
    while events:
        _, mask, _, length = struct.unpack_from("iIII", events)
        if not mask & _IN_ISDIR:
            names.add(events[16 : 16 + length].rstrip(b"\0").decode())
        events = events[16 + length :]
    return names


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_real_process_interrupted_and_resumed(
    command: CommandLine, tmp_path: Path, how: signal.Signals
) -> None:
    names = [str(recording(tmp_path / "audio" / f"{i}.wav", speechlike(0.5, seed=i))) for i in range(40)]
    table = manifest(tmp_path / "mine", names)
    slow = ["extract.batch_size=1", "store.commit_every_s=0.001", "extract.workers=1"]
    process = run_in_background(
        tmp_path, ["extract", f"corpus.train=[csv:{table}]", *command.settings, *slow]
    )
    shards = (tmp_path / "features").glob
    deadline = time.monotonic() + 240
    while len(list(shards("*/*.arrow"))) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(how)
    _, err = process.communicate(timeout=240)
    before = len(FeatureStore.load(command.store).present(["embedding"]))
    assert 3 <= before < 40
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert f"{before} of 40 utterances have their features; the same command goes on from there" in err
    else:
        assert process.returncode == -signal.SIGKILL
    assert "Traceback" not in err
    assert f"{before}/40 from cache, {40 - before} computed" in command.extract(table, *slow).err
    whole = CommandLine(tmp_path / "whole", command.capsys)
    assert whole.extract(table, *slow).code == 0
    one, other = FeatureStore.load(command.store), FeatureStore.load(whole.store)
    keys = sorted(one.present(["embedding"]))
    assert keys == sorted(other.present(["embedding"]))
    np.testing.assert_array_equal(
        one.read(keys, ["embedding"], verify="all")["embedding"],
        other.read(keys, ["embedding"], verify="all")["embedding"],
    )
