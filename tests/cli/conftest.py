"""What several tests of the command line start from."""

from pathlib import Path

import pytest
from cli_toys import answer, make_posts


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Posts that were converted and trained on."""
    folder = make_posts(tmp_path_factory.mktemp("line") / "posts")
    for verb, out in (("convert", ["--out", folder / "store"]), ("train", ["--store", folder / "store", "--out", folder / "run"])):
        status, _, words = answer(verb, folder / "experiment.yaml", *out)
        assert status == 0, words
    return folder
