"""Loops are compiled on the machine, kept for the next process, and errors say the way out."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graphfuse.core.errors import ConfigError
from graphfuse.nn import compiled
from graphfuse.nn.compiled import has_compiler, use_kernels

SOURCE, SIZES = "edge_attention.cpp", {"HEADS": 2, "CHANNELS": 6}
pytestmark = pytest.mark.usefixtures("forget_kernels")
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")


def test_without_a_compiler_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -O1")
    assert not has_compiler()
    with (
        pytest.raises(ConfigError, match=r"needs a C\+\+ compiler \(looked for no-such-compiler.*train\.kernels=torch"),
        use_kernels("compiled"),
    ):
        pass


@needs_compiler
def test_a_compiler_that_fails_is_quoted(forget_kernels: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / SOURCE).write_text('#error "deliberately"')
    monkeypatch.setattr(compiled, "SOURCES", tmp_path)
    forget_kernels()
    with pytest.raises(ConfigError, match=r"could not be compiled.*deliberately"):
        compiled.library(SOURCE, **SIZES)
    assert not list(compiled._folder().glob("tmp*"))


@needs_compiler
def test_what_was_compiled_is_kept_for_the_next_process(
    forget_kernels: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRAPHFUSE_CACHE", str(tmp_path))
    forget_kernels()
    compiled.library(SOURCE, **SIZES)
    (built,) = (tmp_path / "kernels").iterdir()
    made = built.stat().st_mtime_ns
    forget_kernels()
    compiled.library(SOURCE, **SIZES)
    assert built.stat().st_mtime_ns == made
    compiled.library(SOURCE, HEADS=2, CHANNELS=12)
    assert len(list((tmp_path / "kernels").iterdir())) == 2


@needs_compiler
def test_without_a_cache_nothing_stays_behind(tmp_path: Path) -> None:
    code = "from graphfuse.nn import compiled; compiled.library('edge_attention.cpp', HEADS=2, CHANNELS=6); print(compiled._folder())"
    environment = os.environ | {"GRAPHFUSE_CACHE": "off", "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == tmp_path
    assert not list(tmp_path.iterdir())


@needs_compiler
def test_a_folder_that_others_write_to_is_refused(
    forget_kernels: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRAPHFUSE_CACHE", str(tmp_path))
    forget_kernels()
    (tmp_path / "kernels").mkdir()
    os.chmod(tmp_path / "kernels", stat.S_IRWXU | stat.S_IRWXO)
    with pytest.raises(ConfigError, match="nobody else may write"):
        compiled.library(SOURCE, **SIZES)


@needs_compiler
def test_a_change_of_what_a_source_includes_compiles_it_again(
    forget_kernels: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRAPHFUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled, "SOURCES", tmp_path)
    (tmp_path / "answer.cpp").write_text('#include "answer.h"\nextern "C" int answer() { return ANSWER; }')
    found = []
    for answer in (41, 42):
        (tmp_path / "answer.h").write_text(f"#define ANSWER {answer}")
        forget_kernels()
        found.append(compiled.library("answer.cpp").answer())
    assert found == [41, 42]
