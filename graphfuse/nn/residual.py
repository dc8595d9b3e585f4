"""What a node knew and what it received, joined: the end of every round of message passing."""

from typing import cast

from torch import nn

from graphfuse.core import compiled
from graphfuse.nn import compiled_residual
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.typed import TypedTable


def residual(before: TypedTable, received: TypedTable, norms: nn.ModuleDict, dropout: Dropout) -> TypedTable:
    """Return `norm(before + dropout(relu(received)))`; the residual (He et al., CVPR 2016) keeps what a node knew.

    Args:
        before: What nodes knew, [num_nodes, channels] per type.
        received: What they received, of the same types; overwritten.
        norms: A layer norm per type.
        dropout: Of what they received.
    """
    chosen = [cast("nn.LayerNorm", norms[name]) for name in before]
    parameters = [each for norm in chosen for each in (norm.weight, norm.bias)]
    if compiled.fits([before.table, received.table, *parameters]):
        drawn = dropout.draw(received.table)
        table = compiled_residual.normalised_sum(before.table, received.table, list(before.sizes.values()), chosen, drawn)
        return before.changed(table)
    # the sums of all types at once: a batch of few samples waits for the number of steps
    sums = before.changed(before.table + dropout(received.table.relu_()))
    return TypedTable.of({name: norm(part) for (name, part), norm in zip(sums.items(), chosen, strict=True)})
