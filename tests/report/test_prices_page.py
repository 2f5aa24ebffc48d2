"""Proposed prices and planners' figures on the page: there where the run has them, in both languages, and harmless."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from made_up_run import make, price_plan
from page_reader import page_of

from windvane import schema

pytestmark = pytest.mark.tiny


def priced(language="en", products=40):
    run = make(products, language)
    skus = run.frames["reorder"]["sku"].to_list()
    run.frames["price_plan"] = price_plan(skus, np.random.default_rng(1))
    return run


def test_prices_have_a_section_and_a_link_of_their_own():
    page = page_of(priced())
    assert page.count("section") == 8
    assert any(a.get("href") == "#prices" for tag, a in page.elements if tag == "a")
    assert "What to charge" in page.text
    assert "because rules contradict one another: 1" in page.text
    assert "because no unit cost is known: 1" in page.text
    assert "建议的价格" in page_of(priced("zh")).text


def test_a_plan_that_changes_nothing_says_so():
    run = priced()
    run.frames["price_plan"] = run.frames["price_plan"].with_columns(pl.col("price_now").alias("price"))
    page = page_of(run)
    assert "Prices to change: 0" in page.text


def test_planners_figures_are_told_and_escaped():
    run = priced()
    row = {"sku": "x", "location": "all", "old": 40.0, "new": 65.0, "who": "<b>ann</b>", "why": "fair"}
    days = {"starts_on": None, "ends_on": None}
    types = schema.DERIVED["overridden"].types
    run.frames["overridden"] = pl.DataFrame([row | days], schema=types)
    page = page_of(run)
    assert "65 units where the models expected 40" in page.text
    assert "(<b>ann</b>)" in page.text, "as text, not as an element"
