"""What is installed, for receipts."""

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version


def installed_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of Python, of graphfuse and of some packages; `checkout` for what runs without being installed."""
    found = {"python": platform.python_version()}
    for package in ("graphfuse", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "checkout"
    return found
