"""Living through a shop's days and looking back at them give the same panels, bit for bit.

One workspace takes each day's export on that day (the clock is held there) and cleans what it has, with no as-of; at
midnight it is asked once more, as of the day that is now over. Others take everything at the end and clean as of that
day, or as recorded by then. The simulated shop has everything that changes after the fact: late rows, corrections,
returns, double exports, deposits, plans told ahead and revised, products that change slowly, recounted stock, revised
signals.
"""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from sameness import assert_same

from windvane.clean import build
from windvane.clock import CLOCK
from windvane.config import CONFIG_NAME
from windvane.config import Shop as ShopSettings
from windvane.ingest import ingest
from windvane.ingest.sources import resolve
from windvane.schema import RAW
from windvane.sim import Settings, simulate, write
from windvane.store import Workspace

LIVELY = {
    "start": date(2024, 9, 20), "language": "zh", "locations": 2, "rate": 2.0, "promotions": 50.0, "revised": 0.3,
    "stockout_series": 0.5, "presale": 0.5, "fakes": 0.4, "bulk": 0.01, "returns": 0.15, "gifts": 0.02, "late": 0.08,
    "duplicates": 0.03, "repeats": 0.02, "corrected": 0.05, "reviews": 0.1, "launches": 0.6, "ends": 0.3,
    "events": 0.05, "intermittent": 0.3, "recounts": 0.05, "stock_given": 0.5,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _clock():
    yield
    CLOCK.hold(None)


def evening(day):
    return datetime.combine(day, time(23, 59, 59), UTC)


def midnight(day):
    return datetime.combine(day + timedelta(days=1), time(), UTC)


STRICT = (("returns", "sale_date"), ("duplicates", "drop"), ("fakes", "drop"), ("bulk", "cap"), ("stockouts", "infer"))
PLAIN = (("returns", "return_date"), ("duplicates", "flag"), ("fakes", "flag"), ("bulk", "flag"), ("stockouts", "told"))
WEEKLY = (("freq", "1w"), *STRICT)


def workspace_at(folder, clean):
    Workspace.create(folder, ShopSettings())
    # Every workspace has a key of its own for pseudonyms; here rows are compared between workspaces.
    settings = "".join(f'{name} = "{value}"\n' for name, value in clean)
    (folder / CONFIG_NAME).write_text(f"[shop]\ncountry = 'CN'\n[ingest]\npseudonymise = false\n[clean]\n{settings}")
    return Workspace.open(folder)


def take(workspace, paths):
    """Bring files in, as ``windvane ingest --table`` does."""
    for path in sorted(paths):
        name = path.stem.split("-")[0]
        for mapping, found in resolve([path], None, name):
            ingest(workspace, mapping, found)


def cleaned(workspace, as_of=None, recorded_by=None):
    """What the stage clean of a run would make now, and every raw table as the run sees it."""
    with workspace.runs.start(as_of, recorded_by) as run:
        read = {name: run.read(name).collect().sort(table.key) for name, table in RAW.items()}
        return {"cleaned": build(run.read, run.config, run.as_of), **read}


def exports(shop, folder):
    """Files of every day's export, days without one included, in order."""
    files = write(shop, folder, "csv", by_day=True, truth=False).folder
    days = {shop.settings.start + timedelta(days=number): [] for number in range(shop.settings.days)}
    for path in files.glob("*.csv"):
        days.setdefault(date.fromisoformat(path.stem[-10:]), []).append(path)
    return dict(sorted(days.items()))


def lived(folder, days, first, clean):
    """Take the exports day by day; the workspace, and what cleaning made on every day from ``first`` on.

    Made twice: in the evening, when the day may still be open, and at midnight as of the day, which is over.

    The days before ``first`` come in one export, on the eve of it: nobody looks in between.
    """
    workspace = workspace_at(folder / "lived", clean)
    seen = {}
    early = [path for day in days if day < first for path in days[day]]
    CLOCK.hold(evening(first - timedelta(days=1)))
    take(workspace, joined(early, folder / "early"))
    for day in (day for day in days if day >= first):
        CLOCK.hold(evening(day))
        take(workspace, days[day])
        in_the_evening = cleaned(workspace)
        CLOCK.hold(midnight(day))
        seen[day] = (in_the_evening, cleaned(workspace, as_of=day))
    CLOCK.hold(None)
    return workspace, seen


def joined(paths, folder):
    """One file per table, with the rows in the order in which they became known."""
    folder.mkdir()
    made = []
    for name in RAW:
        found = sorted(path for path in paths if path.stem.split("-")[0] == name)
        if found:
            made.append(folder / f"{name}-joined.csv")
            made[-1].write_text(found[0].read_text() + "".join(p.read_text().split("\n", 1)[1] for p in found[1:]))
    return made


def replay(folder, shop, first, clean, every=1):
    """Compare every day from ``first`` on, over all ways of looking back; what was seen on each day.

    Two of the ways are tried on every ``every``-th day only.
    """
    days = exports(shop, folder / "days")
    workspace, seen = lived(folder, days, first, clean)
    # Everything at the end: as one file per table, in the order of export, and in the order of products.
    late, whole = workspace_at(folder / "late", clean), workspace_at(folder / "whole", clean)
    take(late, joined([path for paths in days.values() for path in paths], folder / "joined"))
    take(whole, write(shop, folder / "whole-files", "parquet", truth=False).folder.glob("*.parquet"))
    for number, (day, (in_the_evening, over)) in enumerate(seen.items()):
        assert_same(over, cleaned(late, as_of=day), f"{day}, one export, as of")
        assert_same(in_the_evening, cleaned(workspace, recorded_by=evening(day)), f"{day}, lived, as recorded by")
        if number % every == 0:
            assert_same(over, cleaned(whole, as_of=day), f"{day}, whole tables, as of")
            assert_same(over, cleaned(workspace, as_of=day), f"{day}, lived, as of")
        closed = over["cleaned"].closed
        assert in_the_evening["cleaned"].closed in (closed, closed - timedelta(days=1))
        if in_the_evening["cleaned"].closed == closed:
            assert_same(in_the_evening, over, f"{day}, in the evening and at midnight")
    return {day: over for day, (_, over) in seen.items()}


def test_looking_back_equals_having_been_there(tmp_path):
    settings = Settings(products=8, days=64, **LIVELY)
    first = settings.start + timedelta(days=39)
    shop = simulate(settings, 40)
    # The replay is not idle: in the days looked at, the past changes by everything that can change it.
    tables = shop.collect()[0]
    orders = tables["orders"].filter(pl.col("known_at").dt.date() >= first)
    assert (orders["known_at"].dt.date() > orders["ordered_at"].dt.date()).sum() > 20
    assert orders.select("order_id", "line").is_duplicated().sum() > 5
    assert (orders["kind"] == "return").sum() > 20
    for name in ("products", "prices", "promotions", "stock", "supply", "signals", "calendar"):
        keys = [key for key in RAW[name].key if key != "known_at"]
        again = tables[name].filter(tables[name].select(keys).is_duplicated())
        assert again["known_at"].max().date() >= first, f"no second word in {name}"
    seen = replay(tmp_path, shop, first, STRICT, every=4)
    assert len(seen) == 25
    sales = [seen[day]["cleaned"].raw_sales for day in sorted(seen)]
    changed = [
        before.shape[0] != after.shape[0] or not np.array_equal(before, after[:, : before.shape[1]], equal_nan=True)
        for before, after in pairwise(sales)
    ]
    assert sum(changed) > 12, "on most days the past looks other than on the day before"


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "clean"), [(1, STRICT), (2, PLAIN), (3, WEEKLY)], ids=["strict", "plain", "weekly"])
def test_looking_back_equals_having_been_there_on_every_day(seed, clean, tmp_path):
    settings = Settings(products=16, days=90, **LIVELY)
    seen = replay(tmp_path, simulate(settings, seed), settings.start + timedelta(days=7), clean)
    assert len(seen) == 83
