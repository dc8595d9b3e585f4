"""One modality leads, the others assist."""

import pytest
import torch
from unit_batches import DECISION, batch_of, schema

from graphfuse.core.errors import ConfigError
from graphfuse.models.asymmetric import AsymmetricFusion, AsymmetricModel

NAMES = ("word", "region", "author")
SIZES = ((2, 3, 1), (1, 0, 1), (0, 2, 0), (2, 0, 0))
STILL = {"hidden_channels": 8, "heads": 2, "dropout": 0.0, "input_dropout": 0.0}


def network(leading: str = "", names: tuple[str, ...] = NAMES) -> AsymmetricFusion:
    torch.manual_seed(0)
    return AsymmetricModel(leading=leading, **STILL).module(schema(*names), DECISION).eval()


def test_the_first_type_leads_unless_another_is_named_by_type_or_modality() -> None:
    assert network().leading == ("word",)
    assert network("image").leading == network("region").leading == ("region",)
    assert network("image").assisting == ("word", "author")
    with pytest.raises(ConfigError, match=r"model.leading: is not a modality of this store. Did you mean 'image'"):
        network("imaeg")


def test_it_is_attention_from_leading_units_to_assisting_ones() -> None:
    """The same for one sample, written out unit by unit."""
    fusion, whole = network(), batch_of(NAMES, SIZES[:1])
    lead = fusion.project["word"](whole["word"].x)
    assisting = torch.cat([fusion.project[name](whole[name].x) for name in ("region", "author")])
    found = fusion.attention(lead[None], assisting[None], torch.ones(1, len(assisting)))[0]
    heard = fusion.norm(lead + found)
    share = fusion.score(heard).softmax(dim=0)
    torch.testing.assert_close(fusion(whole).embedding[0], fusion.out((share * heard).sum(dim=0)))


def test_the_token_leads_only_where_the_leading_modality_is_absent() -> None:
    fusion, whole = network(), batch_of(NAMES, SIZES)
    before = fusion(whole).embedding
    with torch.no_grad():
        fusion.token.add_(1)
    changed = (fusion(whole).embedding != before).any(dim=1)
    assert changed.tolist() == [False, False, True, False]


def test_what_assists_is_heard() -> None:
    fusion, whole = network(), batch_of(NAMES, SIZES)
    before = fusion(whole).embedding
    whole["region"].x = whole["region"].x + 1
    changed = (fusion(whole).embedding - before).abs().sum(dim=1) > 1e-6
    assert changed.tolist() == [True, False, True, False]


def test_a_single_modality_leads_nobody() -> None:
    assert network(names=("word",))(batch_of(("word",), ((2,), (0,)))).embedding.isfinite().all()


def test_heads_share_the_channels_evenly() -> None:
    with pytest.raises(ValueError, match=r"heads must divide hidden_channels \(got 3 heads for 64 channels\)"):
        AsymmetricModel(heads=3)
