"""Several texts are taken as they are meant."""

import pytest

from graphfuse.core.given import each_of


@pytest.mark.parametrize(
    ("given", "meant"),
    [(None, ()), ((), ()), ("attention", ("attention",)), (["a", "b"], ("a", "b")), (3, ("3",)), ([3, "p4"], ("3", "p4"))],
)
def test_one_text_stands_for_a_list_of_it_and_a_number_for_its_text(given: object, meant: tuple[str, ...]) -> None:
    assert each_of(given) == meant
