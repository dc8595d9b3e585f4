"""Tables of posts into heterogeneous graphs, fused by networks whose cross-modal edges can be looked at.

Public names are resolved on first use: `import graphfuse` imports nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time __getattr__ imports them
    from graphfuse import nn
    from graphfuse.demonstration import demo
    from graphfuse.pipeline import analyse, compare, convert, export, init, inspect, predict, train
    from graphfuse.prediction import open_predictor
    from graphfuse.store.graph_store import open_store
    from graphfuse.store.networkx import from_networkx, to_networkx

__version__ = "0.1.0"

_PLACES = {
    "open_store": "graphfuse.store.graph_store",
    "demo": "graphfuse.demonstration",
    "init": "graphfuse.pipeline",
    "convert": "graphfuse.pipeline",
    "inspect": "graphfuse.pipeline",
    "train": "graphfuse.pipeline",
    "predict": "graphfuse.pipeline",
    "open_predictor": "graphfuse.prediction",
    "analyse": "graphfuse.pipeline",
    "compare": "graphfuse.pipeline",
    "export": "graphfuse.pipeline",
    "to_networkx": "graphfuse.store.networkx",
    "from_networkx": "graphfuse.store.networkx",
}

__all__ = [
    "__version__",
    "analyse",
    "compare",
    "convert",
    "demo",
    "export",
    "from_networkx",
    "init",
    "inspect",
    "nn",
    "open_predictor",
    "open_store",
    "predict",
    "to_networkx",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module("graphfuse.nn")
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'graphfuse' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
