"""Tree-augmented naive Bayes over experts: they may depend on one another, and any of them may be absent."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graphfuse.models._decisions import safe_log
from graphfuse.nn.fitted import FittedModule


class TreeBayes(FittedModule):
    """P(outcome) times, expert by expert, P(its state | outcome, state of the expert before it in a tree).

    "Bayesian network classifiers" (Friedman, Geiger and Goldszmidt, Machine Learning 29, 1997). Several questions (labels)
    have tables of their own and share the tree. States may be soft, so that decisions between two levels count for both.

    Args:
        smoothing: Rows added to every cell of a table (Laplace); of a table given the expert before, in the proportions
            that hold without it.
    """

    order: Tensor
    """Experts, each after the one before it in the tree.  [num_experts]"""
    parent: Tensor
    """The expert before, -1 for the first.  [num_experts]"""
    outcome: Tensor
    """P(outcome).  [num_questions, num_outcomes]"""
    table: Tensor
    """P(state | outcome, state before); the first has no state before and the same rows.  [num_experts, num_questions, num_outcomes, num_states, num_states]"""

    def __init__(self, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing
        for name in ("order", "parent"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.long))
        for name in ("outcome", "table"):
            self.register_buffer(name, torch.zeros(0))

    @property
    def fitted(self) -> bool:
        """Whether there are tables to ask."""
        return self.order.numel() > 0

    def fit(self, states: Tensor, has: Tensor, y: Tensor) -> None:
        """Count, choose the tree, and fill the tables.

        Args:
            states: Share of each state.  [num_rows, num_questions, num_experts, num_states]
            has: 1 where the expert is there.  [num_rows, num_experts]
            y: 1 for the outcome, all 0 where it is unknown.  [num_rows, num_questions, num_outcomes]
        """
        states, y = states.double() * has.double()[:, None, :, None], y.double()
        # 1. How often each outcome, state, and pair of states occurs; a pair only where both experts are there.
        single = torch.einsum("nqy,nqms->mqys", y, states)
        pairs = torch.einsum("nqy,nqia,nqjb->ijqyab", y, states, states)
        # 2. The tree that joins the experts that tell most about each other, given the outcome (Chow and Liu, 1968).
        order, parent = maximum_spanning_tree(conditional_information(pairs).sum(dim=-1))
        # 3. Smoothed tables.
        own = _smoothed(single, torch.full_like(single, self.smoothing))  # [num_experts, num_questions, num_outcomes, num_states]
        total = self.smoothing * states.size(-1) * own[..., None, :]
        table = torch.stack(
            [
                (own[m][..., None, :].expand_as(pairs[0, 0]) if parent[m] < 0 else _smoothed(pairs[parent[m], m], total[m]))
                for m in range(len(order))
            ]
        )
        outcome = _smoothed(y.sum(dim=0), torch.full_like(y[0], self.smoothing))
        self.set_fitted(order=torch.tensor(order), parent=torch.tensor(parent), outcome=outcome, table=table)

    def forward(self, states: Tensor, has: Tensor) -> Tensor:
        """Return log P(outcome, what the experts say), [batch_size, num_questions, num_outcomes].

        Exact: a sum over all states, from the leaves of the tree to its root.

        Args:
            states: Share of each state.  [batch_size, num_questions, num_experts, num_states]
            has: 1 where the expert is there; the states of one that is not are summed over.  [batch_size, num_experts]
        """
        there = has[:, None, :, None]
        likelihood = there * states + (1 - there)  # all states fit an expert that says nothing
        # what each expert and all after it say, by outcome and own state.  [batch_size, num_questions, num_outcomes, num_states]
        below = [part.unsqueeze(2) for part in likelihood.unbind(dim=2)]
        for expert in reversed(self.order.tolist()):
            said = torch.einsum("qyps,bqys->bqyp", self.table[expert], below[expert].expand(-1, -1, self.table.size(2), -1))
            before = int(self.parent[expert])
            if before < 0:
                return safe_log(self.outcome) + safe_log(said[..., 0])
            below[before] = below[before] * said
        raise RuntimeError("a tree of experts has a first one")


def conditional_information(pairs: Tensor) -> Tensor:
    """Return the mutual information of two experts' states given the outcome, in nats, from counts.

    Args:
        pairs: [num_experts, num_experts, num_questions, num_outcomes, num_states, num_states]

    Returns:
        [num_experts, num_experts, num_questions]
    """
    total = pairs.sum(dim=(-3, -2, -1), keepdim=True).clamp(min=1e-12)
    joint = pairs / total
    given = joint.sum(dim=(-2, -1), keepdim=True)
    apart = joint.sum(dim=-1, keepdim=True) * joint.sum(dim=-2, keepdim=True)
    return (torch.xlogy(joint, joint * given) - torch.xlogy(joint, apart)).sum(dim=(-3, -2, -1))


def maximum_spanning_tree(weight: Tensor) -> tuple[list[int], list[int]]:
    """Return the nodes from node 0 outwards, and for each node the one before it (-1 for node 0), by Prim's algorithm.

    Args:
        weight: Symmetric.  [num_nodes, num_nodes]
    """
    count = weight.size(0)
    order, parent = [0], [-1] * count
    while len(order) < count:
        rest = [node for node in range(count) if node not in order]
        best = int(np.argmax(weight[order][:, rest].numpy()))
        before, node = order[best // len(rest)], rest[best % len(rest)]
        parent[node] = before
        order.append(node)
    return order, parent


def soft_states(probability: Tensor, knots: Tensor) -> Tensor:
    """Return what an expert says as shares of states: which outcome it prefers, at which level of confidence.

    A confidence between two knots counts for both levels by its nearness, so that nothing jumps; the ends are levels too.

    Args:
        probability: [batch_size, num_questions, num_experts, num_outcomes]
        knots: Confidence at each level, rising.  [num_questions, num_experts, num_levels]

    Returns:
        Shares that sum to 1.  [batch_size, num_questions, num_experts, num_outcomes * num_levels]
    """
    confidence, preferred = probability.max(dim=-1, keepdim=True)
    width = knots.diff(dim=-1).clamp(min=1e-6)
    level = ((confidence - knots[..., :-1]) / width).clamp(0, 1).sum(dim=-1, keepdim=True)
    near = (1 - (level - torch.arange(knots.size(-1), device=knots.device)).abs()).clamp(min=0)  # [..., num_levels]
    outcome = functional.one_hot(preferred.squeeze(-1), probability.size(-1)).to(near.dtype)
    return (outcome.unsqueeze(-1) * near.unsqueeze(-2)).flatten(-2)


def confidence_knots(probability: Tensor, has: Tensor, num_levels: int) -> Tensor:
    """Return each expert's confidence at the middles of equally filled levels, [num_questions, num_experts, num_levels].

    Args:
        probability: [num_rows, num_questions, num_experts, num_outcomes]
        has: 1 where the expert is there.  [num_rows, num_experts]
        num_levels: How many.
    """
    at = ((torch.arange(num_levels) + 0.5) / num_levels).to(probability.dtype)
    knots = []
    for expert in range(has.size(1)):
        confidence = probability[has[:, expert] > 0, :, expert].amax(dim=-1)  # [rows of the expert, num_questions]
        if len(confidence):  # numpy's, since torch's takes 16 million numbers at most
            knots.append(torch.from_numpy(np.quantile(confidence.numpy(), at.numpy(), axis=0).T).to(probability.dtype))
        else:
            knots.append(at.expand(probability.size(1), -1))
    return torch.stack(knots, dim=1)


def _smoothed(counts: Tensor, added: Tensor) -> Tensor:
    """Return shares along the last dimension of counts with something added to each."""
    counts = counts + added
    return counts / counts.sum(dim=-1, keepdim=True)
