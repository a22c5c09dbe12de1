"""Bundles to a stand-in of the hub and back; the card; what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants
from huggingface_hub.utils import are_progress_bars_disabled

from profiling.bundle import bundle_files, read_bundle
from profiling.card import CARD, decided, model_card
from profiling.commands.push import main as push_command
from profiling.errors import BundleError
from profiling.hub import fetch, is_hub_id, locate, push
from profiling.predict import Profiler, default_bundles
from tests.hub_repository import HubRepositories
from tests.hub_stand_in import Server

GENDER = next(path for path in default_bundles() if path.name == "gender")
AGE = next(path for path in default_bundles() if path.name == "age")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[HubRepositories]]:
    """A fresh hub that this process believes in, with an empty cache and a login."""
    handler = HubRepositories.fresh()
    with Server(handler) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_stand_in")
        yield handler


def test_pushed_and_fetched_is_the_same_profiler(hub: type[HubRepositories]) -> None:
    commit = push(GENDER, "me/gender")
    assert set(hub.commits["me/gender"][commit]) == {*bundle_files(), CARD}
    folder = fetch("me/gender", commit)
    assert not are_progress_bars_disabled(), "a switch of the whole process, left as it was"
    assert read_bundle(folder).signature == read_bundle(GENDER).signature
    card = hub.commits["me/gender"][commit][CARD].decode()
    assert 'from_pretrained("me/gender")' in card
    assert Profiler.from_pretrained("me/gender", revision=commit).name == read_bundle(GENDER).signature[:16]


def test_a_revision_is_what_it_was_when_main_has_moved_on(hub: type[HubRepositories]) -> None:
    first = push(GENDER, "me/voice")
    second = push(AGE, "me/voice")
    assert read_bundle(locate("me/voice")).spec.task["name"] == "age"
    assert read_bundle(locate("me/voice", first)).spec.task["name"] == "gender"
    assert read_bundle(locate(f"me/voice@{second}")).spec.task["name"] == "age"
    branch = push(GENDER, "me/voice", branch="old")
    assert fetch("me/voice", "old").name == branch


def test_a_cached_commit_is_not_asked_for_again(hub: type[HubRepositories]) -> None:
    commit = push(GENDER, "me/gender")
    folder = fetch("me/gender", commit)
    hub.asked.clear()
    assert fetch("me/gender", commit) == folder and hub.asked == []


def test_without_a_network_the_error_names_what_is_cached(
    hub: type[HubRepositories], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = push(GENDER, "me/gender")
    fetch("me/gender")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch("me/gender", commit).name == commit
    with pytest.raises(BundleError, match=f"HF_HUB_OFFLINE is set.*revision={commit}"):
        fetch("me/gender")
    with pytest.raises(BundleError, match=r"me/other at main is no folder here and not in the hub's cache"):
        fetch("me/other")


def test_what_the_hub_does_not_have_is_one_line(hub: type[HubRepositories]) -> None:
    with pytest.raises(BundleError, match="me/nothing at main: RepositoryNotFoundError") as caught:
        fetch("me/nothing")
    assert "\n" not in str(caught.value)
    push(GENDER, "me/gender")
    with pytest.raises(BundleError, match="RevisionNotFoundError"):
        fetch("me/gender", "v9")


def test_an_edited_download_is_refused(hub: type[HubRepositories]) -> None:
    commit = push(GENDER, "me/gender")
    files = hub.commits["me/gender"][commit]
    files["head.safetensors"] = files["head.safetensors"][:-8] + bytes(8)
    with pytest.raises(BundleError, match=r"head\.safetensors is not the file"):
        read_bundle(fetch("me/gender", commit))


def test_a_damaged_bundle_does_not_travel(hub: type[HubRepositories], tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(GENDER, copy)
    (copy / "seen.json").write_text("{}")
    with pytest.raises(BundleError, match=r"seen\.json"):
        push(copy, "me/gender")
    assert hub.asked == []


def test_only_the_bundles_files_travel(hub: type[HubRepositories], tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(GENDER, copy)
    (copy / "private_notes.txt").write_text("names of speakers")
    commit = push(copy, "me/gender")
    assert set(hub.commits["me/gender"][commit]) == {*bundle_files(), CARD}


def test_without_a_login_nothing_is_pushed(
    hub: type[HubRepositories], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(BundleError, match="nothing was pushed"):
        push(GENDER, "me/gender")
    assert hub.commits == {}


def test_names_that_are_not_repositories() -> None:
    assert not is_hub_id("gender") and not is_hub_id("../a") and is_hub_id("a/b")
    with pytest.raises(BundleError, match=r"revision=v1: .* is a folder"):
        locate(GENDER, "v1")
    with pytest.raises(BundleError, match="name a repository as user/name"):
        push(GENDER, "gender")


def test_the_command_shows_the_card_before_anything_travels(
    hub: type[HubRepositories], capsys: pytest.CaptureFixture[str]
) -> None:
    assert push_command([str(GENDER), "me/gender", "--dry-run"]) == 0
    assert "# gender from a voice" in capsys.readouterr().out and hub.asked == []
    assert push_command([str(GENDER), "me/gender", "--private"]) == 0
    assert capsys.readouterr().out.strip() in hub.commits["me/gender"]


@pytest.mark.parametrize("folder", [AGE, GENDER], ids=["age", "gender"])
def test_the_card_says_how_well_on_whom_and_what_for(folder: Path) -> None:
    spec = read_bundle(folder).spec
    text = model_card(spec, "me/head")
    front = yaml.safe_load(text.split("---")[1])
    assert front["library_name"] == "profiling" and front["license"] == "other"
    score = "mae" if spec.task["name"] == "age" else "uar"
    for name, part in {"own test speakers": spec.metrics["test"], **spec.metrics["heldout"]}.items():
        found = decided(part)["metrics"][score]
        assert f"{score} {found['value']:.3f}" in text and name in text
    assert "**Not**" in text and str(spec.train["command"]) in text
    assert all(line in text for line in [*spec.licences, *spec.citations])


def test_the_card_says_what_its_confidence_was_fitted_on() -> None:
    from dataclasses import replace

    age, gender = read_bundle(AGE).spec, read_bundle(GENDER).spec
    assert f"interval of ± {age.calibration['conformal'][2]['quantile']:.1f}" in model_card(age)
    text = model_card(gender)
    assert f"temperature {gender.calibration['temperature']['value']:.2f}" in text
    assert "Fitted on all test speakers of" in text
    assert "set of the labels with a probability of at least" in text
    assert "Not calibrated" in model_card(replace(gender, calibration={}))


def test_a_score_that_is_undefined_is_said_in_the_card() -> None:
    spec = read_bundle(AGE).spec
    metrics = decided(spec.metrics["test"])["metrics"]
    metrics["pearson"] = {**metrics["pearson"], "value": None, "low": None, "high": None}
    text = model_card(spec)
    assert "pearson undefined" in text and f"mae {metrics['mae']['value']:.3f}" in text


def test_what_is_trained_on_ecapa2_inherits_its_licence() -> None:
    spec = read_bundle(GENDER).spec
    spec.backbone["name"] = "ecapa2"
    text = model_card(spec)
    assert yaml.safe_load(text.split("---")[1])["license"] == "cc-by-nc-4.0"
    assert "CC-BY-NC-4.0" in text


def test_an_untrained_backbone_is_said_in_the_card() -> None:
    from dataclasses import replace

    assert "untrained" in model_card(replace(read_bundle(GENDER).spec, backbone_training="untrained"))
