"""Attention over edges, in blocks and compiled, is the function that plain autograd computes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from graphfuse.core.compiled import Loops, has_compiler, use_kernels
from graphfuse.nn.edge_attention import SLOPE, Scoring, edge_attention
from graphfuse.nn.plan import EdgePlan

# two relations between the same types, one without any edge, and nodes that no edge reaches
NUM_NODES = {"a": 6, "b": 5, "c": 2}
NUM_EDGES = {("a", "to", "b"): 14, ("a", "also", "b"): 9, ("b", "back", "a"): 11, ("c", "never", "a"): 0, ("a", "near", "a"): 8}
HEADS, WIDTH = 2, 3
CHANNELS = HEADS * WIDTH
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")
every_function = pytest.mark.parametrize(("product", "across"), [(False, False), (False, True), (True, False), (True, True)])


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphfuse.nn.plan.EDGES_AT_ONCE", 8)


def made_plan(scale: int = 1, crowd: int = 1) -> EdgePlan:
    """Return a plan of `scale` times the nodes, each of which has `crowd` times the edges."""
    draw = torch.Generator().manual_seed(0)
    # the last node of each type stays without edges
    edges = {
        (source, name, destination): torch.stack(
            [torch.randint(scale * NUM_NODES[end] - 1, (scale * crowd * count,), generator=draw) for end in (source, destination)]
        )
        for (source, name, destination), count in NUM_EDGES.items()
    }
    return EdgePlan(tuple(NUM_EDGES), {name: scale * count for name, count in NUM_NODES.items()}, edges)


def made_inputs(plan: EdgePlan, product: bool, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    width = CHANNELS * (2 if product else 1)
    shapes = {
        "source": (plan.source.num_groups, width),
        "destination": (plan.destination.num_groups, width),
        "attention": (len(NUM_EDGES), HEADS, WIDTH),
    }
    if product:
        shapes |= {"mix": (CHANNELS, CHANNELS), "bias": (CHANNELS,), "product_score": (HEADS, CHANNELS)}
    # small enough that the exponent's bound for edges of weight 0 is far
    inputs = {name: torch.randn(shape, generator=draw, dtype=dtype).mul_(0.7) for name, shape in shapes.items()}
    inputs["weight"] = torch.rand(plan.edge_index.size(1), generator=draw, dtype=dtype)
    inputs["weight"][::4] = 0
    inputs["weight"][plan.node.index == plan.node.index[0]] = 0  # all edges of a node
    return {name: value.requires_grad_() for name, value in inputs.items()}


def attend(plan: EdgePlan, across: bool, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    left = dict(inputs)
    source, destination, weight = left.pop("source"), left.pop("destination"), left.pop("weight", None)
    received, share = edge_attention(source, destination, Scoring(**left), plan, weight, across_relations=across)
    return received, plan.by_destination.in_plan_order(share)


def plainly(plan: EdgePlan, across: bool, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The same function step by step, one group after the other."""
    source, destination = inputs["source"][plan.source.index], inputs["destination"][plan.destination.index]
    joint = functional.leaky_relu(source[:, :CHANNELS] + destination[:, :CHANNELS], SLOPE).view(-1, HEADS, WIDTH)
    score, message = (joint * inputs["attention"][plan.relation.index]).sum(dim=-1), source[:, :CHANNELS]
    if "mix" in inputs:
        term = torch.relu((source[:, CHANNELS:] * destination[:, CHANNELS:]) @ inputs["mix"].t() + inputs["bias"])
        score, message = score + term @ inputs["product_score"].t(), message + term
    weight = inputs.get("weight", score.new_ones(score.size(0)))
    groups = plan.node if across else plan.destination
    share = torch.zeros_like(score)
    for group in range(groups.num_groups):
        rows = torch.nonzero((groups.index == group) & ((weight != 0) | weight.requires_grad)).flatten()
        if weight[rows].sum() > 0:
            powers = score[rows].exp() * weight[rows].unsqueeze(-1)
            share = share.index_copy(0, rows, powers / powers.sum(dim=0))
    sent = (message.view(-1, HEADS, WIDTH) * share.unsqueeze(-1)).flatten(1)
    return sent.new_zeros(plan.node.num_groups, CHANNELS).index_add(0, plan.node.index, sent), share


def with_gradients(function: Callable[..., tuple[Tensor, Tensor]], plan: EdgePlan, across: bool, inputs: dict[str, Tensor]) -> list[Tensor]:
    out, share = function(plan, across, inputs)
    arriving = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(out.dtype)
    return [out, share, *torch.autograd.grad(out, list(inputs.values()), arriving)]


@every_function
@pytest.mark.parametrize("weighted", [False, True])
def test_results_and_gradients_are_those_of_plain_autograd(product: bool, across: bool, weighted: bool) -> None:
    plan = made_plan()
    inputs = made_inputs(plan, product)
    if not weighted:
        del inputs["weight"]
    assert len(plan.by_destination.blocks) > 2
    found, expected = (with_gradients(function, plan, across, inputs) for function in (attend, plainly))
    if weighted:  # where all weights of a group are 0 the share is 0, and its gradient is not defined
        alone = _groups_of_nothing(plan, across, inputs["weight"])
        assert alone.any()
        found[-1], expected[-1] = found[-1][~alone], expected[-1][~alone]
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)


@every_function
def test_gradients_are_those_of_small_steps(product: bool, across: bool) -> None:
    plan = made_plan()
    inputs = made_inputs(plan, product)
    # a group of total weight 0 jumps as soon as one edge has any
    inputs["weight"] = torch.where(_groups_of_nothing(plan, across, inputs["weight"]), 0.5, inputs["weight"].detach()).requires_grad_()
    assert (inputs["weight"] == 0).any()
    assert torch.autograd.gradcheck(lambda *values: attend(plan, across, dict(zip(inputs, values, strict=True)))[0], tuple(inputs.values()))


@needs_compiler
@every_function
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("crowd", [1, 60])  # more edges at a node than are multiplied at once
def test_compiled_loops_agree_with_pytorch(product: bool, across: bool, threads: int, weighted: bool, crowd: int) -> None:
    plan = made_plan(scale=40 // crowd or 1, crowd=crowd)
    inputs = made_inputs(plan, product, torch.float32)
    if not weighted:
        del inputs["weight"]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        expected = with_gradients(attend, plan, across, inputs)
        torch.use_deterministic_algorithms(True)  # new memory then holds NaN until it is written to
        with use_kernels("compiled"):
            found, again = (with_gradients(attend, plan, across, inputs) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(before)
    assert found[0].grad_fn.name() == "_CompiledAttentionBackward"
    for mine, other, repeated in zip(found, expected, again, strict=True):
        scale = float(other.detach().abs().max())
        torch.testing.assert_close(mine / scale, other / scale, rtol=0, atol=1e-5)
        assert torch.equal(mine, repeated)


@needs_compiler
def test_more_channels_than_are_multiplied_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, channels in (("WIDTH", 65), ("CHANNELS", 130)):
        monkeypatch.setitem(globals(), name, channels)
    plan = made_plan(scale=10)
    inputs = made_inputs(plan, True, torch.float32)
    with torch.no_grad():  # sums of so many channels
        inputs["mix"].mul_(0.2), inputs["product_score"].mul_(0.2), inputs["attention"].mul_(0.2)
    expected = with_gradients(attend, plan, True, inputs)
    with use_kernels("compiled"):
        found = with_gradients(attend, plan, True, inputs)
    for mine, other in zip(found, expected, strict=True):
        scale = float(other.detach().abs().max())
        torch.testing.assert_close(mine / scale, other / scale, rtol=0, atol=1e-5)


@needs_compiler
def test_weight_0_is_exactly_the_edge_removed_for_compiled_loops_too() -> None:
    plan = made_plan()
    inputs = made_inputs(plan, True, torch.float32)
    kept = inputs["weight"] != 0
    with torch.no_grad():  # scores without bound, which must not show
        inputs["attention"].mul_(1e4)
    parts = zip(plan.edge_types, kept.split(plan.sizes), strict=True)
    fewer = EdgePlan(plan.edge_types, plan.num_nodes, {edge_type: plan[edge_type][:, part] for edge_type, part in parts})
    with use_kernels("compiled"):
        out, share = attend(plan, True, inputs)
        expected, shares = attend(fewer, True, inputs | {"weight": inputs["weight"][kept]})
    assert torch.equal(out, expected)
    assert torch.equal(share[kept], shares)
    assert not share[~kept].any()


@needs_compiler
def test_compiled_loops_pass_on_what_is_no_number() -> None:
    plan = made_plan()
    inputs = made_inputs(plan, True, torch.float32)
    with torch.no_grad():
        inputs["source"][3] = torch.nan
    expected, _ = attend(plan, False, inputs)
    with use_kernels("compiled"):
        found, _ = attend(plan, False, inputs)
    assert expected.isnan().any()
    assert not expected.isnan().all()
    torch.testing.assert_close(found, expected, equal_nan=True)


@needs_compiler
def test_without_any_edge_compiled_loops_give_zeros() -> None:
    edge_types = tuple(NUM_EDGES)
    plan = EdgePlan(edge_types, NUM_NODES, dict.fromkeys(edge_types, torch.zeros(2, 0, dtype=torch.long)))
    inputs = made_inputs(made_plan(), True, torch.float32) | {"weight": torch.zeros(0, requires_grad=True)}
    with use_kernels("compiled"):
        for value in with_gradients(attend, plan, False, inputs):
            assert not value.any()


@needs_compiler
def test_other_numbers_than_float32_go_the_way_of_pytorch() -> None:
    plan = made_plan()
    inputs = made_inputs(plan, False)
    expected, _ = attend(plan, False, inputs)
    with use_kernels("compiled"):
        assert torch.equal(attend(plan, False, inputs)[0], expected)


def test_nothing_is_compiled_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loops, "__init__", lambda *_, **__: pytest.fail("compiled"))
    plan = made_plan()
    inputs = made_inputs(plan, False, torch.float32)
    attend(plan, False, inputs)
    with use_kernels("torch"):
        attend(plan, False, inputs)


def _groups_of_nothing(plan: EdgePlan, across: bool, weight: Tensor) -> Tensor:
    """Return which edges compete in a group of total weight 0, [num_edges]."""
    groups = plan.node if across else plan.destination
    total = weight.detach().new_zeros(groups.num_groups).index_add(0, groups.index, weight.detach())
    return total[groups.index] == 0
