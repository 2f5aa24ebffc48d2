"""What the estimate of responses looks at: prices, those of rivals, promotions and the days after them, groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from windvane.decisions.response.promoted import EACH, ONE, running, spread
from windvane.errors import InputError
from windvane.grouping import sum_by
from windvane.panel import Panel

_AFTER_DAYS = (7, 14)
_FADES = 0.8  # what is left a day later of what customers have bought in advance
_FEW = 15  # products in a group of rivals that are looked at one by one
_SERIES = 5  # series that a group has at least, on average


def prices(panel: Panel) -> np.ndarray:
    """Price of every series and period, float64 [series, time]; gaps take the last one before, else the first."""
    time = panel.shape[1]
    if "price" in panel.known:
        price: np.ndarray = panel.known["price"].values[:, :time].astype(np.float64)
    elif "price" in panel.past:
        price = panel.past["price"].astype(np.float64)
    else:
        raise InputError("nothing is known of prices.", "Give a table prices, or orders with prices.", table="prices")
    good = np.greater(price, 0)
    last = np.maximum.accumulate(np.where(good, np.arange(time)[None, :], -1), axis=1)
    last = np.where(last < 0, good.argmax(axis=1)[:, None], last)
    found: np.ndarray = np.take_along_axis(price, last, axis=1)
    return np.where(good.any(axis=1)[:, None], found, np.nan)


def reference(price: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The usual price of late: the median of the last quarter of what was seen."""
    out = np.full(len(price), np.nan)
    for s in range(len(price)):
        known = price[s, seen[s]]
        if len(known):
            out[s] = np.median(known[-max(len(known) // 4, 1) :])
    return out


def shared(panel: Panel) -> np.ndarray | None:
    """Groups of series that days move together: the finest level of the hierarchy, else all series."""
    series = panel.shape[0]
    for name in reversed(panel.hierarchy):
        column = panel.static[name] if name in panel.static.columns else panel.keys[name]
        code = column.cast(pl.String).fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
        if series / (int(code.max(initial=0)) + 1) >= _SERIES:
            return code
    return np.zeros(series, np.int64) if series >= _SERIES else None


def products(panel: Panel, kind: np.ndarray | None, group: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Number of the product of every series, int64 [series], and the group of every product, int64 [products]."""
    series = panel.shape[0]
    if kind is None:
        column = panel.keys["sku"] if "sku" in panel.keys.columns else None
        kind = np.arange(series) if column is None else column.rank("dense").to_numpy().astype(np.int64) - 1
    _, at, kind = np.unique(kind, return_index=True, return_inverse=True)
    above = np.zeros(series, np.int64) if group is None else group
    return kind, np.unique(above[at], return_inverse=True)[1]


def members(beside: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Number of every series within its group of rivals, int64 [series]; empty where groups are too large for that.

    The same product has the same number in all groups where there are few products, else its rank in the group.
    """
    inside = beside >= 0
    if not inside.any() or np.bincount(beside[inside]).max() > _FEW:
        return np.zeros(0, np.int64)
    few, code = np.unique(product[inside], return_inverse=True)
    number = np.zeros(len(beside), np.int64)
    if len(few) <= _FEW:
        number[inside] = code
        return number
    order = np.lexsort((product, beside))
    first = np.searchsorted(beside[order], beside[order])
    number[order] = np.arange(len(beside)) - first
    return np.where(inside, number, 0)


def controls(panel: Panel, price: np.ndarray, names: Sequence[str] | None) -> tuple[list[str], list[np.ndarray]]:
    """Names and values float32 [series, time] of what is controlled."""
    time, out, said = panel.shape[1], [], []
    promoted = None
    for name in (n for n in panel.known if n not in ("price", "depth")) if names is None else names:
        values = panel.known[name].values[:, :time] if name in panel.known else panel.past[name]
        if name == ONE or name.startswith(EACH):
            promoted = running(panel)
        if _same_for_all(values):
            continue
        if name in panel.levels:
            for code, text in enumerate(panel.levels[name]):
                if text and (values == code).any():
                    said.append(f"{name}={text}")
                    out.append((values == code).astype(np.float32))
            continue
        size = spread(values)
        if size > 0:
            said.append(name)
            out.append(np.nan_to_num(values).astype(np.float32) / np.float32(size))
    if promoted is not None and not _same_for_all(promoted):
        said += [f"after promotion, day {a + 1} to {b}" for a, b in _windows()]
        out += _after(promoted, panel)
        said.append("bought in promotions before")
        out.append(_stocked(price, promoted, panel.freq.days))
    return said, out


def _windows() -> list[tuple[int, int]]:
    return list(zip((0, *_AFTER_DAYS[:-1]), _AFTER_DAYS, strict=True))


def gone(promoted: np.ndarray) -> np.ndarray:
    """Periods since the last promoted one, int64 [series, time]; huge where there was none, 0 within a promotion."""
    at = np.arange(promoted.shape[1])[None, :]
    return at - np.maximum.accumulate(np.where(promoted, at, -(10**6)), axis=1)


def regular(price: np.ndarray, promoted: np.ndarray) -> np.ndarray:
    """The price outside of promotions: within one, the last before it, else the first after it."""
    at = np.arange(price.shape[1])[None, :]
    before = np.maximum.accumulate(np.where(promoted, -1, at), axis=1)
    free = ~promoted
    first = np.where(free.any(axis=1), free.argmax(axis=1), 0)[:, None]
    found: np.ndarray = np.take_along_axis(price, np.where(before < 0, first, before), axis=1)
    return found


def _after(promoted: np.ndarray, panel: Panel) -> list[np.ndarray]:
    """Whether a period lies so many days after a promotion and in none, float32 [series, time] each."""
    days = gone(promoted) * panel.freq.days
    return [((days > a) & (days <= b) & ~promoted).astype(np.float32) for a, b in _windows()]


def _stocked(price: np.ndarray, promoted: np.ndarray, days: float) -> np.ndarray:
    """What customers still have of a promotion: its discount, fading from its end on; float32 [series, time].

    The discount is the fall of the price below the last one before the promotion.
    """
    begun = np.maximum.accumulate(~promoted, axis=1)
    cut = np.where(promoted & begun, np.maximum(np.log(regular(price, promoted) / price), 0.0), 0.0)
    keep = _FADES**days
    out = np.zeros(price.shape, np.float32)
    held = np.zeros(len(price))
    for t in range(price.shape[1]):
        out[:, t] = np.where(promoted[:, t], 0.0, held)
        held = held * keep + np.nan_to_num(cut[:, t])
    size = float(out.std(dtype=np.float64))
    return out / np.float32(size if size > 0 else 1.0)


def _same_for_all(values: np.ndarray) -> bool:
    """Whether all series have the same values in every period."""
    same = values == values[:1]
    return bool((same if values.dtype == bool else same | (np.isnan(values) & np.isnan(values[:1]))).all())


def others(moved: np.ndarray, offered: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Mean of what the other series of the group moved their prices by, float32 [series, time]; 0 = none is sold."""
    inside = beside >= 0
    groups = int(beside.max()) + 1
    total = sum_by(beside[inside], np.where(offered, moved, 0)[inside], groups)
    count = sum_by(beside[inside], offered[inside], groups)
    rest = total[beside] - np.where(offered, moved, 0)
    many = count[beside] - offered
    return np.where(inside[:, None] & (many > 0), rest / np.maximum(many, 1), 0).astype(np.float32)


def each_other(moved: np.ndarray, offered: np.ndarray, beside: np.ndarray, member: np.ndarray) -> np.ndarray:
    """What each other member of the group moved its price by, [members, series, time]; 0 = not sold, or itself."""
    inside = np.flatnonzero(beside >= 0)
    count = int(member.max()) + 1
    held = np.zeros((int(beside.max()) + 1, count, moved.shape[1]), np.float32)
    held[beside[inside], member[inside]] = np.where(offered, moved, 0)[inside]
    out = np.zeros((count, *moved.shape), np.float32)
    out[:, inside] = held[beside[inside]].transpose(1, 0, 2)
    out[member[inside], inside] = 0.0
    return out
