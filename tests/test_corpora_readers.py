"""Every reader, by one generic test over miniatures in the publishers' layout, and its mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import soundfile as sf
import yaml

from profiling.corpora.cards import GRADES, card_names, official_speakers, read_card
from profiling.corpora.manifest import COLUMNS, LABEL_COLUMNS, check_manifest
from profiling.corpora.reading import read_corpora, read_corpus, reader_names
from profiling.corpora.verify import verify_manifest
from profiling.errors import LabelError, ManifestError
from profiling.labels import EMOTIONS, GENDERS
from profiling.provenance import signature
from profiling.scales import DIMENSIONS
from tests.miniatures import emodb, nemo, speechocean762
from tests.miniatures.facts import Facts, find_miniature

ROOT = Path(__file__).resolve().parents[1]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not decoded here")


#: A source that can be opened: a page, or a repository.
NAMEABLE = re.compile(r"https?://\S+|\b[\w.-]+\.(?:com|net)[/\s]\S+")
#: Grade -> sources a card of that grade has to name.
SOURCES = {"checked on real files": 1, "on two public sources": 2, "on one": 1}


def write_csv(folder: Path, text: str, name: str = "manifest.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def mini_csv(folder: Path) -> Path:
    touch(folder, "a/001.wav", "a/002.wav")
    return write_csv(
        folder, "path,speaker,gender,age,emotion\na/001.wav,01,f,31,anger\na/002.wav,02,M,,happy\n"
    )


#: Columns of a miniature's row that are compared; those its facts do not name have to be missing.
SHOWN = ("speaker_id", "text_id", "language", "split", "session", *LABEL_COLUMNS)
FORMATS = "none"  # the grade of a reader of a user's own data


@pytest.fixture
def miniature(name: str, tmp_path: Path) -> tuple[Path, str, Facts]:
    """The folder of a reader's miniature, how a command names it, and what is known of it."""
    mini = find_miniature(name)
    folder = tmp_path / "mini"
    folder.mkdir()
    return folder, f"{name}:{mini.build(folder)}", mini.FACTS


@pytest.mark.parametrize("name", reader_names())
def test_every_reader_reads_its_miniature(name: str, miniature: tuple[Path, str, Facts]) -> None:
    _, spec, facts = miniature
    table = read_corpus(spec, {})
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == facts.rows
    check_manifest(table, name)
    row = table.set_index("utt_id").loc[str(facts.row["utt_id"])]
    said = {column: None if pd.isna(row[column]) else row[column] for column in SHOWN}
    assert said == {column: facts.row.get(column) for column in SHOWN} | {
        column: pytest.approx(facts.row[column], abs=1e-9) for column in DIMENSIONS if column in facts.row
    }
    assert set(facts.row) <= {"utt_id", *SHOWN}
    assert table.attrs["dropped"] == dict(facts.dropped)


@pytest.mark.parametrize("name", reader_names())
def test_every_recording_of_a_miniature_decodes(name: str, miniature: tuple[Path, str, Facts]) -> None:
    _, spec, facts = miniature
    table = read_corpus(spec, {})
    problems = verify_manifest(table, "decode")
    assert sorted(problems["utt_id"]) == sorted(facts.missing), problems["reason"].tolist()
    here = table[~table["utt_id"].isin(facts.missing)]
    assert any(probe_channels(Path(path)) == 2 for path in here["path"]), "no stereo recording among them"


def probe_channels(path: Path) -> int:
    try:
        return int(sf.info(str(path)).channels)
    except sf.LibsndfileError:  # a film
        av = pytest.importorskip("av")
        with av.open(str(path)) as film:
            return int(film.streams.audio[0].codec_context.channels)


@pytest.mark.parametrize("name", reader_names())
def test_files_of_other_purposes_change_nothing(name: str, miniature: tuple[Path, str, Facts]) -> None:
    folder, spec, facts = miniature
    before = read_corpus(spec, {})
    beside = Path(before[~before["utt_id"].isin(facts.missing)]["path"].iloc[0])
    extras = (".DS_Store", f"._{beside.name}", "Thumbs.db", "readme.txt", f"{beside.stem}.lab", "plot.png")
    touch(beside.parent, *extras)
    touch(folder, ".DS_Store", "LICENSE", "about.pdf")
    pd.testing.assert_frame_equal(read_corpus(spec, {}), before)


ODD = [
    (name, what) for name in reader_names() for what in find_miniature(name).FACTS.odd
]  # fmt: skip


@pytest.mark.parametrize(("name", "what"), ODD)
def test_what_is_odd_is_said(name: str, what: str, miniature: tuple[Path, str, Facts]) -> None:
    folder, spec, facts = miniature
    before, odd = read_corpus(spec, {}), facts.odd[what]
    odd.change(folder)
    if odd.error is not None:
        with pytest.raises(odd.kind, match=odd.error) as caught:
            read_corpus(spec, {})
        assert "\n" not in str(caught.value)
        return
    after = read_corpus(spec, {})
    assert after.attrs["dropped"] == {**facts.dropped, **odd.dropped}
    if odd.rows is None:
        pd.testing.assert_frame_equal(after.drop(columns="path"), before.drop(columns="path"))
    else:
        assert len(after) == odd.rows


@pytest.mark.parametrize("name", reader_names())
def test_every_miniature_has_its_odd_cases(name: str) -> None:
    wanted = {"stray"} if read_card(name).grade == FORMATS else {"stray", "duplicate"}
    assert wanted <= set(find_miniature(name).FACTS.odd)


@pytest.mark.parametrize("name", reader_names())
def test_every_reader_refuses_an_empty_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=str(tmp_path)):
        read_corpus(f"{name}:{tmp_path}", {})


@pytest.mark.parametrize("name", card_names())
def test_every_card_is_complete(name: str) -> None:
    card = read_card(name)
    assert card.grade in GRADES
    assert card.title and card.licence and card.citation and card.homepage and card.layout
    assert set(card.labels.get("emotion", {}).values()) <= {*EMOTIONS, None}
    assert set(card.labels.get("votes", {}).values()) <= {*EMOTIONS, None}
    assert set(card.labels.get("gender", {}).values()) <= {*GENDERS, None}
    assert name in reader_names(), "a card without a module of its name"
    assert card.grade == FORMATS or len(card.sources) >= SOURCES[card.grade]
    for source in card.sources:
        assert NAMEABLE.search(source), f"{source!r}: name the page, or the repository and the path"
    assert card.hours is None or card.hours > 0
    card.rules()


@pytest.mark.parametrize("name", [name for name in card_names() if read_card(name).grade != FORMATS])
def test_a_card_says_which_labels_its_reader_fills(name: str, miniature: tuple[Path, str, Facts]) -> None:
    card, table = read_card(name), read_corpus(miniature[1], {})
    assert list(card.gives) == [column for column in LABEL_COLUMNS if table[column].notna().any()]
    assert set(table["language"].dropna()) <= set(card.languages)
    assert table["speaker_id"].notna().any()


def test_a_users_own_card_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = yaml.safe_load((ROOT / "conf/corpus/emodb.yaml").read_text())
    write_csv(tmp_path / "conf/corpus", yaml.safe_dump(card | {"title": "mine"}), "emodb.yaml")
    monkeypatch.chdir(tmp_path)
    assert read_card("emodb").title == "mine"
    write_csv(tmp_path / "conf/corpus", yaml.safe_dump(card | {"licnce": "x"}), "emodb.yaml")
    with pytest.raises(ManifestError, match="did you mean licence"):
        read_card("emodb")


def test_official_speakers_are_the_hashed_list() -> None:
    content = yaml.safe_load((ROOT / "data/splits/speechocean762.yaml").read_text())
    assert signature({part: content[part] for part in ("train", "test")}) == content["sha256"]
    official = official_speakers("speechocean762")
    assert pd.Series(official).value_counts().to_dict() == {"train": 125, "test": 125}
    with pytest.raises(ManifestError, match="did you mean speechocean762"):
        official_speakers("speechocean")


# --- where a corpus is looked for ---------------------------------------------------------------------------


def test_an_unknown_reader_names_the_nearest() -> None:
    with pytest.raises(ManifestError, match="no corpus reader 'emdb'; did you mean emodb"):
        read_corpus("emdb:/data", {})


def test_a_missing_path_names_what_is_beside_it(tmp_path: Path) -> None:
    mini_csv(tmp_path / "mini")
    with pytest.raises(ManifestError, match=r"manifset\.csv; did you mean manifest\.csv"):
        read_corpus(f"csv:{tmp_path}/mini/manifset.csv", {})
    with pytest.raises(ManifestError, match="nowhere is not there either"):
        read_corpus("emodb:/nowhere/emodb", {})


def test_a_path_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ManifestError, match=rf"{tmp_path} cannot be read: Permission denied"):
        read_corpus(f"emodb:{tmp_path}", {})


def test_a_name_without_a_path_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emodb.build(tmp_path / "data" / "emodb")
    emodb.build(tmp_path / "other")
    monkeypatch.setenv("PROFILING_DATA", str(tmp_path / "data"))
    assert read_corpus("emodb", {})["path"][0].startswith(str(tmp_path / "data"))
    assert read_corpus("emodb", {"emodb": str(tmp_path / "other")})["path"][0].startswith(
        str(tmp_path / "other")
    )
    with pytest.raises(ManifestError, match=r"nemo:PATH or set paths\.nemo=PATH.*does not exist"):
        read_corpus("nemo", {"nemo": None})
    monkeypatch.delenv("PROFILING_DATA")
    with pytest.raises(ManifestError, match="PROFILING_DATA is not set"):
        read_corpus("emodb", {})


def test_several_corpora_of_a_kind_in_the_order_given(tmp_path: Path) -> None:
    specs = [f"csv:{mini_csv(tmp_path / name)}" for name in ("zebra", "ant")]
    table = read_corpora(specs, {})
    assert table["corpus"].tolist() == ["zebra", "zebra", "ant", "ant"]
    assert table["utt_id"].is_unique


def test_two_corpora_of_one_name_are_refused(tmp_path: Path) -> None:
    specs = [f"csv:{mini_csv(tmp_path / parent / 'mini')}" for parent in ("a", "b")]
    with pytest.raises(ManifestError, match=r"both named 'mini'.*name: "):
        read_corpora(specs, {})
    with pytest.raises(ManifestError, match="no corpus given"):
        read_corpora([], {})


# --- csv ----------------------------------------------------------------------------------------------------


def test_csv_with_a_yaml_of_renames_maps_and_drops(tmp_path: Path) -> None:
    touch(tmp_path, "1.wav", "2.wav", "3.wav", "4.wav")
    write_csv(
        tmp_path,
        "file,spk,label,years\n1.wav,007,A,twenties\n2.wav,007,B,31\n3.wav,08,xxx,\n4.wav,08,-,5\n",
        "my.csv",
    )
    write_csv(
        tmp_path,
        "manifest: my.csv\nname: mine\ncolumns: {path: file, speaker: spk, emotion: label, age: years}\n"
        "labels: {emotion: {A: angry, B: happy, '-': null}}\nage: {twenties: 25}\n"
        "drop: [xxx]\nlanguage: de\n",
        "my.yaml",
    )
    table = read_corpus(f"csv:{tmp_path}/my.yaml", {})
    assert table["utt_id"].tolist() == ["mine/1", "mine/2", "mine/4"]
    assert table["speaker_id"].tolist() == ["mine/007", "mine/007", "mine/08"]
    assert table["emotion"].tolist() == ["angry", "happy", None]
    assert table["age_years"].tolist() == [25.0, 31.0, 5.0]
    assert set(table["language"]) == {"de"}
    assert table.attrs["dropped"] == {"emotion:xxx": 1}


def test_csv_needs_only_path_and_keeps_zeros_and_spans(tmp_path: Path) -> None:
    touch(tmp_path / "c", "007.wav")
    path = write_csv(tmp_path / "c", "path,start,end,mood\n007.wav,0,16000,x\n007.wav,16000,,y\n")
    table = read_corpus(f"csv:{path}", {})
    assert table["utt_id"].tolist() == ["c/007#0-16000", "c/007#16000--1"]
    assert table[["start_sample", "end_sample"]].to_numpy().tolist() == [[0, 16000], [16000, -1]]


def test_csv_names_repeated_in_sub_folders_take_their_path(tmp_path: Path) -> None:
    touch(tmp_path / "c", "a/1.wav", "b/1.wav")
    path = write_csv(tmp_path / "c", "path\na/1.wav\nb/1.wav\n")
    assert read_corpus(f"csv:{path}", {})["utt_id"].tolist() == ["c/a/1", "c/b/1"]


def test_csv_reads_a_written_manifest_as_it_is(tmp_path: Path) -> None:
    from profiling.corpora.manifest import write_manifest

    table = read_corpus(f"emodb:{emodb.build(tmp_path / 'emodb')}", {})
    write_manifest(table, tmp_path / "any" / "m.csv")
    pd.testing.assert_frame_equal(read_corpus(f"csv:{tmp_path}/any/m.csv", {}), table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,emotoin\na.wav,sad\n", "no column 'emotoin'; did you mean emotion"),
        ("path,Gender\na.wav,f\n", "no column 'Gender'; did you mean gender"),
        ("file,emotion\na.wav,sad\n", "no column 'path'; it has file, emotion"),
        ("path,split\na.wav,trian\n", r"split 'trian' \(1 rows\); did you mean train"),
        ("path,utt_id\na.wav,1\nb.wav,1\n", "duplicate utt_id: c/1"),
        ("path,utt_id\na.wav,1\nb.wav,\n", "utt_id is empty in some rows"),
        ("path,speaker\na.wav,1\n,2\n", "every row needs a path"),
        ("path\nwrong/a.wav\nwrong/b.wav\n", r"none of these files exists.*wrong/a\.wav"),
        ("path\n", "no rows"),
        ("path;emotion\na.wav;sad\n", "separated by commas"),
    ],
)
def test_csv_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path / "c", "a.wav", "b.wav")
    with pytest.raises(ManifestError, match=message):
        read_corpus(f"csv:{write_csv(tmp_path / 'c', text)}", {})


def test_csv_ignores_a_resembling_column_beside_the_right_one(tmp_path: Path) -> None:
    touch(tmp_path / "c", "a.wav")
    path = write_csv(tmp_path / "c", "path,speaker,speakers,notes\na.wav,1,9,x\n")
    assert read_corpus(f"csv:{path}", {})["speaker_id"].tolist() == ["c/1"]


def test_csv_renamed_column_wins_over_one_that_has_our_name(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    write_csv(tmp_path, "path,spk,speaker\na.wav,1,9\n", "m.csv")
    write_csv(tmp_path, "manifest: m.csv\nname: c\ncolumns: {speaker: spk}\n", "m.yaml")
    assert read_corpus(f"csv:{tmp_path}/m.yaml", {})["speaker_id"].tolist() == ["c/1"]


def test_csv_given_a_folder_or_no_reader_says_what_to_write(tmp_path: Path) -> None:
    path = mini_csv(tmp_path / "mini")
    with pytest.raises(
        ManifestError, match=r"is a folder; name the table in it, such as csv:.*/manifest\.csv"
    ):
        read_corpus(f"csv:{path.parent}", {})
    with pytest.raises(ManifestError, match=f"is it a table. write csv:{path}"):
        read_corpus(str(path), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\n", "names no table"),
        ("manifest: m.csv\nlables: {}\n", "no key 'lables'; did you mean labels"),
        ("manifest: m.csv\nlabels: {emotoin: {}}\n", "did you mean emotion"),
        ("manifest: m.csv\ncolumns: {speaker: spkr}\n", "no column 'spkr' for speaker; did you mean spk"),
        ("manifest: m.csv\ncolumns: {speakr: spk}\n", "no key 'speakr'; did you mean speaker"),
        ("manifest: m.csv\nlabels: {emotion: {no: sad}}\n", "put it in quotes"),
        ("manifest: m.csv\ndrop: xxx\n", "drop has to be a list"),
        ("manifest: m.csv\nlabels: [a]\n", "labels has to be a mapping"),
        ("- a\n", "holds no keys"),
        ("a: [\n", "cannot be read as YAML"),
        ("manifest: none.csv\n", r"none\.csv: cannot be read"),
    ],
)
def test_yaml_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    write_csv(tmp_path, "path,spk\na.wav,1\n", "m.csv")
    with pytest.raises(ManifestError, match=message):
        read_corpus(f"csv:{write_csv(tmp_path, text, 'm.yaml')}", {})


def test_an_unknown_label_is_an_error_until_it_is_dropped(tmp_path: Path) -> None:
    touch(tmp_path / "c", "a.wav", "b.wav")
    path = write_csv(tmp_path / "c", "path,emotion\na.wav,furious\nb.wav,sad\n")
    spec = f"csv:{path}"
    with pytest.raises(
        LabelError, match=r"emotion of c: .*'furious' \(1 rows\).*corpus\.drop_labels=\[furious\]"
    ):
        read_corpus(spec, {})
    table = read_corpora([spec], {}, drop=["emotion:furious"])
    assert table["utt_id"].tolist() == ["c/b"]
    assert table.attrs["dropped"] == {"emotion:furious": 1}
    with pytest.raises(LabelError, match="every row was dropped"):
        read_corpus(spec, {}, drop=["furious", "sad"])


# --- the others ---------------------------------------------------------------------------------------------


def test_folder_with_levels_and_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "rec/anna/Freude/03_x.wav", "rec/bert/Wut/04_y.wav")
    write_csv(
        tmp_path,
        "folder: rec\nname: mine\nlayout: [speaker, emotion]\nstem: '(?P<text_id>\\d+)_.*'\n"
        "labels: {emotion: {Freude: happy, Wut: angry}}\n",
        "x.yaml",
    )
    table = read_corpus(f"folder:{tmp_path}/x.yaml", {})
    assert table[["speaker_id", "emotion", "text_id"]].to_numpy().tolist() == [
        ["mine/anna", "happy", "03"],
        ["mine/bert", "angry", "04"],
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("layout: [emotion]", "lies 2 folders deep, the layout is emotion"),
        ("layout: [speakr, emotion]", "did you mean speaker"),
        ("layout: [speaker, emotion]\nstem: '\\d+'", "does not match stem"),
        ("layout: [speaker, emotion]\nstem: '('", "no regular expression"),
        ("layuot: [speaker]", "did you mean layout"),
    ],
)
def test_folder_mistakes_are_named(tmp_path: Path, options: str, message: str) -> None:
    touch(tmp_path, "rec/anna/happy/x.wav")
    write_csv(tmp_path, f"folder: rec\n{options}\n", "x.yaml")
    with pytest.raises(ManifestError, match=message):
        read_corpus(f"folder:{tmp_path}/x.yaml", {})


def test_a_sub_folder_that_is_no_emotion_is_counted(tmp_path: Path) -> None:
    touch(tmp_path / "x", "anna/1.wav", "anna/2.wav")
    with pytest.raises(LabelError, match=r"'anna' \(2 rows\)"):
        read_corpus(f"folder:{tmp_path}/x", {})


def test_emodb_letters_are_german_initials(tmp_path: Path) -> None:
    touch(tmp_path, *(f"wav/16b10{letter}b.ogg" for letter in "WLEAFTN"))
    table = read_corpus(f"emodb:{tmp_path}", {}).set_index("utt_id")["emotion"]
    words = [table[f"emodb/16b10{letter}b"] for letter in "WLEAFTN"]
    assert words == ["angry", "bored", "disgusted", "fearful", "happy", "sad", "neutral"]


def test_nemo_keeps_a_listed_file_that_is_missing_and_reads_without_its_table(tmp_path: Path) -> None:
    folder = nemo.build(tmp_path / "nemo")
    with_table = read_corpus(f"nemo:{folder}", {})
    (folder / "samples/KS0_surprised_90.wav").unlink()
    pd.testing.assert_frame_equal(read_corpus(f"nemo:{folder}", {}), with_table)
    (folder / "data.tsv").unlink()
    pd.testing.assert_frame_equal(read_corpus(f"nemo:{folder}", {}), with_table.iloc[:1])


def test_speechocean762_refuses_a_speaker_in_the_wrong_part(tmp_path: Path) -> None:
    folder = speechocean762.build(tmp_path)
    for name in ("wav.scp", "utt2spk", "spk2gender", "spk2age"):
        moved = (folder / "train" / name).read_text()
        with (folder / "test" / name).open("a") as file:
            file.write(moved)
    with pytest.raises(ManifestError, match="speaker 0001 is in train of the official split"):
        read_corpus(f"speechocean762:{folder}", {})


# --- the real ones ------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(("name", "rows", "speakers"), [("emodb", 339, 10), ("nemo", 600, 9)])
def test_readers_say_what_the_manifests_beside_the_recordings_say(
    speech: Path, name: str, rows: int, speakers: int
) -> None:
    own = read_corpus(f"{name}:{speech / name}", {})
    table = read_corpus(f"csv:{speech / name / 'manifest.csv'}", {})
    assert (len(own), own["speaker_id"].nunique()) == (rows, speakers)
    pd.testing.assert_frame_equal(
        own.sort_values("utt_id", ignore_index=True), table.sort_values("utt_id", ignore_index=True)
    )


@pytest.mark.data
def test_speechocean762_keeps_its_zeros_its_ages_and_its_official_split(speech: Path) -> None:
    table = read_corpus(f"csv:{speech / 'speechocean762' / 'manifest.csv'}", {})
    assert len(table) == 5000
    assert table["speaker_id"].nunique() == 250
    assert "speechocean762/0001" in set(table["speaker_id"])
    assert (table["age_years"].min(), table["age_years"].max()) == (6.0, 43.0)
    official = official_speakers("speechocean762")
    said = {s.split("/")[1]: part for s, part in zip(table["speaker_id"], table["split"], strict=True)}
    assert said == official
    assert table.groupby("speaker_id")["split"].nunique().max() == 1


def test_a_broken_yaml_is_one_line(tmp_path: Path) -> None:
    write_csv(tmp_path, "manifest: [\n", "m.yaml")
    with pytest.raises(ManifestError, match="cannot be read as YAML") as caught:
        read_corpus(f"csv:{tmp_path}/m.yaml", {})
    assert "\n" not in str(caught.value)
