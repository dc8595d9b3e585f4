"""Cosines within samples by a compiled loop, which widens rows where it uses them. Only their last bits differ from those of numpy."""

import ctypes
from pathlib import Path

import numpy as np

from graphfuse.core import compiled
from graphfuse.core.compiled import Loops
from graphfuse.core.tables import IntArray
from graphfuse.edges._helpers import Features, Float64Array

SOURCE = Path(__file__).with_name("nearest.cpp")


def serves(a: Features, b: Features) -> bool:
    """Return whether the loop is asked for and can read these tables: both float32, or both float64."""
    return compiled.asked_for() and a.dtype == b.dtype and a.dtype in (np.float32, np.float64)


def cosines(a: Features, b: Features, step: float, shortest: float, items: IntArray) -> Float64Array:
    """Return the cosines of all pairs of rows of some items, in steps.  [rows of `a`, columns per item].

    Args:
        a: Features.  [num_a, channels]
        b: Features.  [num_b, channels]
        step: What they are counted in.
        shortest: Rows below this length count as zeros.
        items: Samples: first row and number of rows of `a`, then of `b`, of which each has as many.  [num_items, 4]

    Raises:
        ConfigError: If the loop has to be compiled and cannot be.
    """
    cosine = np.empty((int(items[:, 1].sum()), int(items[0, 3])))
    Loops(SOURCE, _Pairs, a, b, a.shape[1], len(items), np.ascontiguousarray(items), step**-0.5, shortest, cosine, BYTES=a.itemsize)(
        "cosines"
    )
    return cosine


class _Pairs(ctypes.Structure):
    """`Pairs` of nearest.cpp."""

    _fields_ = (
        ("left", ctypes.c_void_p),
        ("right", ctypes.c_void_p),
        ("channels", ctypes.c_int64),
        ("num_items", ctypes.c_int64),
        ("items", ctypes.c_void_p),
        ("scale", ctypes.c_double),
        ("shortest", ctypes.c_double),
        ("cosines", ctypes.c_void_p),
    )
