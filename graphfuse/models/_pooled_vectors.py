"""What the models that fuse one vector per modality share."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Lt

from graphfuse.core.sockets import FusionModel


@dataclass(frozen=True, kw_only=True)
class PooledVectorsModel(FusionModel):
    """Settings of every model that fuses one vector per modality."""

    stage: ClassVar[Literal["intermediate"]] = "intermediate"

    hidden_channels: Annotated[int, Ge(1)] = 64
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of hidden values dropped in training."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    """Share of feature values dropped in training; it keeps the network from learning samples by heart."""
