"""The linked interactions of a chunk, each with its sample's position."""

import numpy as np
import pandas as pd

from graphfuse.core.tables import Manifest

POSITION = "position of the sample"
"""A name that no column of a table has by accident."""


def interactions_of(manifest: Manifest) -> pd.DataFrame:
    """Return the chunk's interactions with a column `POSITION`, ordered by it and time (unknown last); at one time, as the table has them.

    Columns the table does not have are filled: `user_id`, `kind`, `reply_to` with "", `time` with NaN. Without such a table
    there are no rows.
    """
    nothing = pd.DataFrame({"interaction_id": [], "sample_id": []}, dtype="str")
    frame = manifest.linked.get("interactions", nothing).copy()
    for name in ("interaction_id", "user_id", "kind", "reply_to"):
        frame[name] = (
            frame[name].astype("str").where(frame[name].notna(), "") if name in frame else pd.Series("", index=frame.index, dtype="str")
        )
    frame["time"] = frame["time"].astype("float64") if "time" in frame else np.nan
    frame[POSITION] = pd.Index(manifest.samples["sample_id"]).get_indexer(pd.Index(frame["sample_id"]))
    frame = frame[frame[POSITION] >= 0]
    return frame.sort_values([POSITION, "time"], kind="stable", na_position="last").reset_index(drop=True)
