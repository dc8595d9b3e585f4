"""What a person can watch: `metrics.jsonl`, and TensorBoard where it is installed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from graphfuse.core.files import write_bytes


class Log(Protocol):
    """Takes the record of each epoch."""

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Take one record."""


def write_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON line per epoch; written whole each time, so that a resumed run leaves no line twice."""
    write_bytes(path, "".join(json.dumps(record, sort_keys=True) + "\n" for record in history).encode())


@contextmanager
def tensorboard_log(folder: Path, first_epoch: int) -> Iterator[Log]:
    """Open a TensorBoard log, or one that does nothing where the package is missing.

    Args:
        folder: Where event files are added.
        first_epoch: What an interrupted run logged from this epoch on is hidden.
    """
    if find_spec("tensorboard") is None:
        yield lambda record: None
        return
    from torch.utils.tensorboard import SummaryWriter  # an optional package, so not at the top

    with SummaryWriter(str(folder), purge_step=first_epoch) as writer:

        def log(record: Mapping[str, Any]) -> None:
            for name, value in record.items():
                values = value if isinstance(value, Mapping) else {"": value}
                for part, number in values.items():
                    writer.add_scalar(f"{name}/{part}".rstrip("/"), number, record["epoch"])
            writer.flush()

        yield log
