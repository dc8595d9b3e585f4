"""Pages in a real browser, everything that happens there noted."""

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def opened(browser, path, **settings):
    """Open a page and note every dialog, request and console message."""
    page = browser.new_page(**settings)
    page.noted = []
    page.on("dialog", lambda dialog: (page.noted.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: page.noted.append(f"console {message.text}"))
    page.on("pageerror", lambda error: page.noted.append(f"error {error}"))
    address = path.as_uri()
    page.on(
        "request",
        lambda asked: None if asked.url == address or asked.url.startswith("data:") else page.noted.append(f"request {asked.url}"),
    )
    page.goto(address)
    return page
