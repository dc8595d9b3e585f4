"""Tables on disk: Parquet with page checksums, written whole or not at all."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graphfuse.core.errors import InputError, IntegrityError
from graphfuse.core.files import write_bytes


def write_frame(path: Path, frame: pd.DataFrame, *, lasting: bool = True) -> None:
    """Write a table atomically; the index is not kept.

    Args:
        path: The file.
        frame: The table.
        lasting: As for `write_bytes`.

    Raises:
        InputError: If a column mixes types that one Parquet column cannot hold.
        ResourceError: If the disk is full.
    """
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(f"Every column of {path.name} must hold values of one type ({str(error)[:120]}). Make it text.") from error
    buffer = io.BytesIO()
    # without checksums 9 of 10 flipped bits in a Parquet file go unnoticed
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    write_bytes(path, buffer.getvalue(), lasting=lasting)


def read_frame(path: Path) -> pd.DataFrame:
    """Read a table that `write_frame` wrote, checking every page.

    Raises:
        IntegrityError: If the file is missing or damaged.
    """
    try:
        table = pq.read_table(io.BytesIO(path.read_bytes()), page_checksum_verification=True)
        return table.to_pandas()
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise IntegrityError(
            f"{path} must be a whole Parquet file ({str(error)[:120]}). Repeat the command that made it, or restore it from a copy."
        ) from error
