"""Tables of all node types, maps onto them, and means of their rows by sample."""

import pytest
import torch
from torch_geometric.data import Batch, HeteroData

from graphfuse.nn.readout import MeanReadout, sample_means
from graphfuse.nn.typed import TypedLinear, TypedTable

SIZES = {"a": 3, "b": 0, "c": 2}


def parts(channels: int = 4) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {name: torch.randn(size, channels, generator=draw, dtype=torch.float64) for name, size in SIZES.items()}


def test_a_table_of_all_types_is_the_dictionary_that_it_was_made_of() -> None:
    x_dict = parts()
    x = TypedTable.of(x_dict)
    assert list(x) == list(x_dict) and len(x) == 3
    assert x.table.shape == (5, 4)
    for name, part in x_dict.items():
        assert torch.equal(x[name], part)
    assert x["c"].data_ptr() == x.table[3:].data_ptr()  # a view, no copy


def test_a_table_is_made_again_only_where_types_or_their_order_differ() -> None:
    x = TypedTable.of(parts())
    assert TypedTable.of(x) is x
    assert TypedTable.of(x, ["a", "b", "c"]) is x
    assert list(TypedTable.of(x, ["c", "a"])) == ["c", "a"]
    assert torch.equal(TypedTable.of(x, ["c", "a"]).table, torch.cat([x["c"], x["a"]]))
    assert torch.equal(x.changed(x.table * 2)["c"], x["c"] * 2)


@pytest.mark.parametrize("bias", [False, True])
def test_maps_onto_a_table_are_maps_beside_it_added_up_with_every_gradient(bias: bool) -> None:
    torch.manual_seed(0)
    maps = TypedLinear(4, dict.fromkeys(SIZES, 6), 6, bias=bias).double()
    x = TypedTable.of({name: part.requires_grad_() for name, part in parts().items()})
    before = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    found, expected = maps(x, onto=before * 1), before + torch.cat([maps[name](x[name]) for name in x])
    torch.testing.assert_close(found, expected)
    inputs = [x.table, before, *maps.parameters()]
    for mine, plain in zip(*(torch.autograd.grad(out.sin().sum(), inputs) for out in (found, expected)), strict=True):
        torch.testing.assert_close(mine, plain)


def batch_of_two() -> Batch:
    samples = []
    for sizes in ({"a": 2, "b": 0, "c": 0}, {"a": 1, "b": 0, "c": 2}):
        sample = HeteroData()
        for name, size in sizes.items():
            sample[name].x = torch.zeros(size, 4)
            sample[name].num_nodes = size
        samples.append(sample)
    return Batch.from_data_list(samples)


@pytest.mark.parametrize("weighted", [False, True])
def test_means_by_sample_and_their_readout_are_the_plain_formulas(weighted: bool) -> None:
    torch.manual_seed(0)
    x_dict, batch = parts(), batch_of_two()
    weights = {"a": torch.tensor([0.5, 0.25, 0.0], dtype=torch.float64)} if weighted else {}
    readout = MeanReadout(4, list(SIZES)).double()
    means = sample_means(x_dict, batch, weights)
    expected, present = torch.zeros(2, 4, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    for name, x in x_dict.items():
        weight = weights.get(name, torch.ones(len(x), dtype=torch.float64))
        for sample in range(2):
            of = batch[name].batch == sample
            mean = (x[of] * weight[of, None]).sum(dim=0) / (weight[of].sum() or 1)
            torch.testing.assert_close(means[name][sample], mean)
            has = float(weight[of].max()) if bool(of.any()) else 0.0
            expected[sample] += readout.project[name](mean) * has
            present[sample] += has
    torch.testing.assert_close(readout(x_dict, batch, weights), expected / present.clamp(min=1))
