"""Optional compiled loops: built on this machine from the package's own sources, and only if asked for.

`train.kernels: compiled` asks for them in conversion, in training and in all that is done with the run; `with use_kernels("compiled")`
anywhere else. They serve what a CPU does with float32 (similar nodes also with float64); everything else goes the pure way of PyTorch and
numpy, from which networks differ in the last bits, stores and batches not at all. What was built lies under `kernels` in the cache folder
(`GRAPHFUSE_CACHE`, default `~/.cache/graphfuse`; `off` keeps nothing), by a digest of source, compiler and CPU.
"""

import atexit
import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

from graphfuse.core.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Kernels = Literal["torch", "compiled"]
Numbers = Union["Tensor", "np.ndarray[Any, Any]", "array[int]"]
OPTIONS = ("-O3", "-march=native", "-std=c++17", "-fPIC", "-shared", "-pthread", "-fopenmp-simd", "-fstack-protector-strong")
"""Not -ffast-math: NaN, infinities and exact zeros keep their meaning.

The stack is protected since the check makes functions with arrays call another: in those that call none, g++ 12.2 takes for granted that
arrays are aligned and does not align them (a loop over 20 channels ended with a segmentation fault).
"""

_chosen: ContextVar[Kernels] = ContextVar("kernels", default="torch")


@contextmanager
def use_kernels(name: Kernels) -> Iterator[None]:
    """Use the loops compiled here, or those of PyTorch, meanwhile.

    Raises:
        ConfigError: If they are to be compiled and there is no compiler.
    """
    if name == "compiled":
        compiler()
    before = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(before)


def asked_for() -> bool:
    """Return whether loops compiled here are to be used."""
    return _chosen.get() == "compiled"


def fits(tensors: "Sequence[Tensor | None]") -> bool:
    """Return whether the compiled loops are asked for, and can work on these tensors: float32 on a CPU."""
    return asked_for() and all(each is None or (each.is_cpu and each.is_floating_point() and each.element_size() == 4) for each in tensors)


def has_compiler() -> bool:
    """Return whether there is a C++ compiler: what `CXX` names, or else g++, clang++ or c++."""
    return _find() is not None


def compiler() -> tuple[str, ...]:
    """Return the command of the C++ compiler.

    Raises:
        ConfigError: If there is none.
    """
    found = _find()
    if found is None:
        tried = os.environ.get("CXX") or "g++, clang++ and c++"
        raise ConfigError(
            f"train.kernels: compiled needs a C++ compiler (looked for {tried}). "
            "Install one (such as the package g++), name it in CXX, or take train.kernels=torch, which needs none."
        )
    return found


class Loops:
    """The loops of a source file, with what all their calls share.

    Args:
        source: The file; what it includes lies beside it.
        layout: What they share, as the file lays it out.
        fields: Its fields in their order: a number, or where numbers lie.
        numbers: What the loops are compiled for, such as the number of channels.

    Raises:
        ConfigError: If there is no compiler, or it fails.
    """

    def __init__(self, source: Path, layout: type[ctypes.Structure], *fields: "Numbers | float | None", **numbers: int) -> None:
        self._kept = fields  # since the loops only know addresses
        self._shared = layout(*(each if isinstance(each, int | float) else _address(each) for each in fields))
        self._library = library(source, **numbers)

    @property
    def shared(self) -> int:
        """Where it lies, for other loops that read it."""
        return ctypes.addressof(self._shared)

    def __call__(self, name: str, *arguments: "Numbers | int | None") -> int:
        """Call one of the loops with what they share, by reference, and what this one is given: whole numbers, or where numbers lie.

        Returns:
            What it returns; any number if that is nothing.
        """
        loop = getattr(self._library, name)
        loop.restype = ctypes.c_int64
        plain = (ctypes.c_int64(each) if isinstance(each, int) else ctypes.c_void_p(_address(each)) for each in arguments)
        return int(loop(ctypes.byref(self._shared), *plain))


def addresses(tensors: "Iterable[Tensor]") -> "array[int]":
    """Return where each tensor's numbers lie: an array, since types of `ctypes` arrays are made anew by every call, and garbage after it."""
    return array("q", [each.data_ptr() for each in tensors])


def _address(numbers: Numbers | None) -> int | None:
    """Return where numbers lie; None is a null pointer."""
    if numbers is None:
        return None
    if hasattr(numbers, "data_ptr"):
        return int(numbers.data_ptr())
    return int(numbers.buffer_info()[0] if isinstance(numbers, array) else numbers.__array_interface__["data"][0])


@cache
def library(source: Path, **numbers: int) -> ctypes.CDLL:
    """Return what a source file was compiled to, now unless it has been before; arguments and errors are those of `Loops`."""
    command = [*compiler(), *OPTIONS, *(f"-D{name}={number}" for name, number in numbers.items())]
    # what the compiler predefines tells its version, and of the CPU all that matters to it
    machine = _run([*command, "-dM", "-E", "-x", "c++", os.devnull])
    texts = [path.read_bytes() for path in (source, *sorted(source.parent.glob("*.h")))]
    digest = hashlib.sha256(b"\0".join([*texts, " ".join(command).encode(), machine])).hexdigest()
    folder = _folder()
    built = folder / f"{source.stem}-{digest[:32]}.so"
    if not built.exists():
        # under a name of its own first, since other processes may be doing the same
        with _place_to_build():
            handle, draft = tempfile.mkstemp(suffix=".so", dir=folder)
        os.close(handle)
        try:
            _run([*command, str(source), "-o", draft])
            os.replace(draft, built)
        finally:
            Path(draft).unlink(missing_ok=True)
    return ctypes.CDLL(str(built))


def _find() -> tuple[str, ...] | None:
    return _find_in(os.environ.get("CXX", ""), os.environ.get("PATH", ""))


@cache
def _find_in(named: str, path: str) -> tuple[str, ...] | None:
    if os.name != "posix":  # where options and libraries look otherwise
        return None
    candidates = [shlex.split(named)] if named else [["g++"], ["clang++"], ["c++"]]
    return next((tuple(each) for each in candidates if shutil.which(each[0], path=path)), None)


@contextmanager
def _place_to_build() -> Iterator[None]:
    """Say how to name a folder, where there is none to build in."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows where home is
        raise ConfigError(
            f"train.kernels: compiled needs a folder to build in ({error}). "
            "Name one that you may write to in GRAPHFUSE_CACHE, or take train.kernels=torch."
        ) from error


@cache
@_place_to_build()
def _folder() -> Path:
    """Return where to build: a folder that only its owner writes to, since what lies there will be run."""
    place = os.environ.get("GRAPHFUSE_CACHE", "")
    if place == "off":
        passing = tempfile.mkdtemp(prefix="graphfuse-kernels-")
        atexit.register(shutil.rmtree, passing, ignore_errors=True)
        return Path(passing)
    folder = (Path(place) if place else Path.home() / ".cache" / "graphfuse") / "kernels"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ConfigError(
            f"{folder} must belong to you, and nobody else may write to it. Repair it, or name another folder in GRAPHFUSE_CACHE."
        )
    return folder


def _run(command: Sequence[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise ConfigError(f"train.kernels: compiled could not be compiled ({shlex.join(command)}): {said} Take train.kernels=torch.")
    return done.stdout
