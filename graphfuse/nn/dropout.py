"""Dropout that draws one byte per value: drawing is most of what dropout costs on a processor."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphfuse.core import compiled
from graphfuse.nn import compiled_dropout
from graphfuse.nn.compiled_dropout import Drawn

LEVELS = 256
"""Chances are multiples of 1 / 256."""


class Dropout(nn.Module):
    """Sets values to 0 by chance in training and scales the others, so that the mean stays (Srivastava et al., JMLR 2014).

    What `torch.nn.Dropout` does, with the chance rounded to 1/256 (experiments/speed, work `pieces`, has both beside each other).

    Args:
        p: Chance in [0, 1) of each value.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self._dropped = min(round(p * LEVELS), LEVELS - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of x, [...], in training."""
        if x.is_cuda:  # where drawing costs next to nothing
            return functional.dropout(x, self._dropped / LEVELS, self.training)
        drawn = self.draw(x)
        if drawn is None:
            return x
        if compiled.fits([x]):
            return compiled_dropout.drop(x, drawn)
        numbers = drawn.bytes.view(x.shape).to(x.dtype)
        # compared as numbers into numbers: torch is six times slower with truth values
        kept = torch.ge(numbers, drawn.dropped, out=torch.empty_like(numbers))
        return x * kept.mul_(drawn.scale)

    def draw(self, x: Tensor) -> Drawn | None:
        """Draw which values of x, [...], are dropped on a processor; None outside training, or if none is."""
        if not self.training or not self._dropped:
            return None
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        drawn = words.view(torch.uint8)[: x.numel()]
        return Drawn(bytes=drawn, dropped=self._dropped, scale=LEVELS / (LEVELS - self._dropped))

    def extra_repr(self) -> str:
        """Return what is shown of it."""
        return f"p={self.p}"
