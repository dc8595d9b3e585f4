"""What transformers does before it loads its first network, done when this is imported: worker processes come with it."""

from contextlib import suppress

import transformers.modeling_utils  # noqa: F401  (most of the time that loading takes)

with suppress(ImportError):  # a part that may move; without it every worker compiles a thousand patterns, for 0.4 s
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("bert")  # of any kind: the mapping of all kinds is made, and kept
