"""Modules whose buffers are learned from rows instead of by gradients."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


class FittedModule(nn.Module):
    """A module whose buffers get shape and values from data (components, support vectors); loading takes the shapes it finds.

    Buffers start empty: register them with `self.register_buffer(name, torch.zeros(0))` and fill them with `set_fitted`.
    """

    def set_fitted(self, **values: Tensor | npt.NDArray[Any]) -> None:
        """Set buffers by name; arrays become tensors, and floating values torch's default type."""
        for name, value in values.items():
            if name not in self._buffers:
                raise KeyError(f"{type(self).__name__} has no buffer {name}")
            tensor = torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
            setattr(self, name, tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Make room for the values to load, then load as every module does."""
        for name, buffer in self._buffers.items():
            found = state_dict.get(prefix + name)
            if buffer is not None and found is not None and found.shape != buffer.shape:
                setattr(self, name, torch.empty_like(found, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
