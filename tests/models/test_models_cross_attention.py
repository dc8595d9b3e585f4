"""Each modality attends to the others, and what fits is seen."""

import torch
from torch.nn import functional
from torch_geometric.data import Batch
from unit_batches import DECISION, batch_of, schema

from graphfuse.models.cross_attention import CrossAttentionLayer, CrossAttentionModel
from graphfuse.nn.fusion import FusionNetwork

NAMES = ("word", "region")


def test_every_direction_between_two_modalities_has_its_own_attention() -> None:
    layer = CrossAttentionLayer(("word", "region", "author"), 8, 2, product=True, dropout=0.0)
    assert set(layer.attention) == {
        "word__region",
        "region__word",
        "word__author",
        "author__word",
        "region__author",
        "author__region",
    }


def test_a_unit_takes_in_what_it_finds_in_each_other_modality() -> None:
    torch.manual_seed(0)
    layer = CrossAttentionLayer(("word", "region", "author"), 8, 2, product=True, dropout=0.0).eval()
    x = {name: torch.randn(2, count, 8) for name, count in (("word", 3), ("region", 4), ("author", 1))}
    weights = {name: torch.ones(block.shape[:2]) for name, block in x.items()}
    found = sum(layer.attention[f"{source}__word"](x["word"], x[source], weights[source]) for source in ("region", "author"))
    torch.testing.assert_close(layer(x, weights)["word"], layer.take_in["word"](x["word"], found))


def test_units_of_one_modality_do_not_look_at_each_other() -> None:
    torch.manual_seed(0)
    layer = CrossAttentionLayer(NAMES, 8, 2, product=True, dropout=0.0).eval()
    x = {"word": torch.randn(1, 3, 8), "region": torch.randn(1, 2, 8)}
    weights = {name: torch.ones(block.shape[:2]) for name, block in x.items()}
    before = layer(x, weights)["word"][0, 0]
    x["word"] = torch.cat([x["word"][:, :1], torch.randn(1, 2, 8)], dim=1)
    torch.testing.assert_close(layer(x, weights)["word"][0, 0], before)


def test_a_single_modality_is_fused_without_attention() -> None:
    model = CrossAttentionModel(hidden_channels=8, heads=2).module(schema("word"), DECISION).eval()
    assert model(batch_of(("word",), [(3,), (0,)])).embedding.isfinite().all()


def test_it_learns_whether_a_word_names_a_region_which_neither_modality_knows_alone() -> None:
    torch.manual_seed(0)
    network = FusionNetwork(CrossAttentionModel(hidden_channels=16, num_layers=1, input_dropout=0.0).module(schema(*NAMES), DECISION), 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    whole = matches(256, seed=0)
    for _ in range(60):
        optimizer.zero_grad()
        loss = DECISION.criterion(network(whole).logits, whole.y)
        loss.backward()
        optimizer.step()
    fresh, network = matches(256, seed=1), network.eval()
    assert (network(fresh).logits.argmax(dim=1) == fresh.y).float().mean() > 0.9


def matches(rows: int, seed: int) -> Batch:
    """Return samples of two words and two regions, of three kinds each: 1 where a word and a region are of one kind."""
    draw = torch.Generator().manual_seed(seed)
    kinds = torch.randint(3, (rows, 2, 2), generator=draw)
    whole = batch_of(NAMES, [(2, 2)] * rows)
    whole["word"].x = functional.one_hot(kinds[:, 0].flatten(), 5).float()
    whole["region"].x = functional.one_hot(kinds[:, 1].flatten(), 3).float()
    whole.y = (kinds[:, 0].unsqueeze(2) == kinds[:, 1].unsqueeze(1)).flatten(1).any(dim=1).long()
    return whole
