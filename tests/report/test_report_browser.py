"""Hostile text in every field of a report, opened in a real browser (threat T9)."""

import dataclasses

import pytest
from browser_toys import opened
from report_toys import SUMMARY, made_predictions, made_store, made_tables

from graphfuse.report.collect import collect
from graphfuse.report.page import write_report

PAYLOADS = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    '"><svg onload=alert(3)>',
    "' onmouseover='alert(4)",
    "javascript:alert(5)",
    "</style><style>@import 'http://evil.example/a.css'</style>",
    "</title><iframe src=http://evil.example></iframe>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "<!--<script>",
    "]]><![CDATA[<script>alert(6)</script>",
    "\u202egnp.exe\u202c \u2066x\u2069",
    "nul \x00 in \x1b the \x7f middle",
    "&lt;script&gt;alert(7)&lt;/script&gt; &#106;avascript:alert(8)",
    '<a href="javascript:alert(9)">click</a>',
    '<base href=http://evil.example/><meta http-equiv=refresh content="0;url=http://evil.example">',
    "data:text/html,<script>alert(10)</script>",
    "`${alert(11)}`",
    "<math><mtext></p><style><img src=x onerror=alert(12)></style>",
    "<form action=http://evil.example><button autofocus onfocus=alert(13)>",
    "\ud83c lone surrogate",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A report in which every field that comes from data holds a payload."""
    folder = tmp_path_factory.mktemp("hostile")
    readable = [text.encode("utf-8", "replace").decode() for text in PAYLOADS]  # Parquet holds no half characters
    posts = len(readable)
    store, pictures = made_store(
        folder,
        posts=posts,
        texts=readable,
        user="<img src=x onerror=alert('user')>",
        sample_ids=[f"{i} {text}" for i, text in enumerate(readable)],
        names=readable,
        labels=(PAYLOADS[0], PAYLOADS[1]),
    )
    tables = made_tables(store)
    data = collect(
        store, SUMMARY, tables, pictures, tuple(store.samples["sample_id"]), predictions=made_predictions(store), show_users=True
    )
    worths = tuple(
        dataclasses.replace(data.edge_kinds[i % len(data.edge_kinds)], name=text, element=text) for i, text in enumerate(PAYLOADS)
    )
    data = dataclasses.replace(
        data,
        title=" ".join(PAYLOADS),
        model=PAYLOADS[1],
        split=PAYLOADS[2],
        kinds=tuple(PAYLOADS[: len(data.kinds)]),
        edge_kinds=worths,
        modalities=worths,
        metrics=tuple(
            dataclasses.replace(metric, name=PAYLOADS[0], models=tuple((text, metric.models[0][1]) for text in PAYLOADS))
            for metric in data.metrics
        ),
        curves=tuple(dataclasses.replace(curve, chosen_by=PAYLOADS[i]) for i, curve in enumerate(data.curves)),
        made_with=dict(zip(PAYLOADS, PAYLOADS, strict=True)),
    )
    write_report(folder / "report.html", data)
    return folder / "report.html"


def test_hostile_text_in_every_field_does_nothing(browser, hostile):
    page = opened(browser, hostile)
    page.locator("summary").first.click()
    for link in page.locator(".link").all()[:20]:
        link.dispatch_event("mouseenter")
    assert page.noted == []
    assert page.locator("script").count() == 1 and page.locator("style").count() == 1
    assert page.locator("iframe, form, base, object, embed, a:not([href^='#'])").count() == 0
    assert "alert(1)" in page.locator("body").inner_text()  # it stands there, as text


def test_a_report_lights_an_edge_and_hides_a_kind(browser, tmp_path):
    store, pictures = made_store(tmp_path)
    write_report(tmp_path / "report.html", collect(store, SUMMARY, made_tables(store), pictures, predictions=made_predictions(store)))
    page = opened(browser, tmp_path / "report.html")
    link = page.locator(".link.of-kind-0").first
    link.focus()
    assert "lit" in link.get_attribute("class")
    assert page.locator(".post:has(.link.lit) [data-node].lit").count() == 2
    page.locator("label:has(#show-0)").click()
    assert link.is_hidden()
    assert page.noted == []


def test_a_report_reads_without_its_script_and_fits_a_phone(browser, tmp_path):
    store, pictures = made_store(tmp_path)
    write_report(tmp_path / "report.html", collect(store, SUMMARY, made_tables(store), pictures, predictions=made_predictions(store)))
    page = opened(browser, tmp_path / "report.html", java_script_enabled=False, viewport={"width": 390, "height": 800})
    assert page.locator(".link.of-kind-0").first.is_visible()
    page.locator("label:has(#show-0)").click()
    assert page.locator(".link.of-kind-0").first.is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
