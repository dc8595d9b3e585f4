"""Small node tables to link, shared by the tests of this room."""

import numpy as np
import pandas as pd

from graphfuse.core.tables import NodeTable


def table(node_type, sample, x=None, **units):
    sample = np.array(sample, dtype=np.int64)
    x = np.zeros((len(sample), 2)) if x is None else np.array(x, dtype=np.float64)
    frame = pd.DataFrame(units, index=pd.RangeIndex(len(sample)))
    return NodeTable(node_type=node_type, sample=sample, x=x.astype(np.float32), units=frame)


def tables(*items):
    return {item.node_type: item for item in items}


def pairs(edges):
    return list(zip(*edges.index.tolist(), strict=True))
