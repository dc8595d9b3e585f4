"""A browser for the pages of this folder."""

import warnings

import pytest
from browser_toys import CHROMIUM


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium; what opens pages in it skips where it or playwright is not there."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install 'graphfuse[dev]'")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with playwright_api.sync_playwright() as playwright:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            yield started
            started.close()
