"""Proposed and past promotions on the page: there where the run has them, in both languages, and harmless."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from made_up_run import make
from page_reader import page_of

from windvane import schema

pytestmark = pytest.mark.tiny


def promoted(language="en", plan=20, past=True):
    run = make(40, language)
    skus = run.frames["reorder"]["sku"].to_list()[:plan]
    begin = date(2026, 4, 1)
    lines = [
        {
            "sku": sku, "location": "all", "price_now": 10.0, "gain": 0.0, "why": "stored words", "rank": k + 1,
            "unit_cost": 6.0, "varied": True,
        }
        | (
            {}
            if k == plan - 1
            else {
                "promotion": f"wv-{k}", "starts_on": begin, "ends_on": begin + timedelta(days=6),
                "kind": "<b>email</b>",
                "depth": 0.1 * (k % 2), "placement": 0.4, "price": 9.0, "units": 50.0, "new_units": 80.0, "later": 3.0,
                "taken": 2.0, "cost": 5.0, "earned": 200.0, "new_earned": 240.0, "gain": 40.0, "gain_low": -8.0,
                "gain_high": 95.0, "assumed": "cost" if k == 1 else "",
            }
        )
        for k, sku in enumerate(skus)
    ]  # fmt: skip
    judged = [
        {
            "sku": sku, "location": "all", "starts_on": begin - timedelta(days=60),
            "ends_on": begin - timedelta(days=54), "kind": kind,
            "price_cut": 0.1, "units": 80.0, "base": 50.0, "uplift": 30.0, "uplift_low": 10.0,
            "uplift_high": 50.0, "pulled": 6.0, "taken": -3.0, "margin": 44.0, "placebos": 120,
            "placebos_within": 0.81,
        }
        for sku, kind in zip(skus, ["display"] * 9 + [None] * 11, strict=False)
    ]  # fmt: skip
    for name, rows in (("promotion_plan", lines), ("past_promotions", judged if past else [])):
        run.frames[name] = pl.DataFrame(rows, schema=schema.DERIVED[name].types)
    return run


def test_promotions_have_a_section_and_a_link_of_their_own():
    page = page_of(promoted())
    assert any(a.get("href") == "#promotions" for tag, a in page.elements if tag == "a")
    assert "Promotions proposed: 19; they cost " in page.text
    assert "and are expected to earn £760 more." in page.text
    assert "The page holds the 15 with the most to gain, of 19" in page.text
    assert "80 in place of 50" in page.text
    assert "it is taken to cost nothing" in page.text
    assert "<b>email</b>" in page.text, "as text, not as an element"
    assert "做什么促销" in page_of(promoted("zh")).text


def test_past_promotions_stand_by_kind_with_their_check():
    page = page_of(promoted())
    assert "What promotions of the past brought" in page.text
    assert "in 120 windows without a promotion" in page.text
    assert "holds 0 in 81%" in page.text
    assert "+60%" in page.text, "uplift of 30 on 50"
    assert "not said" in page.text


def test_a_plan_without_promotions_says_so_and_a_run_without_plan_is_silent():
    page = page_of(promoted(plan=1, past=False))
    assert "No promotion within the forecast's days is expected to earn more than it costs." in page.text
    assert "#promotions" not in str(page_of(make(10)).elements)
