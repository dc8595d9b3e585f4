import itertools
import json
import math
import re

import pytest
from comparison_toys import MODELS, SECTIONS, estimate, made_comparison

from graphfuse.comparison.conclusions import conclusions
from graphfuse.report.comparison_cost import cost_plot
from graphfuse.report.comparison_curves import curve_panels, reliabilities
from graphfuse.report.comparison_page import TITLES, render_comparison, write_comparison
from graphfuse.report.comparison_rows import read_ladder
from graphfuse.report.comparison_sections import control_tables, heat_tables, tuning_rows
from graphfuse.report.comparison_words import amount, chance, duration, rate_words, signed


@pytest.fixture(scope="module")
def comparison():
    return made_comparison()


@pytest.fixture(scope="module")
def page(comparison):
    return render_comparison(comparison)


def words(page):
    """Return what stands on the page, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page[page.index("<header") :])).replace(" .", ".")


def row(name, test, validation=None, *, kind="model", stage="early", p=None, difference=0.1, **more):
    """Return a row of one metric."""
    ends = {"low": difference - 0.05, "high": difference + 0.05}
    against = None if p is None else {"difference": difference, **ends, "p": p / 2, "p_corrected": p, "effect_size": 1.0}
    return {
        "name": name,
        "kind": kind,
        "stage": stage,
        "seeds": [0],
        "test": {"m": estimate([test])},
        "validation": {"m": estimate([test if validation is None else validation])},
        "against_baseline": against,
        **more,
    }


def small(*rows, **more):
    return {"metric": "m", "higher_is_better": True, "baseline": "text only", "seeds": [0], "num_test": 7, "rows": list(rows), **more}


TEXT = row("text only", 0.6, kind="unimodal")


def test_every_section_that_was_asked_for_is_there_and_no_other(comparison, page):
    assert all(f'<h2 id="{name}-title">{title.replace("?", "?")}</h2>' in page for name, title in TITLES.items())
    bare = render_comparison(made_comparison(sections=()))
    assert not any(f'id="{name}-title"' in bare for name in SECTIONS)
    assert 'id="ladder-title"' in bare and 'id="cost-title"' in bare


def test_every_row_is_in_the_table_under_its_stage(comparison, page):
    ladder = read_ladder(comparison, 200)
    assert sorted(row.name for row in ladder.rows) == sorted(row["name"] for row in comparison["rows"])
    assert [group for group, _, _ in ladder.groups] == ["baseline", "early", "intermediate", "late", "kernel", "graph"]
    assert {row.name for row in {group: rows for group, _, rows in ladder.groups}["late"]} == set(MODELS["late"])
    assert page.count('<th scope="row" data-value=') == len(comparison["rows"])


def test_the_best_is_chosen_on_validation_not_on_test():
    made = small(TEXT, row("lucky", 0.9, validation=0.7, p=0.01), row("chosen", 0.8, validation=0.75, p=0.01))
    ladder = read_ladder(made, 200)
    assert ladder.best.name == "chosen"
    assert [row.name for row in ladder.rows] == ["text only", "chosen", "lucky"]
    assert "the method to take is chosen: its m on the test rows is 0.800, beside 0.600 for the baseline, text only." in words(
        render_comparison(made)
    )


def test_the_ends_of_an_interval_have_as_many_digits_as_its_middle():
    nearly = {"m": {"mean": 0.9996, "low": 0.9991, "high": 1.0001, "values": [0.9996]}}
    assert "is 1.000 (0.999 to 1.000), beside" in words(render_comparison(small(TEXT, {**row("concat", 0.9, p=0.01), "test": nearly})))


def test_what_learned_from_validation_rows_is_marked_and_passed_over():
    flattered = {**row("stacking", 0.7, validation=0.99, p=0.01), "learned_from_validation": True}
    made = small(TEXT, flattered, row("chosen", 0.8, validation=0.75, p=0.01))
    assert read_ladder(made, 200).best.name == "chosen"
    said = words(render_comparison(made))
    assert "the method to take is chosen" in said
    assert "0.990learned from" in said and "that was also “learned from” flatters its method" in said
    alone = words(render_comparison(small(TEXT, flattered)))
    assert "the method to take is stacking" in alone and "It learned from validation rows too, which flatters the choice." in alone
    assert "“learned from”" not in words(render_comparison(small(TEXT, row("concat", 0.7))))


def test_where_text_alone_wins_the_page_says_so():
    made = small(row("text only", 0.6, 0.7, kind="unimodal"), row("concat", 0.65, 0.6, p=0.5))
    said = words(render_comparison(made))
    assert "No fusion method is better on validation rows than the baseline, text only, whose m on the test rows is 0.600." in said
    assert "The best of them on validation, concat, has 0.650." in said
    assert "Of 1 method none are better than the baseline by more than chance explains, none are worse." in said


def test_methods_that_learned_from_validation_rows_are_no_rivals_of_the_baseline_there():
    flattered = {**row("stacking", 0.7, validation=0.99, p=0.5), "learned_from_validation": True}
    said = words(render_comparison(small(row("text only", 0.6, 0.7, kind="unimodal"), flattered, row("concat", 0.65, 0.6, p=0.5))))
    assert "No fusion method that did not learn from them is better on validation rows than the baseline" in said


def test_a_choice_that_is_worse_on_test_rows_is_called_so():
    said = words(render_comparison(small(TEXT, row("concat", 0.5, validation=0.8, p=0.01, difference=-0.1))))
    assert "the method to take is concat" in said
    assert "On the test rows it is worse than the baseline by more than chance explains." in said


@pytest.mark.parametrize(
    ("keep", "tuning", "said"),
    [
        ("best", [], "Epochs were chosen on validation rows, nothing on test rows."),
        ("last", [{"name": "concat"}], "Settings were chosen on validation rows, nothing on test rows."),
        ("best", [{"name": "concat"}], "Epochs and settings were chosen on validation rows, nothing on test rows."),
        ("last", [], "Nothing was chosen on test rows."),
    ],
)
def test_the_page_says_what_was_chosen_on_which_rows(keep, tuning, said):
    assert said in words(render_comparison(small(TEXT, row("concat", 0.7), experiment={"train": {"keep": keep}}, tuning=tuning)))


def test_a_row_without_a_value_on_validation_rows_does_not_compete_by_its_test_value():
    odd = {**row("odd", 0.9), "validation": {}}
    ladder = read_ladder(small(TEXT, odd, row("concat", 0.7, validation=0.65)), 200)
    assert ladder.best.name == "concat"
    assert [each.name for each in ladder.rows][-1] == "odd"


def test_with_one_seed_nobody_is_counted_as_tested():
    alone = row("concat", 0.7, p=0.5)
    alone["against_baseline"] |= {"low": None, "high": None, "p": None, "p_corrected": None}
    said = words(render_comparison(small(TEXT, alone)))
    assert "by more than chance explains" not in said
    assert "The two cannot be told apart." in said


def test_a_gain_by_tuning_is_a_gain_also_where_less_is_better():
    (found,) = tuning_rows([{"name": "concat", "default": 0.9, "validation": 0.8}], higher_is_better=False)
    assert found.gain == pytest.approx(0.1)


def test_without_validation_rows_the_page_says_that_its_choice_flatters():
    made = small({**TEXT, "validation": {}}, {**row("concat", 0.65), "validation": {}}, {**row("pca", 0.7), "validation": {}})
    said = words(render_comparison(made))
    assert (
        "There are no validation rows with a target to choose by. Best on the test rows, which flatters it, is pca: its m is 0.700." in said
    )
    assert "chosen on validation" not in said.lower()


def test_of_equally_good_methods_the_page_takes_the_one_that_the_conclusions_take():
    made = small(TEXT, row("average", 0.65, stage="late"), row("concat", 0.65))
    assert "the method to take is average: its m" in words(render_comparison(made))
    assert conclusions({**made, "rows": [{"failures": [], "learned_from_validation": False, **each} for each in made["rows"]]})[
        0
    ].startswith("Best on validation rows: average, ")


def test_where_test_rows_leave_the_metric_undefined_page_and_conclusions_say_so():
    nothing = {"test": {}, "parameters": 7, "failures": [], "learned_from_validation": False}
    made = small({**TEXT, **nothing}, {**row("concat", 0.5), **nothing})
    sentence = "The test rows give no m: they may be of one class, or have no targets. Choose another metric in task.select_by."
    assert sentence in words(render_comparison(made))
    assert conclusions(made) == [sentence]


def test_where_validation_rows_leave_the_metric_undefined_the_page_says_so():
    other = {"accuracy": {"mean": 1.0, "low": None, "high": None, "values": [1.0]}}
    said = words(render_comparison(small({**TEXT, "validation": other}, {**row("pca", 0.7), "validation": other})))
    assert "The validation rows give no m to choose by. Best on the test rows, which flatters it, is pca: its m is 0.700." in said
    assert "There are no validation rows" not in said


def test_a_best_method_that_cannot_be_told_from_the_baseline_is_called_that():
    assert "The two cannot be told apart." in words(render_comparison(small(TEXT, row("concat", 0.65, p=0.5))))
    assert "The two cannot be told apart." not in words(render_comparison(small(TEXT, row("concat", 0.65, p=0.01))))


@pytest.mark.parametrize(
    ("difference", "p", "higher", "verdict"),
    [
        (0.1, 0.01, True, "better"),
        (-0.1, 0.01, True, "worse"),
        (0.1, 0.01, False, "worse"),
        (-0.1, 0.01, False, "better"),
        (0.1, 0.051, True, "same"),
    ],
)
def test_marks_follow_the_corrected_p_and_the_direction_of_the_metric(difference, p, higher, verdict):
    made = small(TEXT, row("x", 0.5, p=p, difference=difference), higher_is_better=higher)
    (found,) = (row for row in read_ladder(made, 200).rows if row.name == "x")
    assert found.against.verdict == verdict


def test_a_difference_whose_interval_over_rows_and_seeds_holds_0_is_not_told_apart():
    made = small(TEXT, row("x", 0.5, p=0.01, difference=0.1))
    (entry,) = (entry for entry in made["rows"] if entry["name"] == "x")
    for low, verdict in ((0.01, "better"), (-0.01, "same")):
        entry["against_baseline"] |= {"low": low, "high": 0.2}
        (found,) = (row for row in read_ladder(made, 200).rows if row.name == "x")
        assert found.against.verdict == verdict


def test_where_lower_is_better_the_lowest_on_validation_comes_first():
    made = small(TEXT, row("a", 3.0), row("b", 2.0), row("c", 4.0), higher_is_better=False)
    assert [row.name for row in read_ladder(made, 200).rows] == ["text only", "b", "a", "c"]
    assert "Lower is better." in words(render_comparison(made))


def test_the_page_says_where_intervals_of_differences_come_from(page):
    assert "comes from 2,000 draws of samples, and from the deviation over seeds" in words(page)
    assert "draws of" not in words(render_comparison(small(TEXT, row("a", 0.7, p=0.5))))


def test_dots_share_one_scale_with_the_baseline_as_a_line():
    ladder = read_ladder(small(TEXT, row("a", 0.6), row("b", 0.8)), 200)
    place = {row.name: row.dot.x for row in ladder.rows}
    assert place["a"] == place["text only"] == ladder.line
    assert 0 <= place["a"] < place["b"] <= 200


def test_the_wide_intervals_of_two_seeds_do_not_hide_the_rest():
    wide = {"mean": 0.7, "std": 0.1, "low": -3.0, "high": 0.75, "values": [0.6, 0.8]}
    ladder = read_ladder(small(TEXT, row("a", 0.65), {**row("b", 0.7), "test": {"m": wide}}), 200)
    (b,) = (row for row in ladder.rows if row.name == "b")
    assert b.goes_on == (True, False)
    assert b.dot.low == pytest.approx(0, abs=20) and b.dot.x - ladder.line > 40
    assert b.test.low == -3.0  # the table has it all


def test_one_seed_has_no_interval_and_the_page_says_so():
    page = render_comparison(made_comparison(seeds=(0,)))
    assert "with one seed, how much is chance is not known" in words(page)
    assert "trained on the same store, the same split and the same features, once" in words(page)


def test_failed_seeds_are_told_with_their_message_and_alike_ones_together(page):
    assert "gated_edges0, 1, 2, 3, 4MemoryError: cannot allocate 64 GiB" in words(page).replace(" 0, 1", "0, 1").replace("4 M", "4M")
    assert "became nan in epoch 3" in page


def test_a_comparison_without_rows_or_with_failures_only_is_still_a_page():
    assert "No fusion method has results yet." in words(render_comparison({"metric": "m", "rows": []}))
    failed = {"name": "x", "failures": [{"seed": 0, "error": "boom"}]}
    said = words(render_comparison(small(failed)))
    assert "boom" in said and "What it costs" not in said


def test_what_is_not_a_finite_number_is_left_out():
    made = small(TEXT, {**row("x", math.nan), "train_seconds": math.inf, "parameters": math.nan})
    page = render_comparison(made)
    assert "nan" not in page[page.index("<main") :] and "inf" not in re.sub(
        r"<[^>]+>", "", page[page.index("<main") : page.index("<footer")]
    )


def test_the_page_names_nothing_outside_itself(page):
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert not re.findall(r"(?:src|href|action|data|poster|srcset)=\"(?!#|data:)", page)
    assert "://" not in page and " style=" not in page and not re.search(r"\son\w+=", page)


def test_text_is_escaped_wherever_it_comes_from():
    evil = "<b>x</b>"
    made = json.loads(json.dumps(made_comparison()).replace('"concat"', json.dumps(evil)).replace("flood in the north", evil))
    made["notes"] = [evil]
    made["experiment"] = {evil: evil}
    made["metric"] = "macro_f1"
    page = render_comparison(made)
    assert evil not in page
    assert page.count("&lt;b&gt;x&lt;/b&gt;") > 10


def test_the_same_comparison_gives_the_same_bytes(tmp_path, comparison):
    for name in ("a", "b"):
        write_comparison(tmp_path / name, comparison)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_line_of_cost_joins_what_nothing_cheaper_reaches():
    costs = {"cheap": (0.6, 1), "dear": (0.9, 100), "wasteful": (0.7, 1000), "middle": (0.8, 10), "beaten": (0.75, 20)}
    made = small(*(row(name, value, train_seconds=seconds) for name, (value, seconds) in costs.items()))
    plot = cost_plot(read_ladder(made, 200), "train_seconds", "time", 300, 200)
    assert plot.frontier.count("L") == 2
    assert {point.name for point in plot.points if point.label} <= {"cheap", "middle", "dear"}
    x = {point.name: point.x for point in plot.points}
    assert x["middle"] - x["cheap"] == pytest.approx(x["dear"] - x["middle"])  # logarithmic


def test_one_method_makes_no_picture_of_cost():
    assert cost_plot(read_ladder(small(row("a", 0.5, train_seconds=1.0)), 200), "train_seconds", "time", 300, 200) is None


def curve(name, mean, area, modality="text", where="test"):
    return {
        "name": name,
        "modality": modality,
        "where": where,
        "rates": [0.0, 0.5, 1.0],
        "mean": mean,
        "low": None,
        "high": None,
        "area": area,
    }


def test_curves_share_a_scale_and_a_method_its_colour_in_all_panels():
    curves = [
        curve(name, [0.9, 0.5, level], level, where=where) for where in ("test", "training") for name, level in (("a", 0.2), ("b", 0.4))
    ]
    first, second = curve_panels(curves, ["b", "a"], 200, 100, rate_words)
    assert (first.where, second.where) == ("test", "training")
    colours = [{line.name: line.colour for line in panel.lines} for panel in (first, second)]
    assert colours[0] == colours[1] == {"b": 0, "a": 1}
    assert first.x_ticks[-1] == (200, "100%")


def test_the_panels_of_a_modality_stand_together():
    wheres = ("test", "training and test", "training")
    curves = [curve("a", [0.9, 0.5, 0.2], 0.5, modality, where) for where in wheres for modality in ("text", "image")]
    panels = curve_panels(curves, ["a"], 200, 100, rate_words)
    assert [(panel.modality, panel.where) for panel in panels] == [
        (modality, where) for modality in ("text", "image") for where in ("test", "training", "training and test")
    ]


def test_a_band_goes_no_further_than_the_axis():
    (panel,) = curve_panels([{**curve("a", [0.9, 0.8, 0.7], 0.8), "low": [-5, -5, -5], "high": [5, 5, 5]}], ["a"], 200, 100, rate_words)
    heights = [float(part.split()[-1]) for part in panel.lines[0].band.strip("M Z").split(" L")]
    assert min(heights) == pytest.approx(0) and max(heights) == pytest.approx(100)


def test_beyond_seven_methods_curves_are_grey_and_names_do_not_collide():
    curves = [curve(f"method-{i}", [0.9, 0.7, 0.5], 0.5 + i / 100) for i in range(12)]
    (panel,) = curve_panels(curves, [f"method-{i}" for i in reversed(range(12))], 200, 150, rate_words)
    assert [line.colour for line in panel.lines[:5]] == [-1] * 5
    feet = sorted(line.label[1] for line in panel.lines if line.label)
    assert len(feet) == 7
    assert all(later - earlier >= 12.9 for earlier, later in itertools.pairwise(feet))
    assert feet[-1] <= 160


def test_reliability_puts_the_best_calibrated_first_and_leaves_empty_bins_out():
    bins = [{"confidence": 0.9, "accuracy": 0.6, "count": 10}, {"confidence": 0.5, "accuracy": 0.5, "count": 0}]
    found = reliabilities([{"name": "a", "ece": 0.3, "bins": bins}, {"name": "b", "ece": 0.1, "bins": bins}], 100)
    assert [diagram.name for diagram in found] == ["b", "a"]
    ((x, y, _, told),) = found[0].bins
    assert (x, y) == (pytest.approx(90), pytest.approx(40))
    assert told == "90% sure, 60% came true, 10 predictions"


def test_controls_are_bars_on_one_scale_over_all_models():
    made = [
        {"model": "a", "control": "no_edges", "difference": -0.4, "low": -0.5, "high": -0.3, "p": 0.01, "sentence": "Worse."},
        {
            "model": "b",
            "control": "no links",
            "description": "All links.",
            "difference": -0.2,
            "low": -0.3,
            "high": -0.1,
            "p": 0.01,
            "p_corrected": 0.02,
            "sentence": "Worse.",
        },
    ]
    (_, (first,)), (_, (second,)) = control_tables(made, 100)
    assert first.bar.width == pytest.approx(2 * second.bar.width)
    assert (first.what, first.p) == ("no_edges", 0.01)
    assert (second.what, second.p) == ("All links.", 0.02)


@pytest.mark.parametrize("higher", [True, False])
def test_the_better_a_group_the_stronger_its_colour(higher):
    items = [{"name": name, "column": "c", "group": "g", "rows": 3, "mean": mean} for name, mean in (("a", 0.2), ("b", 0.8))]
    (table,) = heat_tables(items, higher)
    shades = {name: cells[0].shade for name, cells in table.rows}
    assert (shades["b"] > shades["a"]) == higher


def test_a_method_without_results_on_a_group_has_an_empty_cell():
    items = [
        {"name": "a", "column": "c", "group": "g", "rows": 3, "mean": 0.5},
        {"name": "b", "column": "c", "group": "h", "rows": 9, "mean": 0.5},
    ]
    (table,) = heat_tables(items, True)
    assert table.groups == (("h", 9), ("g", 3))
    assert table.rows[0][1][0] is None and table.rows[0][1][1].value.value == 0.5


def test_tuning_tells_what_was_gained():
    (found,) = tuning_rows([{"name": "a", "trials": 5, "best_settings": {"x": 0.123456}, "validation": 0.8, "default": 0.7}], True)
    assert found.gain == pytest.approx(0.1)
    assert found.settings == (("x", "0.1235"),)


def test_numbers_are_said_as_people_say_them():
    assert [duration(value) for value in (None, 0.0004, 0.012, 1.0, 12.3, 100, 150, 9000)] == [
        "–", "0.4 ms", "12 ms", "1.0 s", "12 s", "100 s", "2.5 min", "2.5 h",
    ]  # fmt: skip
    assert [amount(value) for value in (None, 12, 999, 1234, 2_900_000, 1_100_000_000)] == ["–", "12", "999", "1.23 k", "2.9 M", "1.1 G"]
    assert [chance(value) for value in (None, 0.0001, 0.0123, 0.5)] == ["–", "< 0.001", "0.012", "0.50"]
    assert [signed(value) for value in (None, 0.1, -0.1, 0.0001)] == ["–", "+0.100", "−0.100", "0.000"]
