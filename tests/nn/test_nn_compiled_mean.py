"""Compiled means, plain and gated, are the function, and have the gradients, of those in PyTorch."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from graphfuse.core.compiled import Kernels, Loops, has_compiler, use_kernels
from graphfuse.core.errors import ConfigError
from graphfuse.core.schema import EdgeType
from graphfuse.nn.compiled_relay import CompiledRelay
from graphfuse.nn.plan import EdgePlan
from graphfuse.nn.relational import RelationalAttention, RelationalMean

# relations both ways between types of very different size, one without any edge, one within a type, and a type that only receives
NUM_NODES = {"post": 400, "user": 7, "word": 150, "lone": 3}
NUM_EDGES: dict[EdgeType, int] = {
    ("user", "wrote", "post"): 700,
    ("post", "by", "user"): 1000,
    ("word", "in", "post"): 900,
    ("post", "never", "word"): 0,
    ("post", "after", "post"): 300,
    ("word", "of", "lone"): 40,
}
IN, OUT = 24, 20
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")
plain_and_gated = pytest.mark.parametrize("product", [False, True])


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphfuse.nn.plan.EDGES_AT_ONCE", 300)


def made_edges(num_edges: Mapping[EdgeType, int] = NUM_EDGES) -> dict[EdgeType, Tensor]:
    draw = torch.Generator().manual_seed(0)
    # every seventh node, and the last of each type, stays without edges
    ends = {name: torch.tensor([n for n in range(count - 1) if n % 7 or count < 10]) for name, count in NUM_NODES.items()}
    return {
        (source, name, destination): torch.stack(
            [ends[end][torch.randint(len(ends[end]), (count,), generator=draw)] for end in (source, destination)]
        )
        for (source, name, destination), count in num_edges.items()
    }


def made_nodes(dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    return {name: torch.randn(count, IN, generator=draw, dtype=dtype).requires_grad_() for name, count in NUM_NODES.items()}


def made_layer(product: bool = False) -> RelationalMean:
    torch.manual_seed(2)
    layer = RelationalMean(IN, OUT, tuple(NUM_NODES), tuple(NUM_EDGES), product=product)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return layer


def made_weights() -> dict[EdgeType, Tensor]:
    draw = torch.Generator().manual_seed(3)
    weights = {kind: torch.rand(count, generator=draw) for kind, count in NUM_EDGES.items()}
    for weight in weights.values():
        weight[::4] = 0
    weights["user", "wrote", "post"][:] = 0  # a whole relation
    return weights


def with_gradients(layer: RelationalMean, edges: Mapping[EdgeType, Tensor], weights: Mapping[EdgeType, Tensor] | None) -> list[Tensor]:
    x_dict = made_nodes(next(layer.parameters()).dtype)
    layer.zero_grad()
    out = layer(x_dict, edges, weights).table
    out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(4)).to(out.dtype))
    gradients = [each.grad for each in (*x_dict.values(), *layer.parameters())]
    assert all(gradient is not None for gradient in gradients)
    return [out, *gradients]


def check_close(found: list[Tensor], expected: list[Tensor]) -> None:
    for mine, other in zip(found, expected, strict=True):
        scale = float(other.detach().abs().max().clamp(min=1e-12))
        torch.testing.assert_close(mine / scale, other / scale, rtol=0, atol=1e-5)


@needs_compiler
@plain_and_gated
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_compiled_means_agree_with_pytorch_and_repeat(product: bool, threads: int, weighted: bool, shuffled: bool) -> None:
    edges, weights, layer = made_edges(), made_weights() if weighted else None, made_layer(product)
    if not shuffled:  # as a store keeps them
        edges = {kind: ends[:, torch.argsort(ends[1], stable=True)] for kind, ends in edges.items()}
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        expected = with_gradients(layer, edges, weights)
        torch.use_deterministic_algorithms(True)  # new memory then holds NaN until it is written to
        with use_kernels("compiled"):
            found, again = (with_gradients(layer, edges, weights) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(before)
    last = found[0].grad_fn
    steps = {step.name() for step in (last, *(step for step, _ in last.next_functions if step))}
    assert steps & {"_CompiledMeanBackward", "_CompiledGatesBackward"} == {"_CompiledGatesBackward" if product else "_CompiledMeanBackward"}
    check_close(found, expected)
    assert all(map(torch.equal, found, again))


@needs_compiler
@plain_and_gated
def test_more_channels_than_are_multiplied_at_once(product: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, channels in (("IN", 130), ("OUT", 72)):
        monkeypatch.setitem(globals(), name, channels)
    edges, weights, layer = made_edges(), made_weights(), made_layer(product)
    expected = with_gradients(layer, edges, weights)
    with use_kernels("compiled"):
        check_close(with_gradients(layer, edges, weights), expected)


@needs_compiler
@plain_and_gated
def test_a_second_layer_shares_the_ways_of_edges(product: bool) -> None:
    edges = EdgePlan(tuple(NUM_EDGES), NUM_NODES, made_edges())
    layers = torch.nn.ModuleList([made_layer(product), RelationalMean(OUT, OUT, tuple(NUM_NODES), tuple(NUM_EDGES), product=product)])

    def gradients() -> list[Tensor]:
        layers.zero_grad()
        x_dict = made_nodes()
        for layer in layers:
            x_dict = layer(x_dict, edges)
        x_dict.table.square().sum().backward()
        return [parameter.grad for parameter in layers.parameters()]

    expected = gradients()
    with use_kernels("compiled"):
        check_close(gradients(), expected)


@needs_compiler
@plain_and_gated
def test_weight_0_is_the_edge_removed_for_compiled_means_too(product: bool) -> None:
    edges, weights, layer = made_edges(), made_weights(), made_layer(product)
    fewer = {kind: ends[:, weights[kind] != 0] for kind, ends in edges.items()}
    left = {kind: weight[weight != 0] for kind, weight in weights.items()}
    with use_kernels("compiled"):
        torch.testing.assert_close(layer(made_nodes(), edges, weights).table, layer(made_nodes(), fewer, left).table)


@needs_compiler
@plain_and_gated
def test_without_any_edge_only_what_nodes_know_is_left(product: bool) -> None:
    edges, layer = made_edges(dict.fromkeys(NUM_EDGES, 0)), made_layer(product)
    x_dict = made_nodes()
    with use_kernels("compiled"):
        out = layer(x_dict, edges)
        out.table.sum().backward()
    for name, x in x_dict.items():
        torch.testing.assert_close(out[name], layer.root[name](x))
    assert not any(linear.weight.grad.any() for linear in layer.source.values())


@needs_compiler
@plain_and_gated
def test_without_any_node_there_is_nothing(product: bool) -> None:
    x_dict = {name: torch.zeros(0, IN, requires_grad=True) for name in NUM_NODES}
    with use_kernels("compiled"):
        out = made_layer(product)(x_dict, made_edges(dict.fromkeys(NUM_EDGES, 0))).table
        out.sum().backward()
    assert out.shape == (0, OUT)
    assert all(x.grad.shape == (0, IN) for x in x_dict.values())


@needs_compiler
@plain_and_gated
def test_what_is_no_number_is_passed_on(product: bool) -> None:
    layer, edges, x_dict = made_layer(product), made_edges(), made_nodes()
    with torch.no_grad():
        x_dict["user"][1] = torch.nan
    expected = layer(x_dict, edges).table
    with use_kernels("compiled"):
        found = layer(x_dict, edges).table
    assert expected.isnan().any()
    assert not expected.isnan().all()
    assert torch.equal(found.isnan(), expected.isnan())


@needs_compiler
def test_gates_learn_from_weights_and_tell_what_each_edge_got() -> None:
    edges, layer, found = made_edges(), made_layer(product=True), {}
    for kernels in ("torch", "compiled"):
        weights = {kind: weight.requires_grad_() for kind, weight in made_weights().items()}
        with use_kernels(kernels):
            out, scores = layer(made_nodes(), edges, weights, return_edge_scores=True)
            out.table.square().sum().backward()
        found[kernels] = [
            each[kind] for each in ({kind: weights[kind].grad for kind in edges}, scores) for kind in edges if NUM_EDGES[kind]
        ]
    check_close(*found.values())
    assert found["torch"][0].any()


@needs_compiler
def test_what_the_loops_cannot_do_goes_the_way_of_pytorch() -> None:
    edges, x_dict = made_edges(), made_nodes()
    weights = {kind: weight.requires_grad_() for kind, weight in made_weights().items()}
    with use_kernels("compiled"):
        made_layer()(x_dict, edges, weights).table.sum().backward()  # the gradient of weights, which analyses ask for
        assert weights["word", "in", "post"].grad.any()
        for layer in (made_layer().double(), made_layer(product=True).double()):
            nodes = made_nodes(torch.float64)
            with use_kernels("torch"):
                expected = layer(nodes, edges).table
            assert torch.equal(layer(nodes, edges).table, expected)


@needs_compiler
@plain_and_gated
def test_a_layer_of_other_numbers_than_its_nodes_is_refused_as_by_pytorch(product: bool) -> None:
    for kernels in ("torch", "compiled"):
        with use_kernels(kernels), pytest.raises(RuntimeError, match="dtype"):
            made_layer(product).double()(made_nodes(), made_edges())


@plain_and_gated
def test_means_are_not_compiled_unless_asked_for(product: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loops, "__init__", lambda *_, **__: pytest.fail("compiled"))
    with_gradients(made_layer(product), made_edges(), None)


@pytest.mark.parametrize("kernels", ["torch", pytest.param("compiled", marks=needs_compiler)])
@pytest.mark.parametrize(("end", "wrong"), [(0, 400), (1, -1), (1, 7), (1, 10**6)])
def test_edges_that_end_nowhere_are_refused(kernels: Kernels, end: int, wrong: int) -> None:
    edges = made_edges()
    edges["post", "by", "user"][end, 20] = wrong
    attention = RelationalAttention(IN, OUT, tuple(NUM_NODES), tuple(NUM_EDGES))
    for layer in (made_layer(), made_layer(product=True), attention):
        with use_kernels(kernels), pytest.raises(IndexError, match="must end at nodes of their types"):
            layer(made_nodes(), edges)


@plain_and_gated
def test_a_plan_for_other_nodes_is_refused(product: bool) -> None:
    plan = EdgePlan(tuple(NUM_EDGES), NUM_NODES, made_edges())
    fewer = made_nodes() | {"user": torch.zeros(6, IN)}
    with pytest.raises(ValueError, match=r"made with, .*'user': 7.* \(got .*'user': 6"):
        made_layer(product)(fewer, plan)


def test_more_nodes_and_edges_than_the_loops_can_number_are_refused() -> None:
    nothing = np.zeros((2, 0), dtype=np.int64)
    with pytest.raises(ConfigError, match=r"got 1,073,741,824 nodes and 0 edges\)\. Take smaller batches"):
        CompiledRelay([], nothing, nothing, 2**30)


@needs_compiler
def test_messages_of_a_subclass_are_not_compiled() -> None:
    class Silent(RelationalMean):
        def message(self, ends: tuple[Tensor, Tensor]) -> Tensor:
            return super().message(ends) * 0

    layer = Silent(IN, OUT, tuple(NUM_NODES), tuple(NUM_EDGES))
    with use_kernels("compiled"):
        out = layer(made_nodes(), made_edges())
    torch.testing.assert_close(out["user"], layer.root["user"](made_nodes()["user"]))


@pytest.mark.parametrize("kernels", ["torch", pytest.param("compiled", marks=needs_compiler)])
@plain_and_gated
def test_a_plan_may_be_used_without_gradients_first(kernels: Kernels, product: bool) -> None:
    layer, x = made_layer(product), made_nodes()
    plan = EdgePlan(tuple(NUM_EDGES), NUM_NODES, made_edges())
    with use_kernels(kernels):
        with torch.inference_mode():
            layer(x, plan)
        layer(x, plan)["user"].sum().backward()
    assert layer.source["post"].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kernels", ["torch", pytest.param("compiled", marks=needs_compiler)])
@plain_and_gated
def test_edges_may_be_numbered_with_fewer_bits(kernels: Kernels, product: bool) -> None:
    layer, x = made_layer(product), made_nodes()
    with use_kernels(kernels):
        out, short = layer(x, made_edges()), layer(x, {kind: index.int() for kind, index in made_edges().items()})
    assert torch.equal(out.table, short.table)
