"""One browser for all tests of this folder; `make test-browser` runs them, `make test` leaves them out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from tests.browser.browsing import Visit, find_chromium, launch, visiting
from tests.recordings import speechlike, write


class Visiting(Protocol):
    """Opens a page: ``with visit(path_or_address) as seen: assert not seen.faults()``."""

    def __call__(
        self, address: str | Path, *, dark: bool = False, script: bool = True
    ) -> AbstractContextManager[Visit]: ...


@pytest.fixture(scope="session")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visiting]:
    """Opens pages in one chromium, whose microphone hears a generated sound."""
    from playwright.sync_api import sync_playwright

    assert find_chromium(), "no chromium: make test-browser installs it as root (apt-get install -y chromium)"
    with sync_playwright() as playwright:
        sound = write(tmp_path_factory.mktemp("microphone") / "sound.wav", speechlike(3.0))
        browser = launch(playwright, sound)
        yield partial(visiting, browser)
        browser.close()
