"""The bench says what it measured: ratios, tables, fitted exponents, and what is kept between runs."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "speed"


@pytest.fixture(scope="module")
def bench():
    """Import parts of the bench by name, as its own files do."""
    before = list(sys.path)
    sys.path.insert(0, str(FOLDER))
    import clock
    import growth_picture
    import pages
    import rows

    yield {"clock": clock, "picture": growth_picture, "pages": pages, "rows": rows}
    sys.path[:] = before


@pytest.fixture
def row(bench):
    def times(cpu, wall=None):
        return bench["clock"].Times(cpu=cpu, wall=wall or cpu, rounds=5)

    def made(ours, peers, limits=None, **more):
        limit = {"limit": "a copy", "limits": None if limits is None else times(limits)} if limits else {}
        known = {"work": "a batch", "peer": "a loop", "goal": 30, "floor": 8, "equal": "all"}
        return bench["rows"].Row(ours=times(*ours), peers=times(*peers), **{**known, **limit, **more})

    return made


@pytest.fixture
def found():
    """Return figures of two stages: one that costs 10 µs a sample, one that grows with the square."""
    sizes = (1_000, 10_000, 100_000)

    def figures(seconds, private):
        return {
            str(size): {
                "cpu_seconds": seconds(size),
                "private_bytes": private(size),
                "peak_bytes": private(size) + 5e6,
                "stored_bytes": 900 * size,
            }
            for size in sizes
        }

    return {"convert": figures(lambda n: n * 1e-5, lambda n: 1e6 + 100 * n), "open": figures(lambda n: (n * 1e-6) ** 2, lambda n: 2e6)}


def test_a_row_tells_how_many_times_its_peer_and_its_limit_it_takes(row):
    quick = row((0.001,), (0.04,), 0.0005, goal_limit=3)
    assert (quick.ratio, quick.times_limit, quick.reached) == (40, 2, True)
    assert not row((0.001,), (0.02,)).reached
    assert not row((0.001,), (0.04,), 0.0001, goal_limit=3).reached
    assert row((0.001,), (0.02,)).times_limit is None


def test_a_row_is_by_processor_time_unless_it_says_wall_time(row):
    assert row((1.0, 10.0), (2.0, 5.0)).ratio == 2
    assert row((1.0, 10.0), (2.0, 5.0), by="wall").ratio == 0.5


def test_a_row_is_disturbed_when_one_contestant_waited_and_another_did_not(row):
    assert row((1.0, 2.0), (1.0, 1.0)).disturbed
    assert not row((1.0, 2.0), (1.0, 2.0)).disturbed
    assert not row((1.0, 2.0), (1.0, 1.0), by="wall").disturbed


def test_the_table_marks_what_missed_its_goal(bench, row):
    lines = bench["rows"].markdown([[row((0.001,), (0.04,), 0.0005, goal_limit=3)], [row((0.001,), (0.02,))]]).splitlines()
    assert lines[2] == "| a batch | 1 ms | a loop: 40 ms | **40** (≥ 30) | a copy: 500 µs | 2 (≤ 3) |"
    assert lines[3] == "| a batch | 1 ms | a loop: 20 ms | **20** (≥ 30) ✗ |  |  |"


def test_what_must_be_known_of_rows_stands_below_the_table(bench, row):
    rows = [row((0.001,), (0.04,), note="cold"), row((0.001,), (0.02,)), row((0.001,), (0.02,), note="cold")]
    assert bench["rows"].markdown([each] for each in rows).splitlines()[5:] == ["", "- a batch: cold"]


def test_of_several_runs_the_table_has_the_one_in_the_middle_and_the_span_of_all(bench, row):
    runs = [row((0.001,), (0.044,)), row((0.001,), (0.029,)), row((0.001,), (0.018,)), row((0.001,), (0.036,))]
    assert bench["rows"].middle(runs) is runs[1]  # of an even number the lower
    lines = bench["rows"].markdown([runs]).splitlines()
    assert lines[2] == "| a batch | 1 ms | a loop: 29 ms | **29** [18, 44] (≥ 30) ✗ |  |  |"
    assert "| **29** [18, 44] (≥ 30) ✗ |" in bench["rows"].summary([runs])


def test_runs_are_matched_by_work_and_peer(bench, row):
    one, other = row((0.001,), (0.04,)), row((0.001,), (0.02,), work="another batch")
    first, second = [one.to_json(), other.to_json()], [other.to_json(), one.to_json()]
    found = bench["pages"].by_row([first, second, [one.to_json()]])
    assert found == [[one, one, one], [other, other]]
    assert bench["pages"].repeated(found).startswith("; 2 to 3 runs of each work")
    assert bench["pages"].repeated([[one], [other]]) == ""


def test_a_row_comes_back_from_json_as_it_was(bench, row):
    one = row((0.001, 0.002), (0.04, 0.05), 0.0005, goal_limit=3, by="wall", note="cold")
    assert bench["pages"].row_from(json.loads(json.dumps(one.to_json()))) == one


def test_only_the_table_between_the_marks_of_a_page_is_written_anew(bench, row, tmp_path):
    page = tmp_path / "experiments" / "speed" / "README.md"
    page.parent.mkdir(parents=True)
    for path in (page, tmp_path / "README.md"):
        path.write_text("before\n<!-- speed: begin -->\nold\n<!-- speed: end -->\nafter\n", encoding="utf-8")
    machine = {"gpu": "", "processor": "a processor", "cores": 2, "torch": "2.15"}
    found = {"machine": machine, "works": {"batches": [[row((0.001,), (0.04,)).to_json()]]}}
    (page.parent / "results.json").write_text(json.dumps(found), encoding="utf-8")
    bench["pages"].write_pages(page.parent, "cpu")
    for path in (page, tmp_path / "README.md"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
        assert "**40** (≥ 30)" in text and "a processor, 2 cores" in text


def test_figures_of_a_gpu_are_kept_apart_under_its_name(bench, row, tmp_path):
    page = tmp_path / "experiments" / "speed" / "README.md"
    page.parent.mkdir(parents=True)
    page.write_text(
        "<!-- speed: begin -->\nkept\n<!-- speed: end -->\n<!-- speed-cuda: begin -->\n<!-- speed-cuda: end -->\n", encoding="utf-8"
    )
    (tmp_path / "README.md").write_text("<!-- speed: begin -->\nkept\n<!-- speed: end -->\n", encoding="utf-8")
    machine = {"gpu": "NVIDIA X", "processor": "a processor", "cores": 2, "torch": "2.15"}
    found = {"machine": machine, "works": {"epoch": [[row((0.001,), (0.04,)).to_json()]]}}
    (page.parent / "results-cuda.json").write_text(json.dumps(found), encoding="utf-8")
    bench["pages"].write_pages(page.parent, "cuda")
    kept, of_gpu = page.read_text(encoding="utf-8").split("<!-- speed-cuda: begin -->")
    assert "kept" in kept and "NVIDIA X" not in kept
    assert "**40** (≥ 30)" in of_gpu and "Networks on one NVIDIA X; a processor" in of_gpu
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "<!-- speed: begin -->\nkept\n<!-- speed: end -->\n"


def test_a_straight_line_has_exponent_1_and_a_square_2(bench, found):
    picture = bench["picture"]
    assert picture.exponent(*picture.series(found, "convert", "cpu_seconds")) == pytest.approx(1)
    assert picture.exponent(*picture.series(found, "open", "cpu_seconds")) == pytest.approx(2)
    assert picture.exponent([10, 100], [1, 1]) == 0
    assert picture.exponent([10, 100], [1, 10], first=100) is None


def test_a_further_sample_costs_the_slope_between_the_last_sizes(bench, found):
    picture = bench["picture"]
    assert picture.per_sample(*picture.series(found, "convert", "private_bytes")) == pytest.approx(100)
    assert picture.per_sample([50], [100.0]) == 2


def test_the_tables_of_growth_have_every_size_and_the_exponents(bench, found):
    lines = bench["picture"].markdown(found).splitlines()
    assert lines[0].startswith("| processor time | 1 k | 10 k | 100 k | exponent from 10 k |")
    assert lines[2] == "| convert | 10 ms | 100 ms | 1 s | 1.00 | 1.00 | 10 µs |"
    assert lines[7] == "| convert | 1 MB | 2 MB | 11 MB | 0.74 | 5 MB | 100 B |"


def test_what_stands_between_the_marks_of_another_name_stays(bench):
    page = "<!-- growth: begin -->\nold\n<!-- growth: end -->\n"
    assert bench["pages"].on_page(page, "growth", "new") == "<!-- growth: begin -->\nnew\n<!-- growth: end -->\n"
    assert bench["pages"].on_page(page, "speed", "new") == page


def test_the_picture_names_every_stage_with_its_exponent(bench, found):
    drawn = bench["picture"].drawn(found)
    ElementTree.fromstring(drawn)
    assert ">convert 1.00<" in drawn and ">open 2.00<" in drawn
    assert ">convert 11 MB<" in drawn and ">store on disk 90 MB<" in drawn


def test_names_at_the_ends_of_lines_do_not_overlap(bench):
    places = bench["picture"].apart([10.0, 100.0, 12.0, 11.0], distance=15)
    assert sorted(places) == [places[0], places[3], places[2], places[1]]
    ends = sorted(places)
    assert min(below - above for above, below in pairwise(ends)) >= 15 - 1e-9
    assert places[1] == 100


def test_growth_measures_every_stage_once_and_draws(tmp_path):
    command = [sys.executable, str(FOLDER / "growth.py"), "--sizes", "80", "160", "--out", str(tmp_path), "--work", str(tmp_path / "work")]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads((tmp_path / "growth.json").read_text(encoding="utf-8"))
    assert list(found) == ["make", "convert", "open", "load", "train", "predict", "analyse"]
    assert all(list(figures) == ["80", "160"] for figures in found.values())
    assert all(figures["160"]["cpu_seconds"] > 0 and figures["160"]["peak_bytes"] > 0 for figures in found.values())
    assert "| analyse |" in first and "analyse 160:" in first
    ElementTree.parse(tmp_path / "growth.svg")
    assert not (tmp_path / "work" / "160").exists()  # what was made is gone
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "analyse 160:" not in again and "| analyse |" in again
