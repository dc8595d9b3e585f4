"""Ctrl-C, or being told to terminate: the command ends at once with its own exit status, and repeating it ends with the same bytes."""

import json
import signal
from pathlib import Path

import pytest
from cli_toys import answer, make_posts, started

from graphfuse import pipeline


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=lambda stop: stop.name)
def test_an_interrupted_conversion_says_how_to_go_on_and_ends_with_the_same_bytes(stop: signal.Signals, tmp_path: Path) -> None:
    posts = make_posts(tmp_path / "posts")
    command = ["convert", str(posts / "experiment.yaml"), "--set", "convert.shard_size=2"]
    # 1. Interrupt it once its first shards are written.
    process = started(*command, "--out", tmp_path / "store")
    assert process.stderr is not None
    line = next(line for line in process.stderr if line.startswith("convert: ") and not line.startswith("convert: 0 "))
    process.send_signal(stop)
    out, words = process.communicate(timeout=60)
    assert process.returncode == 130, (line, words)
    assert words.splitlines()[-1] == "graphfuse: Interrupted. What is done is kept: repeat the command to resume."
    assert json.loads(out)["error"]["code"] == "E_INTERRUPTED"
    assert not (tmp_path / "store" / "index.json").exists()
    # 2. Repeat it, and compare with one that nobody interrupted.
    status, figures, words = answer(*command, "--out", tmp_path / "store")
    assert status == 0, words
    assert figures["resumed_shards"] > 0
    answer(*command, "--out", tmp_path / "whole")
    assert content(tmp_path / "store") == content(tmp_path / "whole")


def test_an_interrupted_analysis_is_repeated_to_the_same_bytes(line: Path, tmp_path: Path) -> None:
    def interrupted(done: int, total: int, label: str) -> None:
        if label == "report":  # all scores are written
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.analyse(line / "run", line / "store", tmp_path / "analysis", analyses=["attention", "gradient"], progress=interrupted)
    for name in ("analysis", "whole"):
        status, _, words = answer("analyse", line / "run", "--store", line / "store", "--out", tmp_path / name)
        assert status == 0, words
    assert content(tmp_path / "analysis") == content(tmp_path / "whole")
