"""What a program gives where several texts are asked."""

from collections.abc import Iterable


def each_of(given: object) -> tuple[str, ...]:
    """Return several texts as they are meant: one alone stands for a list of it and is not read letter by letter, None for none.

    Numbers, which ids often are in a program, become the text that they are in a table.
    """
    if given is None:
        return ()
    return tuple(map(str, given)) if isinstance(given, Iterable) and not isinstance(given, str) else (str(given),)
