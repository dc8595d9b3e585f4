"""What tests of compiled loops share."""

from collections.abc import Callable, Iterator

import pytest

from graphfuse.nn import compiled


@pytest.fixture(scope="module")
def forget_kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """Compile into a folder of these tests; calling this forgets what was compiled, as a new process has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHFUSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        _forget()
        yield _forget
    _forget()


def _forget() -> None:
    compiled.library.cache_clear()
    compiled._folder.cache_clear()
