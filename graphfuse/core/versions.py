"""What is installed, for receipts."""

import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version


def installed_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of Python, of graphfuse and of some packages; `checkout` for what runs without being installed."""
    return {"python": platform.python_version(), **{package: _version(package) for package in ("graphfuse", *packages)}}


@cache
def _version(package: str) -> str:
    """Return one version; reading its file takes a millisecond."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "checkout"
