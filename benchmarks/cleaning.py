"""How well the rules on order lines find copies, presales, fakes and bulk orders, and what they cost.

On simulated shops with known truth, on a real wholesale shop that has (as far as anybody knows) no fakes, and on real
groceries for speed.

    python benchmarks/cleaning.py [--data simulated online_retail demo] [--out benchmarks/results]

Real data are read from the folder named by WINDVANE_DATA; demo needs the extra [demo].
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from windvane import schema
from windvane.clean import lines, orders
from windvane.config import Clean, parse
from windvane.sim import Settings, simulate

SHOPS = tuple((seed, language) for seed in (1, 2, 3) for language in ("en", "zh"))
RULES = (("duplicate order", "is_duplicate"), ("suspected fake", "is_fake"), ("bulk order", "is_bulk"))
STRICT = {"fakes": "drop", "bulk": "drop", "duplicates": "drop", "returns": "drop"}
KEEP = {"fakes": "keep", "bulk": "keep", "duplicates": "keep", "returns": "drop"}
PLANTED = 60
"""Bursts, copies and bulk orders planted into a real shop."""


def settings(values: dict[str, str]) -> Clean:
    """The block clean with some settings."""
    return parse({"clean": values}).clean


def latest(rows: pl.DataFrame) -> pl.DataFrame:
    """The last word on every order line, as a reader of the store gives it."""
    key = schema.RAW["orders"].key
    return rows.sort("known_at", maintain_order=True).unique(key, keep="last", maintain_order=True)


def judge(
    rows: pl.DataFrame, promotions: pl.DataFrame, values: dict[str, str]
) -> tuple[list[lines.Ruled], pl.DataFrame]:
    """What the rules find among order lines, and the sums after them."""
    cells = lines.cells(rows.lazy(), False, "1d")
    found = orders.rules(orders.Lines(rows.lazy(), cells, promotions), settings(values))
    return found, lines.adjusted(cells, found)


def simulated() -> list[str]:
    """Precision and recall per rule, and how far the sums are from the truth, on shops with known truth."""
    text = [
        "## Simulated shops", "",
        "300 products, 500 days, two locations; shares as the simulator sets them. Precision: share of the lines found "
        "that are what they are called. Recall: share of the true lines found. Error: sum over series and days of "
        "|units counted - units wanted and sold| over the latter, returns left out of both.", "",
        "| shop | rule | true lines | found | precision | recall |", "|---|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    errors = []
    for seed, language in SHOPS:
        tables, truth = simulate(Settings(products=300, days=500, locations=2, language=language), seed).collect()
        rows = latest(tables["orders"])
        told = truth.lines.unique(["order_id", "line"], keep="last")
        found, strict = judge(rows, tables["promotions"], STRICT)
        _, kept = judge(rows.filter(pl.col("kind") != "presale deposit"), tables["promotions"], KEEP)
        for rule, flag in RULES:
            gone = lines.gone([r for r in found if r.rule == rule])
            true = told.filter(pl.col(flag) & (pl.col("kind") == "sale"))
            hits = true.join(gone, on=["order_id", "line"], how="semi").height
            text.append(
                f"| {seed} {language} | {rule} | {true.height:,} | {gone.height:,} | "
                f"{hits / max(gone.height, 1):.3f} | {hits / max(true.height, 1):.3f} |"
            )
        errors.append(f"| {seed} {language} | {error(kept, truth.demand):.2%} | {error(strict, truth.demand):.2%} |")
    return [*text, "", "| shop | error without the rules | error with them |", "|---|---:|---:|", *errors, ""]


def error(sums: pl.DataFrame, demand: pl.DataFrame) -> float:
    """Absolute difference of units sold per series and day from the truth, over the true units."""
    true = demand.select("sku", "location", pl.col("date").alias("at"), pl.col("sales").cast(pl.Float64))
    both = true.join(
        sums.select("sku", "location", "at", "sold"), on=["sku", "location", "at"], how="full", coalesce=True
    )
    both = both.fill_null(0.0)
    return float((both["sold"] - both["sales"]).abs().sum() / both["sales"].sum())


def workspace(mapping: str, folder: Path) -> Callable[[str], pl.LazyFrame]:
    """Ingest a shop and give a reader of its tables."""
    from windvane.ingest import ingest
    from windvane.ingest.sources import resolve
    from windvane.store import Workspace

    opened = Workspace.create(folder, parse({}).shop)
    given = [Path(os.environ["WINDVANE_DATA"]) / "online_retail"] if mapping == "uci_online_retail" else []
    for one, paths in resolve(given, mapping, None):
        ingest(opened, one, paths)
    return opened.tables.read


def online_retail() -> list[str]:
    """False alarms on a real wholesale shop, and what is found of what is planted into it."""
    with tempfile.TemporaryDirectory() as folder:
        rows = workspace("uci_online_retail", Path(folder) / "shop")("orders").collect()
    none = schema.RAW["promotions"].empty()
    text = [
        "## online_retail", "",
        f"{rows.height:,} order lines of a wholesaler with {rows['customer'].n_unique():,} customers. What is found in "
        "the shop as it is, and how much of what is planted: copies of whole orders under another number 20 seconds "
        "later, bursts of 12 orders of one unit by new customers or by a ring of four old ones, lines of 40 times "
        "the usual size by new customers.", "",
        "| rule | found in the shop | share of its lines | planted lines | planted found |",
        "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    before, _ = judge(rows, none, STRICT)
    planted = plant(rows, np.random.default_rng(1))
    after, _ = judge(pl.concat([rows, *planted.values()]), none, STRICT)
    for rule, _ in RULES:
        own = lines.gone([r for r in before if r.rule == rule]).height
        mine = planted[rule].select("order_id", "line")
        hits = lines.gone([r for r in after if r.rule == rule]).join(mine, on=["order_id", "line"], how="semi").height
        text.append(f"| {rule} | {own:,} | {own / rows.height:.3%} | {mine.height:,} | {hits / mine.height:.1%} |")
    large = next(r for r in before if r.rule == "bulk order").moves["units"]
    share = large.sum() / sold(rows)["units"].sum()
    return [*text, "", f"The bulk lines found in the shop hold {large.sum():,.0f} units, {share:.1%} of all sold.", ""]


def sold(rows: pl.DataFrame) -> pl.DataFrame:
    """Lines that sell."""
    return rows.filter((pl.col("kind") == "sale") & (pl.col("units") > 0))


def plant(rows: pl.DataFrame, rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """Copies, bursts and bulk orders for a shop, by rule."""
    known = sold(rows).filter(pl.col("customer").is_not_null())
    known = known.filter(pl.col("ordered_at") > known["ordered_at"].min() + pl.duration(days=90))
    some = known["order_id"].unique().sort().sample(PLANTED, seed=1)
    soon = pl.col("ordered_at") + pl.duration(seconds=20)
    copies = rows.filter(pl.col("order_id").is_in(some.implode())).with_columns(
        pl.col("order_id") + "-copy", soon.alias("ordered_at"), soon.alias("known_at")
    )
    often = known.group_by("sku").len().filter(pl.col("len") > 100)["sku"].sort()
    of_often = known.filter(pl.col("sku").is_in(often.implode()))
    picked = of_often[rng.choice(of_often.height, 2 * PLANTED, replace=False)]
    old = known["customer"].unique().sort()
    bursts = []
    for number, line in enumerate(picked[:PLANTED].iter_rows(named=True)):
        ring = [f"new-{number}-{i}" for i in range(12)] if number % 2 else list(old.sample(4, seed=number)) * 3
        at = line["ordered_at"].replace(hour=1, minute=0)
        part = pl.DataFrame([line] * 12, schema=rows.schema).with_columns(
            pl.Series("customer", ring),
            pl.Series("order_id", [f"burst-{number}-{i}" for i in range(12)]),
            pl.lit(1.0).alias("units"),
        )
        minutes = pl.duration(minutes=3 * pl.int_range(12))
        bursts.append(
            part.with_columns((pl.lit(at) + minutes).alias("ordered_at"), (pl.lit(at) + minutes).alias("known_at"))
        )
    usual = of_often.group_by("sku").agg(pl.col("units").median().alias("__usual"))
    bulk = picked[PLANTED:].join(usual, on="sku").with_columns(
        (pl.col("__usual") * 40).alias("units"),
        pl.format("bulk-{}", pl.int_range(pl.len())).alias("order_id"),
        pl.format("firm-{}", pl.int_range(pl.len())).alias("customer"),
    )  # fmt: skip
    found = {"duplicate order": copies, "suspected fake": pl.concat(bursts), "bulk order": bulk}
    return {rule: frame.select(rows.columns).cast(dict(rows.schema)) for rule, frame in found.items()}


def demo() -> list[str]:
    """Seconds of summing the lines of real groceries, and of each rule."""
    with tempfile.TemporaryDirectory() as folder:
        read = workspace("complete_journey", Path(folder) / "shop")
        rows, promotions = read("orders"), read("promotions").collect()
        count = int(rows.select(pl.len()).collect().item())
        text = ["## demo", "", f"{count:,} order lines of real groceries; CPU-seconds, second of two turns.", ""]
        text += ["| step | CPU-seconds | lines found |", "|---|---:|---:|"]
        for turn in range(2):
            took = [seconds("summing the lines", lambda: lines.cells(rows, True, "1d"), turn)]
            cells = lines.cells(rows, True, "1d")
            for name in ("duplicates", "fakes", "bulk"):
                only = dict.fromkeys(("duplicates", "fakes", "bulk"), "keep") | {name: "flag"}
                given = orders.Lines(rows, cells, promotions)
                took.append(seconds(name, lambda g=given, o=only: orders.rules(g, settings(o)), turn))
    return [*text, *took, ""]


def seconds(name: str, work: Callable[[], object], turn: int) -> str:
    """A line of the table: CPU-seconds of some work and the lines it found."""
    begin = time.process_time()
    result = work()
    found = f"{sum(r.lines for r in result):,}" if isinstance(result, list) else ""
    return f"| {name} | {time.process_time() - begin:.2f} | {found} |"


DATA: dict[str, Callable[[], list[str]]] = {"simulated": simulated, "online_retail": online_retail, "demo": demo}


def main() -> None:
    """Measure and write one page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=sorted(DATA), default=list(DATA))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    text = [
        "# Rules on order lines", "",
        f"`python benchmarks/cleaning.py --data {' '.join(given.data)}`, {platform.python_version()}, "
        f"polars {pl.__version__}, {pl.thread_pool_size()} threads.", "",
    ]  # fmt: skip
    for name in given.data:
        text += DATA[name]()
        print(f"{name}: done")
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "cleaning.md").write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
