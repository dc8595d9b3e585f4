"""The majority row: what train rows alone say, whatever the sample; nothing is trained."""

from collections.abc import Mapping

import torch
from torch import Tensor

from graphfuse.core.schema import TargetSchema
from graphfuse.store.graph_store import GraphStore
from graphfuse.training.predict import EVALUATION_BATCH, Outputs


def prior_logits(target: TargetSchema) -> Tensor:
    """Return the logits of a sample about which nothing is known: shares of classes or labels, mean of values.  [num_logits]."""
    if target.kind == "regression":
        return torch.zeros(len(target.mean))  # standardised
    counts = torch.tensor(target.class_counts, dtype=torch.float64)
    if target.kind == "classification":
        return (counts / counts.sum()).log().float()
    # a label that all or no train rows have is given half a row of the other kind, so that its odds are finite
    known = torch.tensor(target.known_counts, dtype=torch.float64)
    share = (counts + 0.5 * (counts == 0) - 0.5 * (counts == known)) / known.clamp(min=1)
    return share.clamp(min=1e-6, max=1 - 1e-6).logit().float()


def majority_outputs(store: GraphStore, splits: tuple[str, ...]) -> Mapping[str, Outputs]:
    """Return the same logits for all rows of each split that has rows."""
    prior, found = prior_logits(store.target), {}
    for split in splits:
        if not len(store.indices(split)):
            continue
        batches = list(store.batches(split, batch_size=EVALUATION_BATCH))
        positions, y = torch.cat([batch.position for batch in batches]), torch.cat([batch.y for batch in batches])
        found[split] = Outputs(logits=(prior.expand(len(positions), -1),), positions=positions, y=y)
    return found
