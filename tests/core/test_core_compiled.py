"""Loops are compiled on the machine, kept for the next process, and errors say the way out."""

import ctypes
import gc
import os
import stat
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from graphfuse.core import compiled
from graphfuse.core.compiled import Loops, addresses, asked_for, has_compiler, use_kernels
from graphfuse.core.errors import ConfigError

ANSWER = 'extern "C" int answer() { return ANSWER; }'
SUMS = """#include <cstdint>
struct Sums { int64_t size; float scale; const float* values; const int64_t* extra; const float* const* rows; const float* nothing; };
extern "C" int64_t sum(const Sums& sums, int64_t more, const float* last) {
    if (sums.nothing) return -1;
    float total = last[0] + more + sums.extra[0];
    for (int64_t i = 0; i < sums.size; ++i) total += sums.scale * (sums.values[i] + sums.rows[i][0]);
    return total;
}
extern "C" int64_t size(const Sums* const* other) { return (*other)->size; }
"""


class Sums(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_int64),
        ("scale", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("values", "extra", "rows", "nothing")),
    )


class Other(ctypes.Structure):
    _fields_ = (("sums", ctypes.c_void_p),)


needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")


@pytest.fixture
def forget_kernels() -> Iterator[Callable[[], None]]:
    """Calling this forgets what was compiled, as a new process has."""

    def forget() -> None:
        compiled.library.cache_clear()
        compiled._folder.cache_clear()

    yield forget
    forget()


@pytest.fixture
def source(forget_kernels: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A source file, and a cache folder of its own beside it."""
    monkeypatch.setenv("GRAPHFUSE_CACHE", str(tmp_path / "cache"))
    forget_kernels()
    path = tmp_path / "answer.cpp"
    path.write_text(ANSWER)
    return path


def test_loops_are_asked_for_within_a_context_only() -> None:
    found = [asked_for()]
    with use_kernels("torch"):
        found.append(asked_for())
    if has_compiler():
        with use_kernels("compiled"):
            assert asked_for()
    assert [*found, asked_for()] == [False, False, False]


def test_without_a_compiler_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -O1")
    assert not has_compiler()
    with (
        pytest.raises(ConfigError, match=r"needs a C\+\+ compiler \(looked for no-such-compiler.*train\.kernels=torch"),
        use_kernels("compiled"),
    ):
        pass


@needs_compiler
def test_a_compiler_that_fails_is_quoted(source: Path) -> None:
    source.write_text('#error "deliberately"')
    with pytest.raises(ConfigError, match=r"could not be compiled.*deliberately"):
        compiled.library(source)
    assert not list(compiled._folder().glob("tmp*"))


@needs_compiler
def test_what_was_compiled_is_kept_for_the_next_process(source: Path, forget_kernels: Callable[[], None]) -> None:
    assert compiled.library(source, ANSWER=41).answer() == 41
    (built,) = compiled._folder().iterdir()
    made = built.stat().st_mtime_ns
    forget_kernels()
    assert compiled.library(source, ANSWER=41).answer() == 41
    assert built.stat().st_mtime_ns == made
    assert compiled.library(source, ANSWER=42).answer() == 42
    assert len(list(compiled._folder().iterdir())) == 2


@needs_compiler
def test_a_change_of_what_a_source_includes_compiles_it_again(source: Path, forget_kernels: Callable[[], None]) -> None:
    source.write_text(f'#include "answer.h"\n{ANSWER}')
    found = []
    for answer in (41, 42):
        source.with_suffix(".h").write_text(f"#define ANSWER {answer}")
        forget_kernels()
        found.append(compiled.library(source).answer())
    assert found == [41, 42]


@needs_compiler
def test_without_a_cache_nothing_stays_behind(source: Path, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from graphfuse.core import compiled; compiled.library(Path(sys.argv[1]), ANSWER=42); print(compiled._folder())"
    passing = tmp_path / "passing"
    passing.mkdir()
    environment = os.environ | {"GRAPHFUSE_CACHE": "off", "TMPDIR": str(passing)}
    done = subprocess.run([sys.executable, "-c", code, str(source)], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == passing
    assert not list(passing.iterdir())


@needs_compiler
def test_a_folder_that_others_write_to_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "cache" / "kernels").mkdir(parents=True)
    os.chmod(tmp_path / "cache" / "kernels", stat.S_IRWXU | stat.S_IRWXO)
    with pytest.raises(ConfigError, match="nobody else may write"):
        compiled.library(source, ANSWER=42)


@pytest.mark.parametrize("place", ["a file where the folder should be", "no home"])
def test_without_a_folder_to_build_in_the_error_names_the_variable(
    place: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    if place == "no home":
        monkeypatch.delenv("GRAPHFUSE_CACHE")
        monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ConfigError, match=r"needs a folder to build in .*GRAPHFUSE_CACHE"):
        compiled._folder()


@needs_compiler
def test_a_folder_that_cannot_be_written_to_is_told_with_the_variable(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(ConfigError, match=r"Permission denied.*GRAPHFUSE_CACHE"):
        compiled.library(source, ANSWER=42)


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


@needs_compiler
def test_loops_get_numbers_and_where_numbers_lie(source: Path) -> None:
    source.write_text(SUMS)
    rows = [torch.tensor([100.0]), torch.tensor([200.0])]
    loops = Loops(source, Sums, 2, 0.5, torch.tensor([2.0, 4.0]), array("q", [7000]), addresses(rows), None)
    gc.collect()  # what fields name is kept
    assert loops("sum", 10_000, np.array([100_000], dtype=np.float32)) == 117_153
    assert Loops(source, Other, loops.shared)("size") == 2
