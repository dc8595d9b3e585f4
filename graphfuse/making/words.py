"""English-like sentences, each of which names one coloured shape; and what people reply."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from graphfuse.making.drawing import COLOURS, SHAPES

SUBJECTS = ("She", "He", "Anna", "Omar", "Mia", "Noah", "Lena", "Ivan", "Ruth", "Paul")
VERBS = ("wore", "drew", "found", "painted", "carried", "noticed", "sold", "kept", "bought", "mentioned")
ADVERBS = ("yesterday", "outside", "together", "downtown", "quietly", "today", "early", "twice", "upstairs", "again", "nearby", "slowly")
MOODS = {1: ("lovely", "splendid", "cheerful", "delightful"), -1: ("dreadful", "miserable", "gloomy", "horrid")}
"""Words that carry the label in the worlds `text` and `redundant`, and appear in no other."""

REPLIES = (
    "I was there as well.",
    "Where did you see this?",
    "Thank you for sharing.",
    "That looks familiar to me.",
    "We talked about it this morning.",
    "Not sure what to think of it.",
    "Could you post another one?",
    "My sister said the same.",
)


def write_text(pairs: Sequence[int], mood: int, num_shapes: int, fillers: tuple[int, int], rng: np.random.Generator) -> str:
    """Return a text, one sentence per pair.

    Args:
        pairs: `colour * num_shapes + shape` of each sentence; those below 0 are left out.
        mood: 1 or -1 puts one word of that mood in one sentence, 0 puts none.
        num_shapes: Shapes in the palette, to read `pairs`.
        fillers: Fewest and most words of a sentence that are neither the pair nor its article.
        rng: Where the words come from.
    """
    named = [pair for pair in pairs if pair >= 0]
    place = int(rng.integers(len(named)))
    moods = ["" if mood == 0 or k != place else MOODS[mood][rng.integers(len(MOODS[mood]))] for k in range(len(named))]
    return " ".join(_sentence(pair, word, num_shapes, fillers, rng) for pair, word in zip(named, moods, strict=True))


def _sentence(pair: int, mood: str, num_shapes: int, fillers: tuple[int, int], rng: np.random.Generator) -> str:
    """Return something like `She wore a red circle yesterday.`."""
    colour, shape = list(COLOURS)[pair // num_shapes], list(SHAPES)[pair % num_shapes]
    draw = rng.integers(1 << 30, size=rng.integers(fillers[0], fillers[1] + 1))
    adverbs = [ADVERBS[k % len(ADVERBS)] for k in draw[2:]]
    words = [SUBJECTS[draw[0] % len(SUBJECTS)], VERBS[draw[1] % len(VERBS)], "a", mood, colour, shape, *adverbs]
    return " ".join(word for word in words if word) + "."


def write_replies(count: int, rng: np.random.Generator) -> npt.NDArray[np.str_]:
    """Return `count` replies, which say nothing of any post."""
    return np.array(REPLIES)[rng.integers(len(REPLIES), size=count)]
