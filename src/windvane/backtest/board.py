"""From fold results to the tables scores and leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from windvane.backtest.compare import Gain, paired_gain
from windvane.backtest.folds import SEGMENTS
from windvane.backtest.metrics import Losses, aggregate
from windvane.backtest.run import FoldResult, Judged
from windvane.grouping import sum_by
from windvane.panel import Panel
from windvane.schema import DERIVED

CHAMPION = "champion"
_NODE_METRICS = ("wape", "mae", "mse", "rmse", "bias")
_SUMS = 1 / 3
"""Weight of the errors of sums in the choice: single products are ordered, sums are staffed, shipped and paid for."""


class _Chosen(NamedTuple):
    """A model on a choosing fold: loss, sales and segment per series, absolute error per kind of sum by segment.

    Where models are chosen by money, the loss is what each series cost, and sums count for nothing.
    """

    loss: np.ndarray
    sold: np.ndarray
    segment: np.ndarray
    sums: Mapping[str, np.ndarray]


class Board:
    """Collects fold results; chooses on some folds, reports on the others.

    Args:
        panel: all of the history, for hierarchy nodes.
        simple: names of the simple baselines.
        seed: seed of the bootstrap.
        combined: names of combinations of models.
        by_money: whether models are chosen by what orders by their forecasts cost, where that is known.
    """

    def __init__(
        self,
        panel: Panel,
        simple: Sequence[str],
        seed: int,
        combined: Sequence[str] = (),
        by_money: bool = False,
    ) -> None:
        self.panel = panel
        self.simple = tuple(simple)
        self.combined = tuple(combined)
        self.by_money = by_money
        self.seed = seed
        self.scores: list[dict[str, object]] = []
        self._choosing: dict[str, list[_Chosen]] = {}
        self._reported: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray, dict[str, float], float]]] = {}
        self._nodes = _nodes(panel)

    def add_choosing(self, result: FoldResult) -> None:
        """Take in a fold that serves to choose."""
        for name, judged in result.models.items():
            self._score(name, result, judged)
            known = judged.losses.known
            loss = np.where(known, judged.losses.quantile, 0).sum(1)
            sold = np.abs(np.where(known, judged.losses.sales, 0)).sum(1)
            sums = {s: self._sums(judged, _rows(result.segment, s)) for s in ("all", *SEGMENTS)}
            if self.by_money and judged.cost is not None:
                loss, sums = np.nan_to_num(judged.cost), {s: 0 * errors for s, errors in sums.items()}
            kept = _Chosen(loss, sold, result.segment, sums)
            self._choosing.setdefault(name, []).append(kept)

    def choose(self, models: Sequence[str]) -> dict[str, str]:
        """Champion of every segment, from the choosing folds.

        A model's loss on a fold is the quantile loss of the series and, weighing a third of it, the errors of their
        sums by category and in all, each over that of all models together. The combination named first is champion of
        all unless another model is better on the mean over the folds by more than one standard error of that mean: who
        wins on one origin alone, or by chance, is not chosen. Without a combination the lowest mean wins. Another one
        is chosen for a segment only where it is as surely better there, sums of the segment included, and where the
        single series say so too: on most folds, and by the paired bootstrap (the 95 % interval of the gain lies above
        zero). Without any choosing fold the first of moving_average and the given models is taken.
        """
        if not self._choosing:
            fallback = "moving_average" if "moving_average" in models else models[0]
            return dict.fromkeys(("all", *SEGMENTS), fallback)
        loss = {name: self._weighed(name) for name in models}
        overall = self._overall(models)
        chosen = {"all": overall}
        for segment in SEGMENTS:
            chosen[segment] = overall
            inside = [fold.segment == segment for fold in self._choosing[overall]]
            if not any(rows.any() for rows in inside):
                continue
            best, sure = self._better(models, overall, segment)
            here = {
                n: [np.where(r, f, 0) for r, f in zip(inside, loss[n], strict=True)]
                for n in dict.fromkeys((overall, best))
            }
            gains = [float(old.sum() - new.sum()) for old, new in zip(here[overall], here[best], strict=True)]
            if best == overall or not sure or 2 * sum(gain > 0 for gain in gains) <= len(gains):
                continue
            old, new = np.sum(here[overall], axis=0), np.sum(here[best], axis=0)
            rows = old + new > 0
            if paired_gain(new[rows], old[rows], 500, self.seed).low > 0:
                chosen[segment] = best
        return chosen

    def _overall(self, models: Sequence[str]) -> str:
        """The model that all series get."""
        anchor = next((name for name in models if name in self.combined), None)
        best, sure = self._better(models, anchor, "all")
        # One fold alone has no spread: it replaces no combination.
        several = len(self._choosing[models[0]]) > 1
        return best if (sure and several) or anchor is None else anchor

    def _better(self, models: Sequence[str], anchor: str | None, segment: str) -> tuple[str, bool]:
        """The model that is best in a segment, and whether it beats the anchor by more than a standard error."""
        folds = range(len(self._choosing[models[0]]))
        inside = [_rows(fold.segment, segment) for fold in self._choosing[models[0]]]
        series = np.array([[self._choosing[name][f].loss[inside[f]].sum() for f in folds] for name in models])
        sums = np.array([[self._choosing[name][f].sums[segment] for f in folds] for name in models])
        relative = series / np.maximum(series.mean(axis=0), 1e-300)
        of_sums = (sums / np.maximum(sums.mean(axis=0), 1e-300)).mean(axis=2)
        score = (1 - _SUMS) * relative + _SUMS * of_sums
        best = int(score.mean(axis=1).argmin())
        if anchor is None:
            return models[best], False
        gain = score[list(models).index(anchor)] - score[best]
        doubt = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
        return models[best], bool(gain.mean() > doubt)

    def _sums(self, judged: Judged, rows: np.ndarray) -> np.ndarray:
        """Absolute errors of the sums of some series, in all and by category, float64 [kinds]."""
        losses = judged.losses
        if not len(rows):
            return np.zeros(len(self._nodes))
        known = losses.known[rows]
        off = np.where(known, judged.mean[rows, : known.shape[1]] - losses.sales[rows], 0.0)
        count = {name: int(code.max(initial=0)) + 1 for name, code in self._nodes.items()}
        sums = [np.abs(sum_by(code[rows], off, count[name])).sum() for name, code in self._nodes.items()]
        return np.array(sums, np.float64)

    def _weighed(self, name: str) -> list[np.ndarray]:
        """Loss per series of every choosing fold, as a share of the fold's sales."""
        return [fold.loss / max(float(fold.sold.sum()), 1e-300) for fold in self._choosing[name]]

    def add_reported(self, result: FoldResult, chosen: Mapping[str, str]) -> None:
        """Take in a fold that is only reported; the champion is put together from the chosen models."""
        models = {**result.models, CHAMPION: compose(result, chosen)}
        for name, judged in models.items():
            self._score(name, result, judged)
            for segment in ("all", *SEGMENTS):
                rows = _rows(result.segment, segment)
                known = judged.losses.known[rows]
                quantile, sales = np.zeros(len(result.segment)), np.zeros(len(result.segment))
                quantile[rows] = np.where(known, judged.losses.quantile[rows], 0).sum(1)
                sales[rows] = np.abs(np.where(known, judged.losses.sales[rows], 0)).sum(1)
                figures = aggregate(judged.losses, rows) | {"cost": _cost(judged, rows)}
                self._reported.setdefault((segment, name), []).append((quantile, sales, figures, judged.seconds))

    def _score(self, name: str, result: FoldResult, judged: Judged) -> None:
        base = {"model": name, "cutoff": result.date, "use": result.fold.use}
        losses = judged.losses
        for segment in ("all", *SEGMENTS):
            rows = _rows(result.segment, segment)
            if len(rows):
                self._put({**base, "segment": segment, "node": "series", "step": 0}, aggregate(losses, rows), len(rows))
        rows = _rows(result.segment, "all")
        for step in range(1, losses.sales.shape[1] + 1):
            figures = aggregate(losses, rows, slice(step - 1, step))
            kept = {key: figures[key] for key in ("wql", "wape", "bias", "coverage80")}
            self._put({**base, "segment": "all", "node": "series", "step": step}, kept, len(rows))
        for node, code in self._nodes.items():
            summed = _sum_nodes(losses, judged.mean, code)
            figures = aggregate(summed, np.arange(len(summed.sales)))
            kept = {key: figures[key] for key in _NODE_METRICS}
            self._put({**base, "segment": "all", "node": node, "step": 0}, kept, len(summed.sales))

    def _put(self, base: dict[str, object], figures: Mapping[str, float], series: int) -> None:
        for metric, value in figures.items():
            known = None if np.isnan(value) else float(value)
            self.scores.append({**base, "metric": metric, "value": known, "series": series})

    def scores_frame(self) -> pl.DataFrame:
        """The table scores; cutoff is a moment where periods are hours."""
        types = {**DERIVED["scores"].types, "cutoff": self.panel.dates.dtype}
        return pl.DataFrame(self.scores, schema=types)

    def leaderboard(self, chosen: Mapping[str, str], resamples: int) -> pl.DataFrame:
        """The table leaderboard: models per segment over the reported folds."""
        out: list[dict[str, object]] = []
        for segment in ("all", *SEGMENTS):
            names = [name for (place, name) in self._reported if place == segment]
            wql = {name: self._wql(segment, name) for name in names}
            if not names or np.isnan(wql[names[0]]):
                continue
            simple = [name for name in names if name in self.simple]
            best = min(simple, key=lambda name: wql[name]) if simple else None
            for rank, name in enumerate(sorted(names, key=lambda name: wql[name]), start=1):
                parts = self._reported[segment, name]
                series = int((np.sum([part[1] for part in parts], axis=0) > 0).sum())
                gain = self._gain(segment, name, best, resamples)
                figures = {
                    key: _mean([part[2][key] for part in parts])
                    for key in ("wape", "rmsse", "mase", "bias", "coverage80", "coverage95", "cost")
                }
                out.append(
                    {
                        "segment": segment,
                        "model": name,
                        "rank": rank,
                        "chosen": name == CHAMPION or (segment != "all" and chosen.get(segment) == name),
                        "simple": name in self.simple,
                        "wql": wql[name],
                        **figures,
                        "gain": gain.value,
                        "gain_low": gain.low,
                        "gain_high": gain.high,
                        "seconds": _mean([part[3] for part in parts]),
                        "series": series,
                    }
                )
        table = DERIVED["leaderboard"]
        frame = pl.DataFrame(out, schema=dict(table.types)) if out else table.empty()
        return frame.with_columns(pl.selectors.float().fill_nan(None))

    def _wql(self, segment: str, name: str) -> float:
        parts = self._reported[segment, name]
        sold = sum(float(part[1].sum()) for part in parts)
        return sum(float(part[0].sum()) for part in parts) / sold if sold > 0 else float("nan")

    def _gain(self, segment: str, name: str, best: str | None, resamples: int) -> Gain:
        if best is None or best == name:
            return Gain(0.0, 0.0, 0.0) if best == name else Gain(*[float("nan")] * 3)
        loss = np.sum([part[0] for part in self._reported[segment, name]], axis=0)
        other = np.sum([part[0] for part in self._reported[segment, best]], axis=0)
        inside = np.sum([part[1] for part in self._reported[segment, best]], axis=0) + loss + other > 0
        return paired_gain(loss[inside], other[inside], resamples, self.seed)


def compose(result: FoldResult, chosen: Mapping[str, str]) -> Judged:
    """The champion on a fold: every series judged by the model chosen for its segment."""
    names = list(result.models)
    pick = np.array([names.index(chosen.get(segment, chosen["all"])) for segment in result.segment.tolist()])
    every = [result.models[name] for name in names]

    def picked(arrays: list[np.ndarray]) -> np.ndarray:
        out = arrays[0].copy()
        for i, array in enumerate(arrays):
            out[pick == i] = array[pick == i]
        return out

    losses = Losses(*(picked([getattr(one.losses, name) for one in every]) for name in Losses.__dataclass_fields__))
    seconds = sum(every[i].seconds for i in set(pick.tolist()))
    costs = [one.cost for one in every if one.cost is not None]
    cost = picked(costs) if len(costs) == len(every) else None
    return Judged(losses, picked([one.mean for one in every]), seconds, cost)


def _rows(segment: np.ndarray, name: str) -> np.ndarray:
    return np.arange(len(segment)) if name == "all" else np.flatnonzero(segment == name)


def _cost(judged: Judged, rows: np.ndarray) -> float:
    """Money per series and period; NaN where nothing was priced."""
    if judged.cost is None or np.isnan(judged.cost[rows]).all():
        return float("nan")
    return float(np.nanmean(judged.cost[rows]))


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def _nodes(panel: Panel) -> dict[str, np.ndarray]:
    """Group code of every series per hierarchy node: the first grouping ('category') and the whole ('total')."""
    nodes = {"total": np.zeros(panel.shape[0], np.int64)}
    if panel.hierarchy:
        column = panel.static[panel.hierarchy[0]].cast(pl.String).fill_null("")
        nodes["category"] = column.rank("dense").cast(pl.Int64).to_numpy() - 1
    return nodes


def _sum_nodes(losses: Losses, mean: np.ndarray, code: np.ndarray) -> Losses:
    """Losses of group totals; the median of a total is not known here, so absolute errors are of the mean."""
    count, width = int(code.max(initial=0)) + 1, losses.sales.shape[1]
    sales = sum_by(code, np.where(losses.known, losses.sales, 0))
    total = sum_by(code, np.where(losses.known, mean[:, :width], 0))
    error = total - sales
    return replace(
        losses,
        quantile=np.abs(error),
        absolute=np.abs(error),
        square=error**2,
        error=error,
        sales=sales,
        known=np.ones_like(sales, bool),
        pit=np.full_like(sales, np.nan),
        scale=np.full(count, np.nan),
        scale_square=np.full(count, np.nan),
    )
