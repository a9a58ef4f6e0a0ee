"""Where Chromium is: Debian's, the one named by CHROMIUM, or Playwright's own."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright


def path() -> str:
    """Return the path of a Chromium that exists; exit with a sentence if none does."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found:
        return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if not Path(own).exists():
        raise SystemExit("No Chromium here: run sh tests/machine.sh")
    return own


if __name__ == "__main__":
    print(path())
