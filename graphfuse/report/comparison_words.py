"""Numbers of a comparison as people say them."""

from graphfuse.report.charts import fixed
from graphfuse.report.data import Estimate


def duration(seconds: float | None) -> str:
    """Return a time as people say it."""
    if seconds is None:
        return "–"
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    if seconds >= 0.9995:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.00995 else f"{1000 * seconds:.1g} ms"


def amount(count: float | None) -> str:
    """Return a large number as people say it: 1.2 k, 3.4 M."""
    if count is None:
        return "–"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 999.5 * size else f"{count / size:.0f} {unit}"
    return f"{count:.0f}"


def chance(p: float | None) -> str:
    """Return a p value: no more digits than it has meaning."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def signed(value: float | None, digits: int = 3) -> str:
    """Return a difference with its sign."""
    if value is None:
        return "–"
    return f"+{fixed(value, digits)}" if round(value, digits) > 0 else fixed(value, digits)


def signed_interval(estimate: Estimate | None, digits: int = 3) -> str:
    """Return a difference with its interval: '+0.03 (+0.01 to +0.05)'."""
    if estimate is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return signed(estimate.value, digits)
    return f"{signed(estimate.value, digits)} ({signed(estimate.low, digits)} to {signed(estimate.high, digits)})"


def rate_words(rate: float) -> str:
    """Return a share of samples."""
    return f"{100 * rate:g}%"


def scale_words(scale: float) -> str:
    """Return a multiple of the features' deviation."""
    return f"{scale:g} σ"


def damage_words(where: str) -> str:
    """Return where parts are missing, or what it was done to."""
    return {
        "test": "in test rows only",
        "training": "in training rows only",
        "training and test": "in training and test rows",
    }.get(where, where)
