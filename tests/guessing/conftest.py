from pathlib import Path

import pytest

from graphfuse.making.posts import write_posts
from graphfuse.making.worlds import PostSettings


@pytest.fixture
def posts(tmp_path) -> Path:
    settings = PostSettings(train_rows=120, validation_rows=40, test_rows=40, users=30, missing_pictures=0.1, replies=1.5)
    write_posts(tmp_path / "made", settings)
    return tmp_path / "made" / "posts.csv"
