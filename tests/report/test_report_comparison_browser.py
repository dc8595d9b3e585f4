"""The page of a comparison in a real browser: hostile names, a phone, sorting."""

import json

import pytest
from browser_toys import opened
from comparison_toys import SECTIONS, made_comparison

from graphfuse.report.comparison_page import TITLES, write_comparison


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    write_comparison(path, made_comparison())
    return path


def test_all_sections_are_there_and_the_console_is_silent(browser, made):
    page = opened(browser, made)
    assert page.locator("main h2").all_inner_texts() == list(TITLES.values())
    assert set(SECTIONS) <= {section.get_attribute("id") for section in page.locator("main > section").all()}
    for link in page.locator(".on-page a").all():
        assert page.locator(link.get_attribute("href")).count() == 1
    assert page.noted == []


@pytest.mark.parametrize("script", [True, False])
def test_nothing_sticks_out_on_a_phone(browser, made, script):
    page = opened(browser, made, viewport={"width": 400, "height": 800}, java_script_enabled=script)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator(".ladder .mark").first.is_visible()
    assert page.noted == []


def shown(page):
    """Return the methods of the ladder from top to bottom."""
    return [name.get_attribute("data-value") for name in page.locator(".ladder tbody tr:not(.head) th").all()]


def test_a_head_sorts_the_ladder_over_all_stages_and_back(browser, made):
    page = opened(browser, made)
    before = shown(page)
    head = page.locator(".ladder thead th", has_text="Training")
    head.locator("button").click()
    seconds = [cell.get_attribute("data-value") for cell in page.locator(".ladder tbody tr:not(.head) td:nth-child(9)").all()]
    assert [float(value) for value in seconds if value] == sorted(float(value) for value in seconds if value)
    assert seconds[-1] == "" and "" not in seconds[:-1]  # what failed comes last
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator(".ladder tr.head").first.is_hidden() and page.locator(".stage-name").first.is_visible()
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    page.locator("#by-stage").click()
    assert shown(page) == before
    assert page.locator(".ladder tr.head").first.is_visible() and page.locator("#by-stage").is_hidden()
    assert page.noted == []


def test_dark_and_light_differ_and_both_can_be_read(browser, made):
    colours = {}
    for scheme in ("light", "dark"):
        page = opened(browser, made, color_scheme=scheme)
        colours[scheme] = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert colours["light"][0] != colours["light"][1] and colours["light"] != colours["dark"]


def test_every_picture_says_what_it_shows_and_every_table_has_heads(browser, made):
    page = opened(browser, made)
    assert page.locator("svg:not([aria-hidden]):not([role=img][aria-label])").count() == 0
    assert all(len(svg.get_attribute("aria-label")) > 3 for svg in page.locator("svg[role=img]").all()[::10])
    assert page.locator("table:not(:has(thead th[scope=col]))").count() == 0


PAYLOADS = (
    "<b>x</b>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }}",
    "</title></style><iframe src=http://evil.example></iframe>",
    "\u202egnp.exe nul \x00 \x1b",
)


def poisoned(value, texts):
    """Return the value with every text in it replaced, but for what the page knows by name."""
    if isinstance(value, dict):
        return {
            key: item if key in ("stage", "kind", "metric") else poisoned(item, texts) for key, item in value.items() if key != "baseline"
        }
    if isinstance(value, list):
        return [poisoned(item, texts) for item in value]
    return texts.setdefault(value, f"{len(texts)} {PAYLOADS[len(texts) % len(PAYLOADS)]}") if isinstance(value, str) else value


def test_hostile_text_everywhere_stands_there_as_text(browser, tmp_path):
    comparison = poisoned(json.loads(json.dumps(made_comparison())), {})
    comparison["baseline"] = comparison["rows"][1]["name"]
    write_comparison(tmp_path / "comparison.html", comparison)
    page = opened(browser, tmp_path / "comparison.html", viewport={"width": 400, "height": 800})
    page.locator(".ladder thead button").first.click()
    assert page.noted == []
    assert page.locator("script").count() == 1 and page.locator("style").count() == 1
    assert page.locator("b, iframe, img, form, base, a:not([href^='#'])").count() == 0
    assert "<b>x</b>" in page.locator(".ladder").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
