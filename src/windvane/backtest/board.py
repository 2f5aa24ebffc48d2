"""From fold results to the tables scores and leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from windvane.backtest.compare import Gain, paired_gain
from windvane.backtest.folds import SEGMENTS
from windvane.backtest.metrics import Losses, aggregate
from windvane.backtest.run import FoldResult, Judged
from windvane.panel import Panel
from windvane.schema import DERIVED

CHAMPION = "champion"
_NODE_METRICS = ("wape", "mae", "mse", "rmse", "bias")


class Board:
    """Collects fold results; chooses on some folds, reports on the others.

    Args:
        panel: all of the history, for hierarchy nodes.
        simple: names of the simple baselines.
        seed: seed of the bootstrap.
    """

    def __init__(self, panel: Panel, simple: Sequence[str], seed: int) -> None:
        self.panel = panel
        self.simple = tuple(simple)
        self.seed = seed
        self.scores: list[dict[str, object]] = []
        self._choosing: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self._reported: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray, dict[str, float], float]]] = {}
        self._nodes = _nodes(panel)

    def add_choosing(self, result: FoldResult) -> None:
        """Take in a fold that serves to choose."""
        for name, judged in result.models.items():
            self._score(name, result, judged)
            for segment in ("all", *SEGMENTS):
                rows = _rows(result.segment, segment)
                known = judged.losses.known[rows]
                loss = float(np.where(known, judged.losses.quantile[rows], 0).sum())
                sold = float(np.abs(np.where(known, judged.losses.sales[rows], 0)).sum())
                self._choosing.setdefault((segment, name), []).append((loss, sold))

    def choose(self, models: Sequence[str], least_share: float = 0.002) -> dict[str, str]:
        """Champion of every segment: the lowest quantile loss over the choosing folds.

        A segment with next to no sales follows the champion of all series. Without any choosing fold the first
        of moving_average and the given models is taken.
        """
        if not self._choosing:
            fallback = "moving_average" if "moving_average" in models else models[0]
            return dict.fromkeys(("all", *SEGMENTS), fallback)

        def loss(segment: str, name: str) -> float:
            return sum(pair[0] for pair in self._choosing[segment, name])

        def sold(segment: str) -> float:
            return sum(pair[1] for pair in self._choosing[segment, models[0]])

        overall = min(models, key=lambda name: loss("all", name))
        chosen = {"all": overall}
        for segment in SEGMENTS:
            enough = sold(segment) > least_share * sold("all")
            chosen[segment] = min(models, key=lambda name: loss(segment, name)) if enough else overall
        return chosen

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
                self._reported.setdefault((segment, name), []).append(
                    (quantile, sales, aggregate(judged.losses, rows), judged.seconds)
                )

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
        """The table scores."""
        table = DERIVED["scores"]
        return pl.DataFrame(self.scores, schema=dict(table.types)) if self.scores else table.empty()

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
                    for key in ("wape", "rmsse", "mase", "bias", "coverage80", "coverage95")
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
        return pl.DataFrame(out, schema=dict(table.types), nan_to_null=True) if out else table.empty()

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
    return Judged(losses, picked([one.mean for one in every]), seconds)


def _rows(segment: np.ndarray, name: str) -> np.ndarray:
    return np.arange(len(segment)) if name == "all" else np.flatnonzero(segment == name)


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
    sales, total = np.zeros((count, width)), np.zeros((count, width))
    np.add.at(sales, code, np.where(losses.known, losses.sales, 0))
    np.add.at(total, code, np.where(losses.known, mean[:, :width], 0))
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
