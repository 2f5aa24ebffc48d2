"""Forecasts of prices on real data, and re-pricing rules whose simulated gain is held against the true one.

    python benchmarks/market_prices.py [--data m5 orange_juice ...] [--seeds 4 5 6] [--out FOLDER]

Prices: sell prices of M5 (every tenth item, weekly), shelf prices of orange juice and of breakfast goods (weekly), list
and wholesale prices of fresh goods in a Chinese supermarket (daily). Four weeks ahead, from several origins; series
that were not observed for eight weeks (fresh goods: four weeks) before an origin are left out. Settings were chosen
on the first half of the origins; those of the second half are reported. WQL is the mean quantile loss of the nine
deciles over the mean price. Beside ours, on the same cells:

- last, own changes: the last price with the quantiles of the series' own changes over as many periods;
- random walk: the last price with normal intervals on the scale of logarithms, wider by the root of the lag;
- seasonal naive: the price of a week (fresh goods) or a year ago, with quantiles of that method's own errors;
- lightgbm: one model per quantile over all series, from the lag, recent moves, the age of the price and its gap to the
  usual one: the library with some of our covariates, and without what is learned of choosing, averaging and lags.

Rules: in simulated shops whose demand is known (:mod:`windvane.sim.counterfactual`), each rule is tried on the forecast
and on elasticities (the true ones, or those learned from the shop's past), and then really played: day by day against
the true answer of demand, true competitors' prices and the same stock. Settings were chosen on seeds 1 to 3.

The data sets are read from the folder named by WINDVANE_DATA and are for research and evaluation only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from windvane import __version__
from windvane.decisions.pricing import (
    Cover,
    Demand,
    Follow,
    Guard,
    Planned,
    PriceHistory,
    Rules,
    Scene,
    Settings,
    StepDown,
    forecast_prices,
    propose,
    simulate,
)
from windvane.decisions.pricing.market import METHODS, predict
from windvane.decisions.pricing.repricing import Keep, Rule, State
from windvane.decisions.response import PriceResponse, learn
from windvane.outlook.produce import forecast
from windvane.sim import Settings as Shop
from windvane.sim.counterfactual import World, expected
from windvane.sim.play import Play, play
from windvane.sim.response import log_response

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.sets.places import folder

LEVELS = np.array([0.025, *(k / 10 for k in range(1, 10)), 0.975])
DECILES = slice(1, 10)
SETS = {"m5": (150, 256, 20), "orange_juice": (60, 116, 8), "breakfast": (78, 138, 10),
        "fresh list": (400, 976, 72), "fresh wholesale": (400, 976, 72)}  # fmt: skip
PAST, AHEAD = 500, 28
Quantiles = np.ndarray


def laid(rows: pl.DataFrame, day: str, value: str, group: str, weekly: bool) -> PriceHistory:
    """Prices with the column ``key`` as a history."""
    rows = rows.filter(pl.col(value) > 0)
    keys = rows.group_by("key").agg(pl.col(group).cast(pl.String).first()).sort("key")
    step = 7 if weekly else 1
    number = (rows[day].cast(pl.Date).to_physical().cast(pl.Int64)).to_numpy()
    column = (number - number.min()) // step
    at = rows.select("key").join(keys.with_row_index("at"), on="key", maintain_order="left")["at"].to_numpy()
    price = np.full((keys.height, int(column.max()) + 1), np.nan, np.float32)
    price[at, column] = rows[value].to_numpy()
    dates = pl.Series("date", np.arange(price.shape[1]) * step + number.min()).cast(pl.Int32).cast(pl.Date)
    code = keys[group].rank("dense").to_numpy().astype(np.int64) - 1
    return PriceHistory.from_array(price, dates, keys.select("key"), code, "1w" if weekly else "1d")


def load(name: str) -> PriceHistory:
    """Prices of a data set."""

    def both(*columns: str) -> pl.Expr:
        return pl.concat_str([pl.col(c).cast(pl.String) for c in columns], separator="|").alias("key")

    if name == "m5":
        at = folder("m5")
        weeks = pl.read_parquet(at / "calendar.parquet").group_by("wm_yr_wk").agg(pl.col("ds").min())
        rows = pl.read_parquet(at / "prices.parquet").with_columns(pl.col("item_id").cast(pl.String))
        some = rows["item_id"].unique().sort().gather_every(10)
        rows = rows.filter(pl.col("item_id").is_in(some.implode())).join(weeks, on="wm_yr_wk")
        # Prices after the last sale were published with the test; they are left alone.
        rows = rows.filter(pl.col("ds") <= date(2016, 5, 20)).with_columns(pl.col("item_id").str.slice(0, 5).alias("d"))
        return laid(rows.with_columns(both("store_id", "item_id")), "ds", "sell_price", "d", True)
    if name == "orange_juice":
        rows = pl.read_parquet(folder(name) / "weekly.parquet").with_columns(both("store", "brand"))
        return laid(rows, "ds", "price_per_oz", "brand_name", True)
    if name == "breakfast":
        text = pl.col("upc_id").cast(pl.String)
        kinds = pl.read_parquet(folder(name) / "product.parquet").select(text, "category")
        rows = pl.read_parquet(folder(name) / "weekly.parquet").with_columns(text).join(kinds, on="upc_id")
        return laid(rows.with_columns(both("store_id", "upc_id")), "ds", "price", "category", True)
    at = folder("fresh_market_zh")
    if name == "fresh list":
        rows = pl.read_parquet(at / "sku_daily.parquet").with_columns(both("sku_id"))
        return laid(rows, "date", "list_price", "category", False)
    kinds = pl.read_parquet(at / "sku.parquet").select("sku_id", "category")
    rows = pl.read_parquet(at / "wholesale_daily.parquet").join(kinds, on="sku_id").with_columns(both("sku_id"))
    return laid(rows, "date", "wholesale_price", "category", False)


def own_changes(history: PriceHistory, horizon: int) -> Quantiles:
    """The last price and the series' own changes; where there are none, it stands."""
    log, last = np.log(history.price.astype(np.float64)), history.past.log[:, -1].astype(np.float64)
    out = np.empty((len(log), horizon, len(LEVELS)))
    for h in range(1, horizon + 1):
        out[:, h - 1] = last[:, None] + _own(log[:, h:] - log[:, :-h])
    return np.exp(out)


def _own(change: np.ndarray) -> np.ndarray:
    """Quantiles of rows, [series, levels]; 0 where nothing is known."""
    out = np.zeros((len(change), len(LEVELS)))
    some = ~np.isnan(change).all(axis=1)
    if some.any():
        out[some] = np.nanquantile(change[some], LEVELS, axis=1).T
    return out


def random_walk(history: PriceHistory, horizon: int) -> Quantiles:
    from scipy.special import ndtri

    log, last = np.log(history.price.astype(np.float64)), history.past.log[:, -1].astype(np.float64)
    change = np.diff(log, axis=1)
    many = np.maximum((~np.isnan(change)).sum(axis=1), 1)
    spread = np.sqrt(np.nansum(change**2, axis=1) / many)
    root = np.sqrt(np.arange(1, horizon + 1))
    return np.exp(last[:, None, None] + (spread[:, None] * root)[:, :, None] * ndtri(LEVELS))


def seasonal(history: PriceHistory, horizon: int) -> Quantiles:
    """The price of the same weekday of the last week, or of the same week of the last year, where it was seen."""
    log, last = history.past.log.astype(np.float64), history.past.log[:, -1].astype(np.float64)
    lag = 52 if history.freq.unit == "1w" else 7
    out = np.empty((len(log), horizon, len(LEVELS)))
    for h in range(1, horizon + 1):
        back = lag * ((h - 1) // lag + 1)
        then = log[:, -1 - back + h] if log.shape[1] > back - h else np.full(len(log), np.nan)
        middle = np.where(np.isnan(then), last, then)
        error = np.where(history.past.seen[:, back:], log[:, back:] - log[:, :-back], np.nan)
        out[:, h - 1] = middle[:, None] + (_own(error) if error.shape[1] else 0.0)
    return np.sort(np.exp(out), axis=2)


def boosted(history: PriceHistory, horizon: int) -> Quantiles:
    """Quantile regression by trees over all series."""
    import lightgbm as lgb

    past, time_ = history.past, history.price.shape[1]
    log = past.log

    def covariates(rows: np.ndarray, at: np.ndarray, lag: np.ndarray) -> np.ndarray:
        before = [log[rows, at] - log[rows, np.maximum(at - k, 0)] for k in (1, 2, 4, 8, 13)]
        gap = past.usual[rows, at] - log[rows, at]
        return np.column_stack([lag, gap, past.still[rows, at], history.group[rows], *before])

    rng = np.random.default_rng(1)
    rows, at = rng.integers(0, len(log), 400_000), rng.integers(0, time_ - 1, 400_000)
    lag = np.minimum(rng.integers(1, horizon + 1, 400_000), time_ - 1 - at)
    fine = np.flatnonzero(past.seen[rows, at] & past.seen[rows, at + lag])[:60_000]
    rows, at, lag = rows[fine], at[fine], lag[fine]
    train = lgb.Dataset(covariates(rows, at, lag), log[rows, at + lag] - log[rows, at], free_raw_data=False)
    each = np.repeat(np.arange(len(log)), horizon)
    here = np.tile(np.arange(1, horizon + 1), len(log))
    told = covariates(each, np.full(len(each), time_ - 1), here)
    plain = {"objective": "quantile", "num_leaves": 31, "learning_rate": 0.08, "min_data_in_leaf": 50, "verbose": -1}
    found = [
        lgb.train({**plain, "alpha": q, "seed": 1, "num_threads": 1}, train, 100).predict(told) for q in LEVELS.tolist()
    ]
    change = np.sort(np.stack(found, axis=1), axis=1).reshape(len(log), horizon, len(LEVELS))
    return np.exp(log[:, -1].astype(np.float64)[:, None, None] + change)


def ours(history: PriceHistory, horizon: int) -> Quantiles:
    return forecast_prices(history, horizon, levels=tuple(LEVELS)).forecast.quantiles.astype(np.float64)


def single(name: str) -> Callable[[PriceHistory, int], Quantiles]:
    return lambda history, horizon: predict(history, horizon, [name] * len(history.price), LEVELS).quantiles


WAYS: dict[str, Callable[[PriceHistory, int], Quantiles]] = {
    "ours, chosen by backtest": ours,
    **{f"ours: {name}": single(name) for name in METHODS},
    "last, own changes": own_changes,
    "random walk": random_walk,
    "seasonal naive": seasonal,
    "lightgbm": boosted,
}
NAIVE = "last, own changes"


@dataclass
class Score:
    """Sums over the cells of all origins; ``loss`` and ``size`` by series, for the bootstrap."""

    loss: np.ndarray
    size: np.ndarray
    missed: float = 0.0
    inside: np.ndarray | None = None
    cells: int = 0
    seconds: float = 0.0
    each: list[float] | None = None


def scored(name: str, early: bool = False) -> tuple[dict[str, Score], PriceHistory, list[int], float]:
    """All ways on the origins of one data set, the shape of it, and the peak memory of ours in MB."""
    whole = load(name)
    origins = list(range(*SETS[name]))
    half = len(origins) // 2
    weekly = whole.freq.unit == "1w"
    horizon, fresh = (4, 8) if weekly else (28, 28)
    used = origins[:half] if early else origins[half:]
    none = np.zeros(len(whole.price))
    out = {way: Score(none.copy(), none.copy(), 0.0, np.zeros(2), each=[]) for way in WAYS}
    peak = 0.0
    for at in used:
        age = whole.past.age[:, at]
        rows = np.flatnonzero(~np.isnan(whole.past.log[:, at]) & (age <= fresh))
        history = whole.take(rows).until(at + 1)
        came = whole.price[rows, at + 1 : at + 1 + horizon].astype(np.float64)
        assert came.shape[1] == horizon, "the window ends after the data"
        there = ~np.isnan(came)
        for way, make in WAYS.items():
            begin = time.perf_counter()
            told = make(replace(history), horizon)
            seconds = time.perf_counter() - begin
            add(out[way], rows, told, came, there, seconds)
        tracemalloc.start()
        ours(replace(history), horizon)
        peak = max(peak, tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    return out, whole, used, peak


def add(score: Score, rows: np.ndarray, told: Quantiles, came: np.ndarray, there: np.ndarray, seconds: float) -> None:
    y = np.where(there, came, 0.0)
    off = y[:, :, None] - told[:, :, DECILES]
    loss = 2 * np.maximum(LEVELS[DECILES] * off, (LEVELS[DECILES] - 1) * off).mean(axis=2) * there
    score.loss[rows] += loss.sum(axis=1)
    score.size[rows] += y.sum(axis=1)
    score.missed += float((np.abs(y - told[:, :, 5]) * there).sum())
    near = 1e-5 * y
    for k, (low, high) in enumerate(((1, 9), (0, 10))):
        score.inside[k] += ((y >= told[:, :, low] - near) & (y <= told[:, :, high] + near) & there).sum()
    score.cells += int(there.sum())
    score.seconds += seconds
    score.each.append(float(loss.sum() / y.sum()))


def price_page(names: list[str]) -> list[str]:
    lines = ["## Forecasts of prices", ""]
    for name in names:
        found, whole, used, peak = scored(name)
        print(name, {way: round(s.loss.sum() / s.size.sum(), 5) for way, s in found.items()}, flush=True)
        base = found[NAIVE]
        pick = np.random.default_rng(3).integers(0, len(base.loss), (1000, len(base.loss)))
        lines += [
            f"### {name}", "",
            f"{whole.price.shape[0]:,} series, {whole.price.shape[1]} periods; {len(used)} origins "
            f"({', '.join(str(whole.dates[at]) for at in used)}), {base.cells:,} prices foretold. Peak memory of ours "
            f"{peak:,.0f} MB beside the data.", "",
            f"| method | WQL | against {NAIVE} (95 % of series resampled) | better origins | MAE of the median / price "
            "| 80 % covers | 95 % covers | seconds an origin |", "|---|---:|---:|---:|---:|---:|---:|---:|",
        ]  # fmt: skip
        for way, s in found.items():
            ratio = (s.loss[pick].sum(axis=1) / base.loss[pick].sum(axis=1)) - 1
            low, high = np.quantile(ratio, [0.025, 0.975])
            against = "" if way == NAIVE else f"{s.loss.sum() / base.loss.sum() - 1:+.1%} ({low:+.1%} to {high:+.1%})"
            wins = sum(a < b for a, b in zip(s.each, base.each, strict=True))
            lines.append(
                f"| {way} | {s.loss.sum() / s.size.sum():.5f} | {against} | {wins} of {len(used)} "
                f"| {s.missed / s.size.sum():.4f} | {s.inside[0] / s.cells:.3f} | {s.inside[1] / s.cells:.3f} "
                f"| {s.seconds / len(used):.1f} |"
            )
        lines.append("")
    return lines


@dataclass(frozen=True, eq=False)
class Known:
    """A simulated shop: what the trial is told, and the truth."""

    play: Play
    world: World
    scene: Scene
    row: np.ndarray
    rivals: np.ndarray


def shop(seed: int, elasticity: float, learned: bool, products: int) -> Known:
    """A shop and its scene, on elasticities that are true or learned."""
    settings = Shop(products=products, days=PAST + AHEAD, rate=3.0, elasticity=elasticity, launches=0.0, ends=0.0)
    stage = play(settings, seed, PAST)
    world = World.of(settings, seed)
    row = np.array([int(sku[1:]) for sku in stage.panel.keys["sku"]])
    count = len(row)
    today, plan = world.planned.regular[row, PAST], world.planned.paid[row, PAST : PAST + AHEAD]
    rng = np.random.default_rng(1000 + seed)
    prices = rival_prices(today, rng)
    dates = pl.date_range(settings.start, settings.end, eager=True)
    market = forecast_prices(PriceHistory.from_array(prices[:, :PAST], dates[:PAST]), AHEAD)
    if learned:
        fit = learn(stage.panel)
        response, noise, told = fit.response, fit.noise, forecast(stage.panel, AHEAD, "fast")
    else:
        response, noise = truly(stage, world, row), 0.3
        told = stage.oracle(AHEAD)(PAST, stage.panel.sales, np.isnan(stage.panel.sales))
    daily = np.nanmean(stage.panel.sales[:, -56:], axis=1)
    stock = np.ceil(daily * rng.choice([8.0, 28.0, 90.0], count) + 1)
    scene = Scene(
        forecast=told, response=response, product=np.arange(count), plan=plan, today=today,
        cost=world.made.cost[row].astype(np.float64), stock=stock, market=market, noise=noise,
    )  # fmt: skip
    return Known(stage, world, scene, row, prices[:, PAST - 1 :])


def rival_prices(today: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Competitors' prices: near ours, moved now and then, cut for a week or two and back again."""
    count, days = len(today), PAST + AHEAD
    steps = np.where(rng.random((count, days)) < 1 / 90, rng.normal(0, 0.06, (count, days)), 0.0)
    log = np.log(today)[:, None] + rng.normal(0, 0.05, (count, 1)) + np.cumsum(steps, axis=1)
    log -= steps.sum(axis=1, keepdims=True) / 2
    for i, start in zip(*np.nonzero(rng.random((count, days)) < 1 / 60), strict=True):
        log[i, start : start + int(rng.choice([7, 14]))] -= rng.choice([0.1, 0.2])
    return np.round(np.exp(log), 2)


def truly(stage: Play, world: World, row: np.ndarray) -> PriceResponse:
    made, none = world.made, np.zeros(len(row))
    return PriceResponse(
        keys=stage.panel.keys, reference=made.price[row].astype(float), own=made.elasticity[row].astype(float),
        own_error=none, cross=none, cross_error=none, power=0.0, lowest=none, highest=none, varied=none == 0,
        effects={}, rivals=np.full(len(row), -1), member=np.zeros(0, np.int64), pairs=np.zeros((len(row), 0)),
    )  # fmt: skip


def really(known: Known, rule: Rule, guard: Guard, draws: int = 200) -> float:
    """Money of a rule that is really played: mean over draws of the shop's own demand, in the true world."""
    world, scene, row = known.world, known.scene, known.row
    mean = expected(world)[row, 0, PAST : PAST + AHEAD]
    rng = np.random.default_rng(7)
    size, zeros = known.play.size[:, None, None], known.play.zeros[:, None, None]
    shape = (len(row), draws, AHEAD)
    mood = rng.standard_gamma(np.broadcast_to(size, shape)) / size * (rng.random(shape) >= zeros) / (1 - zeros)
    demand = rng.poisson(mean[:, None, :] * mood).astype(np.float64)
    e, kind, first = (a[row][:, None] for a in (world.made.elasticity, world.made.shape, world.made.price))
    today, cost = scene.today[:, None], scene.cost[:, None]
    price, since = np.repeat(today, draws, axis=1), np.full(shape[:2], 1e6)
    shelf, money = np.repeat(scene.stock[:, None], draws, axis=1), np.zeros(shape[:2])
    ahead = scene.forecast.mean.astype(float)
    for day in range(AHEAD):
        rival = np.broadcast_to(known.rivals[:, day, None], shape[:2])
        rate = np.broadcast_to(ahead[:, day:].mean(axis=1)[:, None], shape[:2])
        state = State(day, price, np.broadcast_to(today, shape[:2]), rival, shelf, rate, rate, cost, since)
        new, _ = guard.allowed(rule.propose(state), state)
        since, price = np.where(new != price, 1.0, since + 1), new
        paid = scene.plan[:, day, None] * price / today
        change = log_response(e, kind, paid / first) - log_response(e, kind, scene.plan[:, day, None] / first)
        sold = np.minimum(demand[:, :, day] * np.exp(change), shelf)
        shelf = shelf - sold
        money += sold * (paid - cost)
    return float(money.sum(axis=0).mean())


def rules_of(known: Known) -> dict[str, Rule]:
    scene = known.scene
    units = scene.forecast.mean.astype(float)
    demand = Demand(scene.forecast.keys, scene.product, units, scene.plan, scene.today, scene.cost)
    return {
        "follow, 5 % below": Follow(-0.05),
        "follow, within 5 %": Follow(0.0, (0.95, 1.05)),
        "cover, 45 and 10 days": Cover(45, 10),
        "step down, a tenth a week": StepDown(),
        "raise by 15 %": Planned(scene.today * 1.15),
        "cut by 15 %": Planned(scene.today * 0.85),
        "price plan": Planned(propose(demand, scene.response, Rules(change=0.15)).price),
    }


def rule_rows(seeds: list[int], products: int) -> pl.DataFrame:
    """Predicted and true gains, as shares of the money earned by keeping the prices."""
    rows = []
    guard = Guard(Rules(change=0.2), gap=7)
    for seed in seeds:
        for elasticity in (-1.3, -2.8):
            for learned in (False, True):
                known = shop(seed, elasticity, learned, products)
                rules = rules_of(known)
                trial = simulate(rules, known.scene, Settings(guard=guard, seed=seed))
                truth = {name: really(known, rule, guard) for name, rule in {"keep": Keep(), **rules}.items()}
                for name in rules:
                    gain = trial.gain(name)
                    ends = np.quantile(gain, [0.025, 0.1, 0.9, 0.975])
                    true = truth[name] - truth["keep"]
                    rows.append(
                        {
                            "learned": learned, "elasticity": elasticity, "rule": name, "seed": seed,
                            "predicted": gain.mean() / truth["keep"], "true": true / truth["keep"],
                            "in80": ends[1] <= true <= ends[2], "in95": ends[0] <= true <= ends[3],
                            "verdict": trial.verdicts[name].word,
                        }
                    )  # fmt: skip
                print(seed, elasticity, learned, flush=True)
    return pl.DataFrame(rows)


def rule_page(rows: pl.DataFrame, products: int) -> list[str]:
    seeds = rows["seed"].n_unique()
    lines = [
        "## Re-pricing rules, tried and then really played", "",
        f"{seeds} seeds, {products} products, mean elasticity -1.3 and -2.8, 28 days, 200 futures. Gains against "
        "keeping the prices, in per cent of the money that keeping them really earned; mean over shops. Sign: share of "
        "shops in which the predicted and the true gain have the same one (true gains below 0.2 % left out). Coverage: "
        "share of true gains inside the interval.", "",
        "| elasticities | mean elasticity | rule | predicted gain | true gain | lowest to highest true | same sign | "
        "mean absolute error | 80 % covers | 95 % covers |", "|---|---:|---|---:|---:|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    for (learned, elasticity, rule), part in rows.group_by("learned", "elasticity", "rule", maintain_order=True):
        true, said = part["true"].to_numpy(), part["predicted"].to_numpy()
        clear = np.abs(true) > 0.002
        sign = f"{(np.sign(true) == np.sign(said))[clear].mean():.0%}" if clear.any() else ""
        lines.append(
            f"| {'learned' if learned else 'true'} | {elasticity} | {rule} | {said.mean():+.1%} | {true.mean():+.1%} "
            f"| {true.min():+.1%} to {true.max():+.1%} | {sign} | {np.abs(said - true).mean():.1%} "
            f"| {part['in80'].mean():.0%} | {part['in95'].mean():.0%} |"
        )
    lines += ["", "All rules and shops together:", ""]
    lines += ["| elasticities | same sign | correlation | 80 % covers | 95 % covers |", "|---|---:|---:|---:|---:|"]
    for (learned,), part in rows.group_by("learned", maintain_order=True):
        true, said = part["true"].to_numpy(), part["predicted"].to_numpy()
        clear = np.abs(true) > 0.002
        lines.append(
            f"| {'learned' if learned else 'true'} | {(np.sign(true) == np.sign(said))[clear].mean():.0%} of "
            f"{clear.sum()} | {np.corrcoef(true, said)[0, 1]:.3f} | {part['in80'].mean():.0%} "
            f"| {part['in95'].mean():.0%} |"
        )
    told = rows.filter("learned")
    lines += ["", "Verdicts on learned elasticities, and what became of them:", ""]
    lines += ["| verdict | times | really earned more | mean true gain |", "|---|---:|---:|---:|"]
    for (word,), part in told.group_by("verdict", maintain_order=True):
        lines.append(f"| {word} | {part.height} | {(part['true'] > 0).mean():.0%} | {part['true'].mean():+.1%} |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[4, 5, 6, 7, 8, 9, 10, 11])
    parser.add_argument("--products", type=int, default=60)
    parser.add_argument("--out", type=Path, help="folder for market_prices.md")
    options = parser.parse_args(arguments)
    told = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "benchmarks/market_prices.py", *told])
    lines = [
        "# Prices to come, and re-pricing rules", "",
        f"{platform.machine()}, {os.cpu_count()} cores, one thread, Python {platform.python_version()}, windvane "
        f"{__version__}. Seconds were taken beside other work.", "", f"    {command}", "",
    ]  # fmt: skip
    lines += price_page(options.data)
    if options.seeds:
        lines += rule_page(rule_rows(options.seeds, options.products), options.products)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "market_prices.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
