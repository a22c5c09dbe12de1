"""Looking at pages as people's browsers do: Debian's chromium with the network cut, driven by Playwright.

:func:`faults` lists what is wrong with an open page: console errors, requests that leave the machine, overflow,
images that do not decode, and serious or critical findings of axe-core.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:  # whoever has no Playwright may still collect these tests
    from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Route

#: A phone, a tablet, a laptop: CSS pixels.
WIDTHS = (380, 768, 1280)
HEIGHT = 900
INSTALL = (
    "no chromium here: make test-browser installs it as root, otherwise: sudo apt-get install -y chromium"
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: root may not use the sandbox (containers, CI); names are not resolved, so that nothing leaves the machine.
_ARGUMENTS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)
_AT_HOME = ("127.0.0.1", "localhost", "")
_SEVERE = ("serious", "critical")


@dataclass
class Visit:
    """An open page and what it did.

    Attributes:
        page: Playwright's page.
        console: errors and warnings it wrote, and exceptions nobody caught.
        strangers: addresses it asked for outside of this machine.
    """

    page: Page
    console: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def faults(self, *, widths: tuple[int, ...] = WIDTHS) -> list[str]:
        """Everything wrong with the page as it stands, at every width; empty when all is well."""
        found = []
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            found += [f"{width} px: {fault}" for fault in (*self.overflow(), *self.undecoded(), *self.axe())]
        return [*self.console, *(f"asked for {address}" for address in self.strangers), *found]

    def overflow(self) -> list[str]:
        """Elements that stick out of the window, as seen by the page being wider than it."""
        wide: list[str] = self.page.evaluate(_OVERFLOW)
        return [f"overflow: {element}" for element in wide]

    def undecoded(self) -> list[str]:
        """Images without pixels."""
        broken: list[str] = self.page.evaluate(_UNDECODED)
        return [f"image: {address[:80]}" for address in broken]

    def axe(self) -> list[str]:
        """Findings of axe-core that keep somebody out."""
        from axe_playwright_python.sync_playwright import Axe

        found: dict[str, Any] = Axe().run(self.page).response
        return [
            f"axe {one['impact']}: {one['id']} ({one['help']}): {one['nodes'][0]['html'][:120]}"
            for one in found["violations"]
            if one["impact"] in _SEVERE
        ]

    def screenshot(self, path: Path, *, width: int = 1280, whole: bool = True) -> Path:
        """A PNG of the page."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.screenshot(path=path, full_page=whole)
        return path


_OVERFLOW = """() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    const inside = e => { for (let p = e.parentElement; p; p = p.parentElement)
        if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return true; return false; };
    return [`${document.documentElement.scrollWidth} px of ${room} px`].concat(
        [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > room + 1 && !inside(e))
        .slice(0, 5).map(e => e.outerHTML.slice(0, 100)));
}"""
_UNDECODED = """async () => {
    const images = [...document.images].filter(i => i.loading !== 'lazy' || i.complete);
    await Promise.allSettled(images.map(i => i.decode()));
    return images.filter(i => !i.naturalWidth).map(i => i.src);
}"""


def find_chromium() -> Path | None:
    """The browser that is installed, None without one."""
    found = (shutil.which(name) for name in _NAMES)
    return next((Path(path) for path in found if path), None)


def launch(playwright: Playwright, microphone: Path | None = None) -> Browser:
    """Starts the installed chromium.

    Args:
        playwright: drives it.
        microphone: a WAV file that its microphone hears, over and over; None for beeps.

    Raises:
        FileNotFoundError: there is none; says how to get it.
    """
    chromium = find_chromium()
    if chromium is None:
        raise FileNotFoundError(INSTALL)
    heard = [f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []
    return playwright.chromium.launch(executable_path=str(chromium), args=[*_ARGUMENTS, *heard])


@contextmanager
def visiting(
    browser: Browser, address: str | Path, *, dark: bool = False, script: bool = True
) -> Iterator[Visit]:
    """Opens a file or an address of this machine, with the rest of the network cut.

    Args:
        browser: from :func:`launch`.
        address: a file, or ``http://127.0.0.1:...``.
        dark: as somebody who prefers dark pages.
        script: whether scripts may run.
    """
    context = browser.new_context(
        viewport={"width": WIDTHS[-1], "height": HEIGHT},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
    )
    try:
        visit = Visit(context.new_page())
        visit.page.route("**/*", lambda route: _at_home(route, visit))
        visit.page.on("console", lambda message: _remember(message, visit))
        visit.page.on("pageerror", lambda error: visit.console.append(f"exception: {error}"))
        visit.page.goto(address.resolve().as_uri() if isinstance(address, Path) else address)
        yield visit
    finally:
        context.close()


def _at_home(route: Route, visit: Visit) -> None:
    address = urlsplit(route.request.url)
    if address.scheme in ("file", "data", "blob") or address.hostname in _AT_HOME:
        route.continue_()
        return
    visit.strangers.append(route.request.url)
    route.abort()


def _remember(message: ConsoleMessage, visit: Visit) -> None:
    if message.type in ("error", "warning"):
        visit.console.append(f"console {message.type}: {message.text}")
