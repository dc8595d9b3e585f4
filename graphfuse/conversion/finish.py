"""Shards -> a whole store: the tables of all samples, the quarantine, the leakage audit, the index, and the summary."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from graphfuse.conversion.contents import shared_contents
from graphfuse.conversion.fit import Fitted
from graphfuse.conversion.journal import Record
from graphfuse.conversion.shard import part_files, typed_rejections
from graphfuse.core.columns import is_among
from graphfuse.core.errors import InputError
from graphfuse.core.files import file_entries
from graphfuse.core.schema import edge_name
from graphfuse.core.tables import Manifest
from graphfuse.store.frames import read_frame, write_frame
from graphfuse.store.index import read_index, write_index
from graphfuse.store.layout import QUARANTINE, SAMPLES

SHARED = "shared_train_test"


def finish_store(
    folder: Path,
    manifest: Manifest,
    fitted: Fitted,
    *,
    records: Sequence[Record],
    files: Mapping[str, Any],
    plan: Mapping[str, Any],
    strict: bool,
) -> None:
    """Join what the shards left, check that every row is accounted for, and write the index.

    Raises:
        InputError: If no row became a sample, or `strict` and something could not be used.
    """
    parts = [[folder / name for name in part_files(number)] for number in range(len(records))]
    samples = pd.concat([read_frame(samples) for samples, _, _ in parts], ignore_index=True)
    rejections = pd.concat(
        [typed_rejections(manifest.rejections), *(read_frame(quarantine) for _, quarantine, _ in parts)], ignore_index=True
    )
    # a user whose row has a bad cell is met in many shards, and is one bad cell
    rejections = rejections.drop_duplicates(ignore_index=True)
    check_nothing_lost(manifest, samples, rejections)
    if strict:
        check_strict(rejections)
    shared = shared_contents((read_frame(contents) for _, _, contents in parts), fitted.schema.node_types)
    write_frame(folder / SAMPLES, samples)
    write_frame(folder / QUARANTINE, rejections)
    write_index(
        folder,
        schema=fitted.schema,
        target=fitted.target,
        shards=[record["shard"] for record in records if record["shard"] is not None],
        files={**files, **file_entries(folder, [SAMPLES, QUARANTINE])},
        recipe=plan["recipe"],
        digests={**plan["digests"], SHARED: shared},
    )


def check_nothing_lost(manifest: Manifest, samples: pd.DataFrame, rejections: pd.DataFrame) -> None:
    """Check contract 5: every row of the manifest is a sample, or is in quarantine as dropped.

    Raises:
        InputError: If there are no samples at all.
        RuntimeError: If a row is lost, which is a mistake in graphfuse.
    """
    if not len(samples):
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in counted(rejections).items())
        raise InputError(f"A store needs at least one sample; all {len(manifest):,} rows were left out ({reasons}). Mend the table first.")
    wanted, made = manifest.samples["sample_id"], samples["sample_id"]
    num_lost = 0
    if not made.equals(wanted):
        dropped = rejections[rejections["dropped"] & (rejections["table"] == "samples")]["key"]
        num_lost = int(np.count_nonzero(~is_among(wanted, made) & ~is_among(wanted, dropped)))
    if num_lost or not made.is_unique or len(samples) > len(manifest):
        raise RuntimeError(f"{len(manifest)} rows became {len(samples)} samples, and {num_lost} of the others are not in quarantine")


def check_strict(rejections: pd.DataFrame) -> None:
    """Check that everything could be used.

    Raises:
        InputError: With the counts by reason and the first three rejections.
    """
    if not len(rejections):
        return
    counts = ", ".join(f"{reason} {count:,}" for reason, count in counted(rejections).items())
    first = [
        f"  {row['table']} row {row['row']}{', ' + row['column'] if row['column'] else ''}: {row['reason']}. {row['detail']}"
        for row in rejections.head(3).to_dict("records")
    ]
    raise InputError(
        "\n".join(
            [
                f"With --strict everything must be usable; {len(rejections):,} things are not ({counts}). The first:",
                *first,
                "Mend them, or repeat the command without --strict: it goes on from here and lists them in quarantine.parquet.",
            ]
        )
    )


def counted(rejections: pd.DataFrame) -> dict[str, int]:
    """Return the number of rejections by reason, most frequent first."""
    counts = Counter(rejections["reason"].tolist())
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def summarise(folder: Path) -> dict[str, Any]:
    """Return the figures of a whole store."""
    index = read_index(folder)
    samples, rejections = read_frame(folder / SAMPLES), read_frame(folder / QUARANTINE)
    reasons = counted(rejections)
    return {
        "samples": {str(split) or "none": int(count) for split, count in samples["split"].value_counts().sort_index().items()},
        "num_samples": len(samples),
        "dropped": int((rejections["dropped"] & (rejections["table"] == "samples")).sum()),
        "shards": len(index.shards),
        "nodes": {name: sum(shard["nodes"][name] for shard in index.shards) for name in index.schema.node_types},
        "edges": {name: sum(shard["edges"][name] for shard in index.shards) for name in map(edge_name, index.schema.edge_types)},
        "pictures_missing": reasons.get("picture_missing", 0),
        "rejections": reasons,
        SHARED: index.digests.get(SHARED, {}),
    }
