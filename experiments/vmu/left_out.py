"""Where to stop: log loss on events of dev that were left out, after each epoch. Test rows are never read.

`python experiments/vmu/left_out.py [--work runs/vmu]` writes left_out.csv, from which the epochs and the learning rate of
experiment.yaml were taken: the place where the mean over both models is lowest.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from run import CONCAT, HERE, Study
from sklearn.metrics import roc_auc_score
from torch.nn.utils import clip_grad_norm_

import graphfuse as gf
from graphfuse.config import as_experiment
from graphfuse.core.build import build
from graphfuse.datasets.table import Table
from graphfuse.reading.weights import sample_weights
from graphfuse.store.graph_store import GraphStore
from graphfuse.training.dropout import modality_weights
from graphfuse.training.network import build_network

FOLDS = {
    "sandy": ("sandy",),
    "boston": ("boston", "eclipse", "columbianChemicals", "garissa"),
    "nepal": ("nepal", "syrianboy", "livr", "elephant"),
}
"""Left-out events; each fold has both classes. Every post of dev outside a fold is learned from."""
EPOCHS = {1e-3: 4, 3e-4: 4, 1e-4: 6}
"""Epochs by learning rate: after a warm-up of one epoch it stays as it is."""


def epochs_of(
    study: Study, store: GraphStore, model: str, rate: float, kept: np.ndarray, weights: torch.Tensor
) -> Iterator[torch.nn.Module]:
    """Yield the network after each epoch on the kept rows."""
    experiment = as_experiment(study.experiment, [CONCAT] if model == "concat" else [])
    settings = experiment.train
    task = build("tasks", experiment.task.to_dict(), "task")
    torch.manual_seed(0)
    network = build_network(build("models", experiment.model.to_dict(), "model"), store.schema, task, store.target)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=settings.weight_decay, fused=True)
    criterion, rng = task.criterion(store.target), np.random.default_rng(0)
    steps = math.ceil(len(kept) / settings.batch_size)
    for epoch in range(1, EPOCHS[rate] + 1):
        network.train()
        for number, rows in enumerate(np.array_split(rng.permutation(kept), steps)):
            batch = store.batch(np.sort(rows))
            removed = modality_weights(batch, store.schema, settings.modality_dropout, 0, epoch)
            loss = criterion(network(batch, node_weight_dict=removed).logits, batch.y, weights[batch.position])
            optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(network.parameters(), settings.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1, ((epoch - 1) * steps + number + 1) / steps)
            optimizer.step()
        yield network.eval()


@torch.no_grad()
def judged(network: torch.nn.Module, store: GraphStore, rows: np.ndarray, fake: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return log loss (both classes count the same) and ROC AUC; copies of a text count together as one."""
    place = store.target.classes.index("fake")
    parts = [
        network(store.batch(rows[start : start + 512])).logits.double().softmax(dim=-1)[:, place] for start in range(0, len(rows), 512)
    ]
    probability = torch.cat(parts).numpy()
    balanced = weight * np.where(fake, 1 / weight[fake].sum(), 1 / weight[~fake].sum()) / 2
    loss = -(balanced * np.log(np.where(fake, probability, 1 - probability))).sum()
    return float(loss), float(roc_auc_score(fake, probability, sample_weight=weight))


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE.parents[1] / "runs" / "vmu", help="where run.py put its stores")
    study = Study(work=parser.parse_args().work, seeds=(0,))
    torch.set_num_threads(1)
    store = gf.open_store(study.store("all"))
    posts, data = study.posts, build("datasets", study.experiment.dataset.to_dict(), "dataset")
    if not isinstance(data, Table) or data.weight is None or not posts["sample_id"].equals(store.samples["sample_id"]):
        raise SystemExit("the store must hold the posts of experiment.yaml, weighted; remove it and run run.py again")
    weights = sample_weights(posts.assign(split=np.where(posts["split"] == "test", "test", "dev")), data.weight)
    fake, dev = (posts["label"] == "fake").to_numpy(), (posts["split"] != "test").to_numpy()
    rows = []
    for model in ("concat", "relational_attention"):
        for rate in EPOCHS:
            for fold, events in FOLDS.items():
                out = posts["group"].isin(events).to_numpy()
                left, kept = np.flatnonzero(dev & out), np.flatnonzero(dev & ~out)
                networks = epochs_of(study, store, model, rate, kept, torch.from_numpy(weights.astype(np.float32)))
                for epoch, network in enumerate(networks, start=1):
                    loss, area = judged(network, store, left, fake[left], weights[left])
                    rows.append(
                        {"model": model, "learning_rate": rate, "epoch": epoch, "left_out": fold, "log_loss": loss, "roc_auc": area}
                    )
            print(
                pd.DataFrame(rows).query("model == @model and learning_rate == @rate").groupby("epoch")[["log_loss", "roc_auc"]].mean(),
                flush=True,
            )
    pd.DataFrame(rows).round(4).to_csv(HERE / "left_out.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
