"""Everything a run knows of one product, for ``windvane explain``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

import polars as pl

from windvane.clean import build
from windvane.errors import InputError, WindvaneError
from windvane.models.saving import load
from windvane.outlook.explain import Explanation, explain
from windvane.store import Run

_EXACT = 1e-3
"""Share of the published forecast by which parts worked out anew may miss it: float32 sums differ in the last bits."""


@dataclass(frozen=True)
class Story:
    """One series of a run.

    Attributes:
        sku: its sku.
        location: its location.
        title: its name, or empty.
        model: the model that forecast it.
        segment: its segment.
        explanation: its forecast in parts; None where they can no longer be worked out.
        published: sum of the published means over the horizon; equals ``explanation.total``.
        trend: its row of trends, or None.
        reorder: its row of reorder, or None.
        cleaning: its rows of cleaning.
        missing: what can no longer be told and why, one sentence each.
    """

    sku: str
    location: str
    title: str
    model: str
    segment: str
    explanation: Explanation | None
    published: float
    trend: dict[str, Any] | None
    reorder: dict[str, Any] | None
    cleaning: pl.DataFrame
    missing: tuple[str, ...] = ()


def tell(run: Run, read: Callable[[str], pl.LazyFrame], sku: str, location: str | None = None) -> Story:
    """Tell one product's story from a published run.

    What the run stored is told as it stands. For the parts of the forecast the panel is rebuilt from the tables at the
    versions that the run pinned, and the saved model explains it. Where rows of them have been erased since
    (``windvane expire``), parts that no longer add up to the published forecast are left out, and the story says so.

    Args:
        run: the published run.
        read: raw tables at the run's versions.
        sku: product.
        location: needed where a product is sold at several.

    Raises:
        InputError: no such series, or several; names what is there.
    """
    series = run.read("series").filter(pl.col("sku") == sku)
    if location is not None:
        series = series.filter(pl.col("location") == location)
    if not series.height:
        raise _unknown(run, sku, location)
    if series.height > 1:
        raise InputError(
            f"sku {sku!r} is sold at {series.height} locations.",
            f"Name one with --location: {', '.join(series['location'].head(10))}.",
            table="series",
            column="location",
        )
    location, model = series["location"][0], series["model"][0]
    here = (pl.col("sku") == sku) & (pl.col("location") == location)
    published = float(run.scan("forecasts").filter(here).select(pl.col("mean").sum()).collect().item())
    parts = _parts(run, read, here, model, published)
    titles = run.read("products_view").filter(pl.col("sku") == sku)["title"]
    return Story(
        sku=sku,
        location=location,
        title=(titles[0] or "") if len(titles) else "",
        model=model,
        segment=series["segment"][0],
        explanation=parts,
        published=published,
        trend=_row(run, "trends", here & (pl.col("level") == "series")),
        reorder=_row(run, "reorder", here),
        cleaning=run.scan("cleaning").filter(here).collect(),
        missing=() if parts is not None else (_why_no_parts(run),),
    )


def _parts(
    run: Run, read: Callable[[str], pl.LazyFrame], here: pl.Expr, model: str, published: float
) -> Explanation | None:
    """The published forecast in parts; None if erased rows keep it from being worked out.

    Raises:
        WindvaneError: it cannot be worked out although nothing was erased.
    """
    manifest = run.manifest
    as_of, created = manifest["as_of"], datetime.fromisoformat(manifest["created"])
    erased = bool(manifest.get("redacted"))
    try:
        panel = build(read, run.config, date.fromisoformat(as_of) if as_of else None, now=created).panel
    except WindvaneError:
        if not erased:
            raise
        return None
    row = panel.keys.with_row_index().filter(here)["index"]
    if erased and not len(row):
        return None
    fitted = load(run.folder / "models" / model)
    told = explain(fitted.point, panel, int(row[0]), fitted.horizon).lifted(fitted.lift)
    if "overridden" in run.tables:
        said = run.scan("overridden").filter(here).select((pl.col("new") - pl.col("old")).sum()).collect().item()
        told = told.overridden(float(said or 0.0))
    return None if erased and abs(told.total - published) > _EXACT * max(abs(published), _EXACT) else told


def _why_no_parts(run: Run) -> str:
    """Which rows are gone, and what follows."""
    gone = run.manifest["redacted"]
    tables = sorted({table for each in gone for table in each["tables"]})
    days = sorted({str(each["at"])[:10] for each in gone})
    return (
        f"The parts of the forecast: they are worked out from the tables as the run read them, and rows of "
        f"{', '.join(tables)} have been erased since, on {', '.join(days)} (windvane expire or forget). What the run "
        "stored is told."
    )


def changes(run: Run, sku: str, location: str | None = None) -> pl.DataFrame:
    """Every change that cleaning made to one product's sales.

    Args:
        run: the published run.
        sku: product.
        location: one of its locations; all where absent.

    Returns:
        Its rows of the table cleaning, sorted by location, date and rule.

    Raises:
        InputError: the run has no such series; names what is there.
    """
    here = pl.col("sku") == sku
    if location is not None:
        here &= pl.col("location") == location
    if not run.scan("series").filter(here).head(1).collect().height:
        raise _unknown(run, sku, location)
    return run.scan("cleaning").filter(here).collect().sort("location", "date", "rule")


def _unknown(run: Run, sku: str, location: str | None) -> InputError:
    """No such series: say what there is instead."""
    series = run.scan("series").select("sku", "location").collect()
    places = series.filter(pl.col("sku") == sku)["location"]
    if len(places):
        return InputError(
            f"run {run.id} has no series of sku {sku!r} at {location!r}.",
            f"It is sold at: {', '.join(places.head(10))}.",
            table="series",
            column="location",
        )
    known = series["sku"].unique(maintain_order=True)
    inside = known.filter(known.str.to_lowercase().str.contains(sku.lower(), literal=True)).to_list()
    near = list(dict.fromkeys([*inside, *get_close_matches(sku, known.to_list())]))[:5]
    hint = f"Did you mean {', '.join(near)}?" if near else "See: windvane export series."
    return InputError(f"run {run.id} has no series of sku {sku!r}.", hint, table="series", column="sku")


def _row(run: Run, table: str, here: pl.Expr) -> dict[str, Any] | None:
    if table not in run.tables:
        return None
    rows = run.scan(table).filter(here).collect()
    return rows.row(0, named=True) if rows.height else None
