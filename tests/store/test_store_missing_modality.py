"""Why a batch must carry every type of the schema: plain PyG batching wires a picture to the wrong post."""

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.files import file_entries
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.core.tables import EdgeTable, NodeTable
from graphfuse.store.frames import write_frame
from graphfuse.store.graph_store import open_store
from graphfuse.store.index import write_index
from graphfuse.store.writer import write_shard

SHOWS = ("image_region", "belongs_to", "sample")

# Three posts: the first and the last have a picture of two regions, the one between has none.
FIRST, WITHOUT, LAST = 0, 1, 2
REGIONS_BY_POST = [2, 0, 2]


def plain_pyg_samples():
    """Return the posts as one writes them in PyG: the post without a picture has no picture nodes at all."""
    samples = []
    for post, regions in enumerate(REGIONS_BY_POST):
        data = HeteroData()
        data["sample"].x = torch.tensor([[float(post)]])
        if regions:
            data["image_region"].x = torch.full((regions, 1), float(post))
            data[SHOWS].edge_index = torch.tensor([[0, 1], [0, 0]])
        samples.append(data)
    return samples


def the_same_posts_in_a_store(folder):
    nodes = {
        "sample": NodeTable(
            node_type="sample",
            sample=np.arange(3),
            x=np.arange(3, dtype=np.float32)[:, None],
            units=pd.DataFrame({"sample_id": ["first", "without", "last"]}),
        ),
        "image_region": NodeTable(
            node_type="image_region",
            sample=np.array([0, 0, 2, 2]),
            x=np.array([[0], [0], [2], [2]], dtype=np.float32),
            units=pd.DataFrame({"path": ["first.png"] * 2 + ["last.png"] * 2}),
        ),
    }
    edges = [EdgeTable(edge_type=SHOWS, index=np.array([[0, 1, 2, 3], [0, 0, 2, 2]]))]
    schema = GraphSchema(
        channels_by_node_type={"image_region": 1, "sample": 1},
        modality_by_node_type={"image_region": "image", "sample": "sample"},
        edge_types=(SHOWS,),
    )
    shard = write_shard(folder, 0, schema, num_samples=3, nodes=nodes, edges=edges, y=None, dtype="float16")
    write_frame(folder / "samples.parquet", pd.DataFrame({"sample_id": ["first", "without", "last"], "split": ["train"] * 3}))
    files = file_entries(folder, ["samples.parquet"])
    write_index(folder, schema=schema, target=TargetSchema(kind="none"), shards=[shard], files=files, recipe={}, digests={})
    return open_store(folder)


def post_that_each_picture_belongs_to(batch):
    """Return, for each edge, the post whose picture it starts from and the post that it ends in, read from the features."""
    region, post = batch[SHOWS].edge_index
    return list(zip(batch["image_region"].x[region].flatten().tolist(), batch["sample"].x[post].flatten().tolist(), strict=True))


def test_plain_pyg_batching_wires_the_last_picture_to_the_post_without_one():
    batch = Batch.from_data_list(plain_pyg_samples())

    wired = post_that_each_picture_belongs_to(batch)
    assert wired == [(FIRST, FIRST), (FIRST, FIRST), (LAST, WITHOUT), (LAST, WITHOUT)], f"PyG now answers {wired}: is it mended?"
    owners = batch["image_region"].batch.tolist()
    assert owners == [0, 0, 1, 1], f"PyG counts the last post's regions to sample 1, which has no picture (now {owners})"


def test_our_batch_wires_every_picture_to_its_own_post(tmp_path):
    batch = the_same_posts_in_a_store(tmp_path).batch([FIRST, WITHOUT, LAST])

    wired = post_that_each_picture_belongs_to(batch)
    assert wired == [(FIRST, FIRST), (FIRST, FIRST), (LAST, LAST), (LAST, LAST)], f"ours answers {wired}"
    assert batch["image_region"].batch.tolist() == [0, 0, 2, 2]
    assert batch["image_region"].ptr.tolist() == [0, 2, 2, 4]


def test_a_batch_in_which_no_post_has_a_picture_still_knows_what_a_picture_is(tmp_path):
    alone = plain_pyg_samples()[WITHOUT]
    ours = the_same_posts_in_a_store(tmp_path).batch([WITHOUT])

    assert Batch.from_data_list([alone]).node_types == ["sample"]  # a model with an image branch fails on PyG's batch
    assert ours.node_types == ["image_region", "sample"]
    assert ours["image_region"].x.shape == (0, 1)
    assert ours[SHOWS].edge_index.shape == (2, 0)


def test_schema_complete_samples_are_batched_rightly_by_pyg_too(tmp_path):
    store = the_same_posts_in_a_store(tmp_path)

    batch = Batch.from_data_list([store.sample(i) for i in range(3)])

    assert post_that_each_picture_belongs_to(batch) == post_that_each_picture_belongs_to(store.batch([0, 1, 2]))
