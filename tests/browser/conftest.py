"""One browser for all tests of this folder; `make test-browser` runs them, `make test` leaves them out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from tests.browser.browsing import Visit, find_chromium, launch, visiting


class Visiting(Protocol):
    """Opens a page: ``with visit(path_or_address) as seen: assert not seen.faults()``."""

    def __call__(
        self, address: str | Path, *, dark: bool = False, script: bool = True
    ) -> AbstractContextManager[Visit]: ...


@pytest.fixture(scope="session")
def visit() -> Iterator[Visiting]:
    """Opens pages in one chromium."""
    from playwright.sync_api import sync_playwright

    assert find_chromium(), "no chromium: make test-browser installs it as root (apt-get install -y chromium)"
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield partial(visiting, browser)
        browser.close()
