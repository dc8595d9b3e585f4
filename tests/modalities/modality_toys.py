"""Small manifests for the tests of modalities."""

import pandas as pd

from graphfuse.core.build import build
from graphfuse.core.tables import Manifest


def modality(**section):
    return build("modalities", section, "modalities.0")


def manifest(root=None, linked=None, **columns):
    """Return a manifest of train rows a, b, c ... with the given columns."""
    count = len(next(iter(columns.values())))
    samples = pd.DataFrame({"sample_id": list("abcdefghij"[:count]), "source_row": range(count), "split": "train", **columns})
    samples = samples.astype({"sample_id": "str", "split": "str"})
    return Manifest(samples=samples, linked=linked or {}, **({"root": root} if root else {}))


def reasons(table):
    return [(rejection.key, rejection.reason) for rejection in table.rejections]
