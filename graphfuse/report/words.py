"""Text made safe and fit for a page: characters that can do harm, names for people, line breaks."""

import unicodedata
from functools import lru_cache

FORBIDDEN = dict.fromkeys(
    [
        *range(9),
        11,
        12,
        *range(14, 32),
        *range(127, 160),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
        0xFFFE,
        0xFFFF,
    ],
    "\N{REPLACEMENT CHARACTER}",
)
"""Controls (XML forbids them, NUL cuts text short), half characters, and marks that reverse the reading order of what follows."""

NARROW = frozenset("ijltfrI.,:;!|'`()[]{} \"-/\\")
BROAD = frozenset("mwMW@%&—…")


def clean(text: str) -> str:
    """Return text without characters that break XML or disguise what stands there; each leaves a visible mark."""
    return text.translate(FORBIDDEN)


def node_words(node_type: str) -> str:
    """Return a node type as people say it."""
    return node_type.replace("_", " ")


def kind_words(element: str) -> str:
    """Return an edge name as a short sentence: `text_span__resembles__image_region` is 'text span resembles image region'."""
    parts = element.split("__")
    return " ".join(part.replace("_", " ") for part in parts)


def metric_words(name: str) -> str:
    """Return a metric as people write it."""
    written = {"f1": "F1", "roc": "ROC", "auc": "AUC", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
    return " ".join(written.get(part, part) for part in name.split("_"))


def one_line(text: str, most: int) -> str:
    """Return text on one line, cut at `most` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


@lru_cache(maxsize=4096)
def _em(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if unicodedata.combining(character):
        return 0.0
    if character in NARROW:
        return 0.34
    if character in BROAD:
        return 0.92
    return 0.72 if character.isupper() else 0.58


def text_width(text: str, size: float) -> float:
    """Return about how wide text is in a humanist sans, in pixels; rather too much than too little."""
    return size * sum(_em(character) for character in text)


def wrap(text: str, width: float, size: float, most_lines: int) -> list[str]:
    """Return text in lines of at most `width` pixels; a long text ends in '…', a long word is broken."""
    lines: list[str] = []
    line = ""
    for word in clean(text).split():
        for piece in _pieces(word, width, size):
            longer = f"{line} {piece}" if line else piece
            if line and text_width(longer, size) > width:
                lines.append(line)
                line = piece
            else:
                line = longer
            if len(lines) == most_lines:
                return [*lines[:-1], lines[-1].rstrip(" .,") + " …"]
    return [*lines, line] if line else lines


def reads_right_to_left(text: str) -> bool:
    """Return whether the first strong letter belongs to a right-to-left script."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def _pieces(word: str, width: float, size: float) -> list[str]:
    if text_width(word, size) <= width:
        return [word]
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width(pieces[-1] + character, size) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces
