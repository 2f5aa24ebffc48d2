"""Returns taken from the day of the sale that they undo."""

from __future__ import annotations

import numpy as np
import polars as pl
from numba import njit

from windvane.clean.lines import BACK, KEYS, SALE, SERIES, Ruled, added, taken_away

RULE = "return to sale date"
_REACH = 2000
"""Sales of a group that are looked back through, at most."""


def _match_py(group, moment, units, left, want, back_group, back_moment, need, found):  # type: ignore[no-untyped-def]
    """For every return the latest earlier sale of its group with enough units left.

    Sales are sorted by group and moment; ``left`` (units not yet returned) is written to, ``found`` takes the row of
    the sale. ``want`` says which returns are still without one.
    """
    for r in range(len(need)):
        if not want[r]:
            continue
        low, high = 0, len(group)
        while low < high:  # first sale after the return
            middle = (low + high) // 2
            before = group[middle] < back_group[r] or (
                group[middle] == back_group[r] and moment[middle] <= back_moment[r]
            )
            if before:
                low = middle + 1
            else:
                high = middle
        row = low - 1
        tried = 0
        while row >= 0 and group[row] == back_group[r] and tried < _REACH:
            if left[units[row]] >= need[r]:
                left[units[row]] -= need[r]
                found[r] = units[row]
                break
            row -= 1
            tried += 1


_match = njit(
    "void(int64[::1], int64[::1], int64[::1], float64[::1], boolean[::1], int64[::1], int64[::1], float64[::1], "
    "int64[::1])",
    nogil=True,
    cache=True,
)(_match_py)


def to_sale_date(orders: pl.LazyFrame, gone: pl.DataFrame) -> Ruled:
    """Move returns to the moment of the sale they undo.

    A return that names its order (return_of) goes to that order's line of the same sku; any other to the latest
    earlier sale of the same customer, sku and location with enough units not yet returned; failing that to the latest
    such sale of the sku and location; failing that it stays where it is. The return of a line that other rules left out
    is left out with it.

    Args:
        orders: order lines as far as they may be seen: a return not yet known moves nothing.
        gone: order_id and line of the lines left out.
    """
    columns = ["order_id", "line", *SERIES, "ordered_at", "units", "unit_price", "discount", "customer", "kind"]
    back = orders.filter(BACK & (pl.col("units") != 0)).select(*columns, "return_of").collect()
    if not back.height:
        return Ruled(RULE)
    back = back.sort("ordered_at", "order_id", "line")
    near = orders.filter(SALE).select([*columns[:6], "customer"])
    near = near.join(back.lazy().select(SERIES).unique(), on=list(SERIES), how="semi")
    sales = near.sort("ordered_at", "order_id", "line").collect()
    found = np.full(back.height, -1, np.int64)
    left = np.array(sales["units"].to_numpy(), np.float64)
    need = np.array(back["units"].abs().to_numpy(), np.float64)
    for of_sale, of_return in (
        (("order_id", *SERIES), ("return_of", *SERIES)),
        (("customer", *SERIES), ("customer", *SERIES)),
        (SERIES, SERIES),
    ):
        codes, back_codes = _codes(sales.select(of_sale), back.select(of_return))
        order = np.lexsort((np.arange(len(codes)), codes))
        moment = sales["ordered_at"].to_physical().to_numpy()
        want = (found < 0) & (back_codes >= 0)
        _match(
            np.ascontiguousarray(codes[order]), np.ascontiguousarray(moment[order]), order.astype(np.int64), left,
            want, back_codes, np.array(back["ordered_at"].to_physical().to_numpy(), np.int64), need, found,
        )  # fmt: skip
    there = pl.Series(found >= 0)
    moved, to = back.filter(there), sales[found[found >= 0]]
    lost = to.select(KEYS).with_row_index().join(gone, on=list(KEYS), how="semi")["index"]
    what = pl.format(
        "{} returned on {} (order {}) of what order {} sold",
        pl.col("units").abs(), pl.col("ordered_at").dt.date(), pl.col("order_id"), pl.lit(to["order_id"]),
    )  # fmt: skip
    moved = moved.with_columns(what.alias("what"), to["ordered_at"].alias("at"))
    kept = moved.with_row_index("__row").filter(~pl.col("__row").is_in(lost.implode())).drop("__row")
    # On the day of the return the units come back, on the day of the sale they go.
    return Ruled(RULE, pl.concat([taken_away(moved, True), added(kept, True)]), lines=moved.height)


def _codes(sales: pl.DataFrame, back: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """One number per group for both frames; -1 for a return whose group is not given or has no sale."""
    groups = sales.unique(maintain_order=True).with_row_index("__group")
    names = sales.columns
    back = back.rename(dict(zip(back.columns, names, strict=True)))
    out = []
    for frame in (sales, back):
        joined = frame.join(groups, on=names, how="left", maintain_order="left")["__group"]
        out.append(np.array(joined.cast(pl.Int64).fill_null(-1).to_numpy(), np.int64))
    return out[0], out[1]
