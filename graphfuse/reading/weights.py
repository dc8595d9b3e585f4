"""How much each row counts in training."""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.columns import as_texts
from graphfuse.reading.settings import Weight


def sample_weights(samples: pd.DataFrame, weight: Weight) -> npt.NDArray[np.float64]:
    """Return 1 / (rows of the same split that say the same).  [num_samples].

    Each split is counted by itself, so that test rows never change what a train row weighs.

    Args:
        samples: `split`, and the column that the setting names.
        weight: What counts as saying the same.
    """
    texts = as_texts(samples[weight.repeats]).values.str.casefold()
    plain = {text: re.sub(weight.ignore, "", text, flags=re.IGNORECASE) if weight.ignore else text for text in texts.unique()}
    said = texts.map(plain)
    alone = np.where(said == "", np.arange(len(samples)), -1)
    counts = samples.assign(said=said, alone=alone).groupby(["split", "said", "alone"])["said"].transform("size")
    return 1.0 / counts.to_numpy(dtype=np.float64)
