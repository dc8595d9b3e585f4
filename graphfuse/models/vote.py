"""Late fusion by majority vote over the experts' decisions (the median, for values)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graphfuse.core.schema import GraphSchema
from graphfuse.models._decisions import mix, safe_log, shares
from graphfuse.models._late import Decisions, LateFusion, LateModel
from graphfuse.nn.fusion import Decision

TIE = 0.5
"""The mean probability counts as half a vote: it decides ties, outweighs no vote, and keeps every share above 0."""


@dataclass(frozen=True, kw_only=True)
class VoteModel(LateModel):
    """One vote per expert that is there, for a class or about each label: "On combining classifiers" (Kittler et al., TPAMI 20(3), 1998)."""

    def module(self, schema: GraphSchema, decision: Decision) -> "VoteFusion":
        """Return the network for a schema."""
        return VoteFusion(self, schema, decision)


class VoteFusion(LateFusion):
    """The logits are the logarithms (log-odds) of the shares of votes; ties go to the higher mean probability."""

    def combine(self, decisions: Decisions) -> Tensor:
        """Count the votes."""
        logits, has = decisions.logits, decisions.has
        if self.kind == "regression":
            return weighted_median(logits, has)
        if self.kind == "classification":
            ballots = functional.one_hot(logits.argmax(dim=-1), logits.size(-1)).to(logits.dtype)
            mean = mix(self.kind, logits, shares(has)).exp()
            return _log_share(ballots, has, mean)
        odds = mix(self.kind, logits, shares(has))
        yes = (logits > 0).to(logits.dtype)
        return _log_share(yes, has, odds.sigmoid()) - _log_share(1 - yes, has, (-odds).sigmoid())


def _log_share(ballots: Tensor, has: Tensor, mean: Tensor) -> Tensor:
    """Return the logarithm of the share of votes, [batch_size, num_logits], from ballots [batch_size, num_experts, num_logits]."""
    votes = (ballots * has.unsqueeze(-1)).sum(dim=1) + TIE * mean
    return safe_log(votes / (has.sum(dim=1, keepdim=True) + TIE))


def weighted_median(values: Tensor, weight: Tensor) -> Tensor:
    """Return the median over experts, the mean of the two middle ones where their number is even.

    Args:
        values: [batch_size, num_experts, num_logits]
        weight: How much each counts; 0 is as if it were not there.  [batch_size, num_experts]

    Returns:
        [batch_size, num_logits]
    """
    ordered, order = values.sort(dim=1)
    reached = weight.unsqueeze(-1).expand_as(values).gather(1, order).cumsum(dim=1)
    half = reached[:, -1:] / 2
    # the first value at which half of the weight is reached, and the first at which it is exceeded
    last = values.size(1) - 1
    lower = (reached < half).sum(dim=1, keepdim=True).clamp(max=last)
    upper = (reached <= half).sum(dim=1, keepdim=True).clamp(max=last)
    return torch.cat([ordered.gather(1, lower), ordered.gather(1, upper)], dim=1).mean(dim=1)
