"""The linked interactions of a chunk, each with its sample's position."""

import numpy as np
import pandas as pd

from graphfuse.core.tables import Manifest

EMPTY = pd.DataFrame({"sample": np.zeros(0, dtype=np.int64), "user_id": pd.Series([], dtype="str")})


def interactions_of(manifest: Manifest) -> pd.DataFrame:
    """Return the chunk's interactions with a column `sample`, ordered by sample, time (unknown last) and id.

    Columns the table does not have are filled: `user_id`, `kind`, `reply_to` with "", `time` with NaN.
    """
    if "interactions" not in manifest.linked:
        return EMPTY
    frame = manifest.linked["interactions"].copy()
    for name in ("interaction_id", "user_id", "kind", "reply_to"):
        frame[name] = frame[name].astype("str").where(frame[name].notna(), "") if name in frame else ""
    frame["time"] = frame["time"].astype("float64") if "time" in frame else np.nan
    frame["sample"] = pd.Index(manifest.samples["sample_id"]).get_indexer(pd.Index(frame["sample_id"]))
    frame = frame[frame["sample"] >= 0]
    return frame.sort_values(["sample", "time", "interaction_id"], kind="stable", na_position="last").reset_index(drop=True)
