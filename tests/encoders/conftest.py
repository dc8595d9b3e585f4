import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Give every test a cache of its own."""
    monkeypatch.setenv("GRAPHFUSE_CACHE", str(tmp_path / "cache"))
