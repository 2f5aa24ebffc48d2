"""A week's orders of fresh goods, replayed against what was sold.

    python benchmarks/fresh_orders.py [--weeks 20] [--presets fast] [--out FOLDER]

``fresh_market_zh`` (a Chinese supermarket, 2020 to 2023) tells kilos sold, prices, wholesale prices and what share of
each product is lost on the way to the shelf, but not what was bought. The quantity bought is imputed as sold / (1 -
loss rate): nothing left over, nothing missing. That is hindsight, and stands on the page as such.

Every Sunday the orders of each of the next seven days are fixed, by what was known by then. A kilo ordered costs the
wholesale price of that Sunday, 1 - loss rate of it can be sold at the price of that Sunday, and what is left in the
evening is thrown away (leaves do not keep; the market's evening markdowns are revenue that no plan is credited with).
Each plan orders what the critical ratio of the newsvendor says, or what its rule says:

- ``newsvendor``: on the sample paths of a preset's forecast;
- ``mean``: the same forecast's mean, over 1 - loss rate;
- ``same weekday``: what was sold a week ago, over 1 - loss rate;
- ``four weeks``: mean and standard deviation of the same weekday over four weeks, as if demand were normal.

Customers who found nothing were not counted. On days without a markdown a product may have run out. Under "if demand
was hidden" half of these days did, and demand lay above sales by an exponential share with a mean of 15 %: an
assumption, drawn ten times.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl

from windvane import __version__
from windvane.outlook.produce import PRESETS, forecast
from windvane.panel import Panel

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.sets import find
from benchmarks.sets.places import folder

LAST = date(2023, 3, 26)
"""The last Sunday whose whole week was sold in (to within the data's last Friday, two days short)."""
DAYS, RECENT = 7, 28
_HIDDEN, _BEYOND, _DRAWS = 0.5, 0.15, 10


@dataclass(frozen=True, eq=False)
class Week:
    """One week.

    Attributes:
        demand: kilos asked for, float64 [series, days].
        maybe: where the shelf may have run out, bool [series, days].
        price: money per kilo sold, as known on Sunday, float64 [series].
        cost: money per kilo bought.
        kept: share that reaches the shelf.
    """

    demand: np.ndarray
    maybe: np.ndarray
    price: np.ndarray
    cost: np.ndarray
    kept: np.ndarray

    def money(self, bought: np.ndarray, demand: np.ndarray) -> np.ndarray:
        """Revenue, purchases, kilos thrown away, kilos missing: float64 [4]."""
        there = bought * self.kept[:, None]
        sold = np.minimum(there, demand)
        return np.array(
            [
                (self.price[:, None] * sold).sum(),
                (self.cost[:, None] * bought).sum(),
                (there - sold).sum(),
                (demand - sold).sum(),
            ]
        )


def last_known(values: np.ndarray) -> np.ndarray:
    """The last value of every row that is known, NaN where none is."""
    known = ~np.isnan(values)
    at = np.where(known.any(axis=1), values.shape[1] - 1 - known[:, ::-1].argmax(axis=1), 0)
    out: np.ndarray = values[np.arange(len(values)), at]
    return np.where(known.any(axis=1), out, np.nan).astype(np.float64)


def plans(then: Panel, rows: np.ndarray, week: Week, presets: list[str]) -> dict[str, np.ndarray]:
    """Kilos bought by every plan, float64 [rows, days]."""
    ratio = np.clip(1 - week.cost / np.maximum(week.price * week.kept, 1e-9), 0.0, 0.999)
    worth, over = (ratio > 0)[:, None], 1 / week.kept[:, None]
    out = {}
    for preset in presets:
        found = forecast(then, DAYS, preset)
        sample = np.zeros((len(rows), 200, DAYS), np.float32)
        for part, paths in found.paths(200):
            inside = np.isin(part, rows)
            sample[np.searchsorted(rows, part[inside])] = paths[inside]
        sample.sort(axis=1)
        rank = np.clip(np.ceil(ratio * 200).astype(int) - 1, 0, 199)
        out[f"newsvendor, {preset}"] = sample[np.arange(len(rows)), rank] * worth * over
        out[f"mean, {preset}"] = found.mean[rows].astype(float) * worth * over
    past = np.nan_to_num(then.sales[rows, -RECENT:].astype(np.float64)).reshape(len(rows), RECENT // DAYS, DAYS)
    out["same weekday"] = past[:, -1] * worth * over
    z = np.array([NormalDist().inv_cdf(min(max(r, 1e-3), 0.999)) for r in ratio])[:, None]
    normal = past.mean(axis=1) + z * past.std(axis=1, ddof=1)
    out["four weeks"] = np.maximum(normal, 0.0) * worth * over
    return out


def play(weeks: int, presets: list[str]) -> tuple[dict[str, np.ndarray], list[date]]:
    """Money of every plan: float64 [weeks, 1 + draws, 4]; the first draw is of demand as sold."""
    data = find("fresh_market_zh")
    whole = data.load(data.origins[-1] + timedelta(days=data.horizon))
    daily = pl.read_parquet(folder("fresh_market_zh") / "sku_daily.parquet")
    loss = dict(pl.read_parquet(folder("fresh_market_zh") / "sku.parquet").select("sku_id", "loss_pct").iter_rows())
    full = daily.filter(pl.col("min_price") >= pl.col("list_price") * 0.999).select("sku_id", "date")
    marks = set(full.iter_rows())
    rng = np.random.default_rng(1)
    sundays = [LAST - timedelta(weeks=k + 1) for k in range(weeks)][::-1]
    out: dict[str, list[np.ndarray]] = {}
    for sunday in sundays:
        then = whole.as_of(sunday)
        cut = then.shape[1]
        price, cost = (last_known(then.past[name][:, -RECENT:]) for name in ("avg_price", "wholesale_price"))
        sold = whole.sales[:, cut : cut + DAYS].astype(np.float64)
        rows = np.flatnonzero((price > 0) & (cost > 0) & ~np.isnan(sold).any(axis=1))
        skus = then.keys["sku_id"].to_list()
        days = [sunday + timedelta(days=k + 1) for k in range(DAYS)]
        maybe = np.array([[(skus[r], day) in marks for day in days] for r in rows])
        kept = np.array([1 - loss[skus[r]] / 100 for r in rows])
        week = Week(sold[rows], maybe & (sold[rows] > 0), price[rows], cost[rows], kept)
        hidden = [week.demand]
        for _ in range(_DRAWS):
            out_of = week.maybe & (rng.random(week.maybe.shape) < _HIDDEN)
            hidden.append(week.demand * (1 + out_of * rng.exponential(_BEYOND, week.maybe.shape)))
        bought = plans(then, rows, week, presets)
        bought["hindsight (imputed purchases)"] = week.demand / week.kept[:, None]
        for name, kilos in bought.items():
            out.setdefault(name, []).append(np.stack([week.money(kilos, demand) for demand in hidden]))
    return {name: np.stack(each) for name, each in out.items()}, sundays


def page(found: dict[str, np.ndarray], sundays: list[date], head: list[str]) -> str:
    """The results as Markdown."""
    rng = np.random.default_rng(2)
    pick = rng.integers(0, len(sundays), (2000, len(sundays)))
    profit = {name: money[:, :, 0] - money[:, :, 1] for name, money in found.items()}
    best = next(each for name, each in profit.items() if name.startswith("hindsight"))
    lines = [
        *head, "",
        "| plan | revenue a week | purchases | profit | of hindsight's | 95 % interval | if demand was hidden "
        "| kilos thrown away | kilos missing |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name in sorted(profit, key=lambda n: -profit[n][:, 0].mean()):
        money, each = found[name][:, 0].mean(axis=0), profit[name][:, 0]
        share = each[pick].mean(axis=1) / best[:, 0][pick].mean(axis=1)
        low, high = np.quantile(share, [0.025, 0.975])
        drawn = profit[name][:, 1:].mean(axis=0)
        cells = [
            *(name, f"{money[0]:,.0f}", f"{money[1]:,.0f}", f"{each.mean():,.0f}"),
            *(f"{each.mean() / best[:, 0].mean():.3f}", f"{low:.3f} to {high:.3f}"),
            *(f"{drawn.min():,.0f} to {drawn.max():,.0f}", f"{money[2]:,.0f}", f"{money[3]:,.0f}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=["fast"])
    parser.add_argument("--out", type=Path, help="folder for fresh_orders.md")
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    found, sundays = play(options.weeks, options.presets)
    command = shlex.join(["python", "benchmarks/fresh_orders.py", *(sys.argv[1:] if arguments is None else arguments)])
    head = [
        "# A week's orders of fresh goods", "",
        f"{len(sundays)} weeks from {sundays[0] + timedelta(days=1)} on, each ordered on the Sunday before. What was "
        "bought is not known and imputed as sold / (1 - loss rate), which is hindsight. Intervals: bootstrap of weeks. "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, windvane {__version__}; "
        f"{time.perf_counter() - begin:.0f} s.", "", f"    {command}",
    ]  # fmt: skip
    text = page(found, sundays, head)
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "fresh_orders.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
