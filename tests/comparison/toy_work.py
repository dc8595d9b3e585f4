"""Work that ends in every way; it imports nothing heavy, since processes import it by name."""

import os

from graphfuse.core.errors import InputError


def answer(how: str) -> str:
    """Answer, or end as asked."""
    if how == "mendable":
        raise InputError("The rule (got this). The way out.")
    if how == "bug":
        raise KeyError("lost")
    if how == "memory":
        bytearray(2**62)
    if how == "exit":
        os._exit(3)
    return how.upper()
