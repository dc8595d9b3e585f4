"""Where a text is cut: sentences, windows of words, words."""

from typing import Literal

import numpy as np
import regex

from graphfuse.core.tables import IntArray

Unit = Literal["sentence", "window", "word"]

WORD = regex.compile(
    r"https?://\S+"  # an address is one word
    r"|\p{N}+(?:[.,:]\p{N}+)+"  # 3.5, 1,000, 18:57
    r"|[@#]?[\p{L}\p{M}\p{N}_]+(?:['’\-][\p{L}\p{M}\p{N}_]+)*"  # don't, well-known, @user, #topic
    r"|\p{Extended_Pictographic}[\p{M}\u200d\p{Extended_Pictographic}\p{Emoji_Modifier}]*"  # an emoji with what is joined to it
    r"|\p{Regional_Indicator}{2}"  # a flag
)
STOP = regex.compile(
    r"[.!?…؟۔।]+[\"'”’»)\]]*(?=\s)"  # a stop counts where a blank follows: 3.5 and a.b stay whole
    r"|[。！？]+[」』）]*"  # these end a sentence with no blank
    r"|[\r\n]+"
)
ABBREVIATION = regex.compile(
    r"(?:^|[\s(\"'“‘])(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|e\.g|i\.e|cf|no|fig|approx|dept|est|inc|ltd|co|corp|gen|gov|sen|rep"
    r"|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|\p{L}|(?:\p{L}\.)+\p{L})$",
    regex.IGNORECASE,
)


def cut(text: str, unit: Unit, window: int, stride: int) -> IntArray:
    """Return the spans of a text as character offsets, in order; blank stretches belong to no span.  [num_spans, 2].

    Args:
        text: Any text; an empty one has no spans.
        unit: `sentence`, `window` (of `window` words, a new one every `stride` words) or `word`.
        window: Words per window.
        stride: Words from the start of one window to the start of the next.
    """
    if unit == "sentence":
        return _sentences(text)
    words = np.array([match.span() for match in WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)
    if unit == "word" or len(words) == 0:
        return words
    starts = np.arange(0, max(len(words) - window + stride, 1), stride)  # the last window reaches the last word
    ends = np.minimum(starts + window, len(words)) - 1
    return np.stack([words[starts, 0], words[ends, 1]], axis=1)


def _sentences(text: str) -> IntArray:
    spans = []
    start = 0
    for stop in STOP.finditer(text):
        if stop.group() == "." and ABBREVIATION.search(text[max(start, stop.start() - 12) : stop.start()]):
            continue
        spans.append((start, stop.end()))
        start = stop.end()
    spans.append((start, len(text)))
    trimmed = [_trim(text, start, end) for start, end in spans]
    return np.array([(start, end) for start, end in trimmed if start < end], dtype=np.int64).reshape(-1, 2)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - (len(part) - len(part.rstrip()))
