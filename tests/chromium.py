"""Headless Chromium, for tests that must know what a page really does.

A page is a file, so that nothing is fetched. `dumped` waits until the scripts of a page, if any, have run.
"""

import shutil
import subprocess

import pytest

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=2000",
)
needs_chromium = pytest.mark.skipif(FOUND is None, reason="no chromium on the path: apt-get install chromium")


def dumped(page, folder, *flags):
    """The DOM of a page after it has loaded, as text.

    Args:
        page: HTML. folder: an empty one, for the page and the browser's profile.
    """
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    command = [FOUND, *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, "--dump-dom", path.as_uri()]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return ended.stdout.decode("utf-8")
