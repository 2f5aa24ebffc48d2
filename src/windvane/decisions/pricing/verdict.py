"""What to make of re-pricing rules that were tried: money with intervals, a verdict, and the test that would settle it.

A verdict rests on the difference to keeping the prices, future by future:

- *use*: it earns more, and less in hardly any future;
- *do not use*: it changes nothing, or is not expected to earn more;
- *test first*: everything between, and whatever rests on products whose own price has hardly ever varied. The plan of
  the test alternates prices (:mod:`windvane.decisions.pricing.experiment`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.decisions.pricing.experiment import Experiment, plan
from windvane.decisions.pricing.repricing import Rule
from windvane.decisions.pricing.trial import KEEP, Played, Scene, Settings, play_all
from windvane.errors import InputError
from windvane.grouping import sum_by

USE, TEST, NOT = "use", "test first", "do not use"
_MOVED = 0.002  # a product whose mean log price moves less is not concerned
_UNTOLD = 0.5  # share of the units concerned whose price never varied, from which on a rule is tested first
_WHY = {
    "en": {
        "use": "It earns {gain} more than keeping the prices ({low} to {high}), and less in {worse} of the futures.",
        "test": "It is expected to earn {gain} more than keeping the prices ({low} to {high}), but less in {worse} of "
        "the futures.{test}",
        "untold": "It is expected to earn {gain} more than keeping the prices, but {untold} of the units concerned are "
        "of products whose own price has hardly ever varied.{test}",
        "not": "The difference to keeping the prices is expected to be {gain} ({low} to {high}); it earns less in "
        "{worse} of the futures.",
        "nothing": "It changes no price.",
        "for": " A test of {products} products takes {days} days.",
        "never": " A test would find nothing: demand hardly answers.",
    },
    "zh": {
        "use": "比保持价格多赚 {gain}（{low} 至 {high}），只在 {worse} 的情形下更差。",
        "test": "预计比保持价格多赚 {gain}（{low} 至 {high}），但在 {worse} 的情形下更差。{test}",
        "untold": "预计比保持价格多赚 {gain}，但所涉销量的 {untold} 属于自身价格几乎从未变动的商品。{test}",
        "not": "与保持价格之差预计为 {gain}（{low} 至 {high}），在 {worse} 的情形下更差。",
        "nothing": "不改变任何价格。",
        "for": "测试 {products} 个商品需 {days} 天。",
        "never": "测试也看不出什么：需求几乎没有反应。",
    },
}


@dataclass(frozen=True, eq=False)
class Verdict:
    """What to make of one rule.

    Attributes:
        word: "use", "test first" or "do not use".
        why: the reason, one or two sentences.
        test: the plan of a test, where there is to be one and it can find anything.
    """

    word: str
    why: str
    test: Experiment | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """Rules as they were tried.

    Attributes:
        played: what every rule came to, ``keep`` first.
        verdicts: by name, without ``keep``.
        level: of the intervals.
    """

    played: Mapping[str, Played]
    verdicts: Mapping[str, Verdict]
    level: float

    def gain(self, rule: str) -> np.ndarray:
        """Money beyond that of keeping the prices in every future, float64 [futures]."""
        return self.played[rule].money.sum(axis=0) - self.played[KEEP].money.sum(axis=0)

    def frame(self) -> pl.DataFrame:
        """One row per rule, ``keep`` first.

        money, revenue, units, gain (each with _low and _high: the ends of the interval), margin (share of revenue),
        lost, leftover, changes (per product), at_bound (share of product-days), chance_worse, verdict, why, test_days,
        test_blocks.
        """
        return pl.DataFrame([self._row(name) for name in self.played], infer_schema_length=None)

    def _row(self, name: str) -> dict[str, object]:
        one, gain = self.played[name], self.gain(name)
        row: dict[str, object] = {"rule": name}
        sums = {"money": one.money, "revenue": one.revenue, "units": one.units}
        for key, values in {**{k: v.sum(axis=0) for k, v in sums.items()}, "gain": gain}.items():
            low, high = _ends(values, self.level)
            row |= {key: float(values.mean()), f"{key}_low": low, f"{key}_high": high}
        revenue = float(one.revenue.sum())
        verdict = self.verdicts.get(name)
        test = verdict.test if verdict else None
        return row | {
            "margin": float(one.money.sum()) / revenue if revenue > 0 else None,
            "lost": float(one.lost.sum(axis=0).mean()),
            "leftover": float(one.leftover.sum(axis=0).mean()),
            "changes": float(one.changes.mean()),
            "at_bound": float(one.bound.mean()),
            "chance_worse": float((gain < 0).mean()),
            "verdict": verdict.word if verdict else None,
            "why": verdict.why if verdict else None,
            "test_days": test.days if test else None,
            "test_blocks": test.blocks if test else None,
        }

    def products(self, rule: str) -> pl.DataFrame:
        """One row per product: product, price (of the first day), gain (with _low, _high), chance_worse, changes."""
        one = self.played[rule]
        gain = one.money - self.played[KEEP].money
        low, high = np.quantile(gain, _tails(self.level), axis=1)
        return pl.DataFrame(
            {
                "product": np.arange(len(gain)),
                "price": np.median(one.first, axis=1).round(6),
                "gain": gain.mean(axis=1),
                "gain_low": low,
                "gain_high": high,
                "chance_worse": (gain < 0).mean(axis=1),
                "changes": one.changes.mean(axis=1),
            }
        )


def simulate(rules: Mapping[str, Rule], scene: Scene, settings: Settings | None = None) -> Trial:
    """Try re-pricing rules on what may come, beside keeping the prices.

    Demand of all series over all futures is held in memory: 4 bytes x series x futures x horizon, some times over.

    Args:
        rules: by name, such as ``{"follow": Follow(-0.02)}``; see :mod:`windvane.decisions.pricing.repricing`.
        scene: what is priced, and what is known of it.
        settings: how; the usual where absent.

    Returns:
        Money, units and changes of every rule with intervals, and a verdict on each.

    Raises:
        InputError: there is no rule, or a rule proposed what is no price.

    Example:
        >>> from datetime import date
        >>> from windvane.decisions.pricing import StepDown
        >>> from windvane.decisions.response import PriceResponse
        >>> from windvane.forecasts import Forecast
        >>> one, zero, keys = np.ones(1), np.zeros(1), pl.DataFrame({"sku": ["a"]})
        >>> days = pl.date_range(date(2026, 1, 2), date(2026, 1, 8), eager=True)
        >>> mean, steady = np.full((1, 7), 5.0, np.float32), np.full((1, 7, 3), 5.0, np.float32)
        >>> name = np.ones(1, np.uint64)
        >>> demand = Forecast(keys, date(2026, 1, 1), days, mean, steady, (0.1, 0.5, 0.9), name)
        >>> response = PriceResponse(
        ...     keys, 10 * one, -3 * one, zero, zero, zero, 0.0, 8 * one, 12 * one, one > 0, {},
        ...     np.array([-1]), np.zeros(0, np.int64), np.zeros((1, 0)))
        >>> scene = Scene(demand, response, np.zeros(1, np.int64), np.full((1, 7), 10.0), 10 * one, 4 * one)
        >>> trial = simulate({"a tenth less": StepDown()}, scene)
        >>> trial.frame().select("rule", pl.col("money").round(2), "verdict").rows()
        [('keep', 210.0, None), ('a tenth less', 240.05, 'use')]
    """
    settings = settings or Settings()
    if not {name for name in rules if name != KEEP}:
        raise InputError("there is no rule to try.", "Give one at least beside keep.")
    played = play_all(rules, scene, settings)
    verdicts = {name: _verdict(one, played[KEEP], scene, settings) for name, one in played.items() if name != KEEP}
    return Trial(played, verdicts, settings.level)


def _verdict(one: Played, keep: Played, scene: Scene, settings: Settings) -> Verdict:
    """Weigh one rule against keeping the prices."""
    words = _WHY[settings.language]
    gain = one.money.sum(axis=0) - keep.money.sum(axis=0)
    low, high = _ends(gain, settings.level)
    worse = float((gain < 0).mean())
    said = {"gain": f"{gain.mean():,.2f}", "low": f"{low:,.2f}", "high": f"{high:,.2f}", "worse": f"{worse:.0%}"}
    if not one.changes.any():
        return Verdict(NOT, words["nothing"])
    if gain.mean() <= 0 or worse >= 0.5:
        return Verdict(NOT, words["not"].format(**said))
    units, products = keep.demand.mean(axis=1), len(scene.today)
    concerned = np.abs(one.moved).mean(axis=1) > _MOVED
    told = sum_by(scene.product, units * scene.response.varied, products)
    whole = sum_by(scene.product, units, products)
    untold = 1 - told[concerned].sum() / max(float(whole[concerned].sum()), 1e-9)
    if worse <= settings.worse and untold < _UNTOLD:
        return Verdict(USE, words["use"].format(**said))
    test, count = _test(one, keep, scene)
    then = words["for"].format(products=count, days=test.days) if test else words["never"]
    why = words["test" if worse > settings.worse else "untold"]
    return Verdict(TEST, why.format(untold=f"{untold:.0%}", test=then, **said), test)


def _test(one: Played, keep: Played, scene: Scene) -> tuple[Experiment | None, int]:
    """The plan of a test of the products that move the way most units do, by their mean change; and their number."""
    units = keep.demand.mean(axis=1)
    moved = one.moved.mean(axis=1)[scene.product]
    up = units[moved > _MOVED].sum() > units[moved < -_MOVED].sum()
    rows = np.flatnonzero((moved > _MOVED if up else moved < -_MOVED) & (units > 0))
    if not len(rows):
        return None, 0
    response, count = scene.response, len(np.unique(scene.product[rows]))
    change = float(np.expm1(np.average(moved[rows], weights=units[rows])))
    relative = np.log(scene.today[scene.product[rows]] / response.reference[rows])
    own = response.own[rows] * np.exp(response.power * relative)
    try:
        return plan(units[rows] / scene.forecast.horizon, scene.noise, own, change), count
    except InputError:
        return None, count


def _tails(level: float) -> list[float]:
    return [0.5 - level / 2, 0.5 + level / 2]


def _ends(values: np.ndarray, level: float) -> tuple[float, float]:
    """Ends of the interval of some draws."""
    low, high = np.quantile(values, _tails(level))
    return float(low), float(high)
