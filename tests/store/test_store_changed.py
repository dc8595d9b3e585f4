"""A store seen through a change: what is removed is gone, as if it had never been there."""

from pathlib import Path

import torch
from store_toys import FULL, HOLES, SCHEMA, WORDS, toy_store
from torch_geometric.data import Batch

from graphfuse.store.changed import ChangedStore, keep_nodes, without_modalities
from graphfuse.store.graph_store import GraphStore, open_store


def textless(batch: Batch) -> Batch:
    return without_modalities(batch, SCHEMA.modality_by_node_type, ["text"])


def test_removed_nodes_take_their_edges_along_and_the_rest_is_renumbered(tmp_path: Path) -> None:
    batch = open_store(toy_store(tmp_path, FULL)).batch([0, 1, 2, 3])
    mask = torch.arange(batch["text_span"].num_nodes) % 2 == 0
    less = keep_nodes(batch, {"text_span": mask})
    torch.testing.assert_close(less["text_span"].x, batch["text_span"].x[mask])
    torch.testing.assert_close(less["text_span"].batch, batch["text_span"].batch[mask])
    assert less["text_span"].ptr.tolist() == [0, *torch.bincount(less["text_span"].batch, minlength=4).cumsum(0).tolist()]
    kept = mask[batch[WORDS].edge_index[0]]
    torch.testing.assert_close(less["text_span"].x[less[WORDS].edge_index[0]], batch["text_span"].x[batch[WORDS].edge_index[0, kept]])
    torch.testing.assert_close(less[WORDS].edge_index[1], batch[WORDS].edge_index[1, kept])
    torch.testing.assert_close(less[WORDS].edge_weight, batch[WORDS].edge_weight[kept])


def test_the_batch_that_was_there_stays_as_it_was(tmp_path: Path) -> None:
    batch = open_store(toy_store(tmp_path, FULL)).batch([0, 1])
    before = batch["text_span"].x.clone(), batch[WORDS].edge_index.clone()
    textless(batch)
    torch.testing.assert_close((batch["text_span"].x, batch[WORDS].edge_index), before)


def test_every_way_out_of_the_store_passes_the_change(tmp_path: Path) -> None:
    folder = toy_store(tmp_path, HOLES)
    plain, changed = open_store(folder), ChangedStore(folder, textless, {"without": ["text"]})
    assert isinstance(changed, GraphStore)
    assert changed.change == {"without": ["text"]}
    for batch in [changed.batch([0, 2]), *changed.batches("train", batch_size=2)]:
        assert batch["text_span"].num_nodes == len(batch["text_span"].x) == 0
        assert batch[WORDS].edge_index.shape == (2, 0)
        assert batch["user"].entity.shape == batch["user"].batch.shape
        assert len(batch.y) == batch.num_graphs
    sample = changed.sample(0)
    assert sample["text_span"].x.shape == (0, 3)
    torch.testing.assert_close(sample["image_region"].x, plain.sample(0)["image_region"].x)
