"""The ladder's pages say what its comparisons found."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "ladder"


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("ladder_tables", FOLDER / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name, stage, mean, half=0.01, kind="model"):
    accuracy = {"mean": mean, "low": mean - half, "high": mean + half}
    return {"name": name, "stage": stage, "kind": kind, "train_seconds": 1.0, "test": {"accuracy": accuracy}}


def world(**means):
    rows = [row("late_one", "late", means["late"]), row("graph_one", "graph", means["graph"]), row("early_one", "early", means["early"])]
    alone = [row("text only", "unimodal", means["text"], kind="unimodal"), row("majority", "majority", 0.5, 0, kind="majority")]
    return {"rows": [*rows, *alone], "conclusions": ["Best: graph_one."]}


@pytest.fixture
def found():
    easy = world(late=0.9, graph=0.895, early=0.9, text=0.9)
    return {"text": easy, "image": easy, "redundant": easy, "combination": world(late=0.505, graph=0.99, early=0.7, text=0.5)}


def test_the_matrix_has_every_method_by_stage_with_its_accuracy_in_every_world(tables, found):
    rows = tables.matrix(found)
    assert [line["name"] for line in rows] == ["early_one", "late_one", "graph_one", "text only", "majority"]
    assert rows[2]["combination"]["mean"] == 0.99
    assert (
        tables.markdown(rows).splitlines()[4]
        == "| `graph_one` | graph | 0.895 ± 0.010 | 0.895 ± 0.010 | 0.895 ± 0.010 | 0.990 ± 0.010 | 1.0 |"
    )


def test_the_page_tells_the_best_those_between_and_those_at_chance_apart(tables, found):
    said = "\n".join(tables.sentences(tables.matrix(found), found)).split("### ")
    easy, hard = said[1], said[4]
    assert "as good as the best (`early_one`, 0.900 ± 0.010): *early* `early_one`; *late* `late_one`; *graph* `graph_one`" in easy
    assert "above its interval: none." in easy
    assert "as good as the best (`graph_one`, 0.990 ± 0.010): *graph* `graph_one`" in hard
    assert "- between: *early* `early_one` 0.70" in hard
    assert "- at chance: *late* `late_one`" in hard


def test_a_method_that_failed_in_one_world_is_left_out_of_the_matrix(tables, found):
    found["image"] = world(late=0.9, graph=0.9, early=0.9, text=0.9)
    del found["image"]["rows"][0]["test"]["accuracy"]
    assert "late_one" not in [line["name"] for line in tables.matrix(found)]


def test_only_what_stands_between_the_marks_of_a_page_is_written_anew(tables, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- films -->\nold\n<!-- /films -->\nafter\n", encoding="utf-8")
    tables.fill(page, "films", "new \\1")
    assert page.read_text(encoding="utf-8") == "before\n<!-- films -->\n\nnew \\1\n\n<!-- /films -->\nafter\n"


def test_the_picture_names_every_method(tables, found):
    drawn = tables.picture(tables.matrix(found))
    assert all(name in drawn for name in ("early_one", "late_one", "graph_one", "text only"))
    assert drawn.count(">0.990<") == 1
