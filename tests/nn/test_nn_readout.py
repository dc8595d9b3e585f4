"""What a readout refuses."""

import pytest

from graphfuse.core.errors import ConfigError
from graphfuse.nn.readout import AttentionReadout


def test_a_width_that_heads_cannot_share_is_refused_before_training() -> None:
    assert AttentionReadout(6, heads=3).heads == 3
    with pytest.raises(ConfigError, match=r"hidden_channels: must be a multiple of 4.*got 6"):
        AttentionReadout(6)
