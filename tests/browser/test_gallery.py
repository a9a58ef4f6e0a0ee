"""The gallery in Chromium: through all its views, and a template seen as soon as it is saved."""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from tests.browser.watch import axe_faults
from tests.live import ROOT, free_port
from tests.test_house import ROOMS

FOLDERS = [*ROOMS, "templates", "static", "migrations"]


@dataclass
class Gallery:
    """A gallery that runs from a copy of the product, so that its files can be edited."""

    folder: Path
    url: str


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    folder, port = tmp_path_factory.mktemp("copy"), free_port()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name)
    for file in ROOT.glob("*.py"):
        shutil.copy(file, folder)
    command = [
        sys.executable,
        "-m",
        "flask",
        "--app",
        "app",
        "mail",
        "preview",
        "--port",
        str(port),
    ]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}/mail/"
            for _ in range(100):
                try:
                    urlopen(url, timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield Gallery(folder, url)
        finally:
            subprocess.run(["pkill", "-TERM", "-s", str(running.pid)], check=False)
            running.wait(timeout=20)


def choose(page: Page, group: str, value: str) -> None:
    page.get_by_role("navigation", name=group).get_by_role("link", name=value, exact=True).click()


def test_one_goes_through_all_views(gallery: Gallery, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    foreign: list[str] = []
    page.on(
        "request", lambda r: None if r.url.startswith(gallery.url[:-5]) else foreign.append(r.url)
    )
    page.goto(gallery.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Mails")
    assert axe_faults(page) == []
    page.get_by_role("link", name=re.compile("Your code for Onward")).click()
    frame = page.frame_locator("iframe[title='The mail']")
    expect(frame.get_by_text("048213")).to_be_visible()
    assert axe_faults(page) == []

    choose(page, "Samples", "right to left")
    expect(frame.get_by_text("نور")).to_be_visible()
    choose(page, "width", "320")
    assert page.locator("iframe").evaluate("frame => frame.clientWidth") == 320
    paper = frame.locator("body")
    for scheme, colour in (("dark", "rgb(15, 21, 34)"), ("light", "rgb(251, 250, 248)")):
        choose(page, "scheme", scheme)
        expect(paper).to_have_css("background-color", colour)
    choose(page, "scheme", "forced")
    expect(frame.locator("html")).to_have_css("filter", "invert(1) hue-rotate(180deg)")
    choose(page, "images", "off")
    address = page.url
    for part, text in (("text", "@127.0.0.1 #048213"), ("source", "multipart/alternative")):
        choose(page, "part", part)
        expect(page.locator("pre")).to_contain_text(text)
        assert axe_faults(page) == []
    choose(page, "part", "headers")
    expect(page.get_by_role("rowheader", name="Auto-Submitted")).to_be_visible()

    page.goto(address)  # the whole state can be linked
    for chosen in ("right to left", "320", "forced", "off", "html"):
        link = page.get_by_role("link", name=chosen, exact=True)
        assert link.get_attribute("aria-current")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as .eml").click()
    assert download.value.suggested_filename == "verification_code-right-to-left.eml"
    assert foreign == []


def test_it_answers_on_this_machine_only(gallery: Gallery) -> None:
    """Bound to one loopback address: not even another one of the same machine reaches it."""
    port = int(gallery.url.rpartition(":")[2].partition("/")[0])
    for address, is_open in (("127.0.0.1", True), ("127.0.0.2", False)):
        with socket.socket() as probe:
            probe.settimeout(2)
            assert (probe.connect_ex((address, port)) == 0) == is_open


def test_it_fits_a_phone(gallery: Gallery, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("", "wrong_code/long-name?part=headers", "wrong_code/usual?part=source"):
        page.goto(gallery.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_saved_template_is_seen_without_a_reload_by_hand(gallery: Gallery, page: Page) -> None:
    page.goto(f"{gallery.url}wrong_code/usual")
    frame = page.frame_locator("iframe[title='The mail']")
    expect(frame.get_by_text("Was it you?")).to_be_visible()
    page.wait_for_timeout(1500)  # the page has asked once what there is
    template = gallery.folder / "templates" / "mail" / "wrong_code.html"
    template.write_text(template.read_text().replace("Was it you?", "Was it really you?"))

    expect(frame.get_by_text("Was it really you?")).to_be_visible(timeout=15_000)
    expect(page.locator(".findings")).to_contain_text("facts: only in the HTML part")
