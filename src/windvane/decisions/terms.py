"""On what terms a shop can order: lead times, chances to order, sizes of orders, what keeps how long."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from windvane.errors import InputError
from windvane.ledger import Rates

KEEPS = 1_000_000
"""Shelf life, in periods, of what does not spoil."""


@dataclass(frozen=True, eq=False)
class Terms:
    """Terms of every series.

    An order placed in the morning of a period, before the first customer, arrives in the morning ``lead`` periods
    later; with a lead of 0 at once. The next chance comes ``review`` periods later. What is ordered now must therefore
    last over lead + review periods.

    Attributes:
        rates: money per unit, period and order.
        leads: lead times in periods, int64 [series, k]; each of the k is as likely as the others.
        review: periods between chances to order, at least 1.
        pack: orders are multiples of this, float64 [series].
        moq: smallest order, float64 [series].
        capacity: largest order, float64 [series]; infinite = none.
        shelf_life: periods that a unit can be sold for after it arrived, int64 [series]; ``KEEPS`` = it does not spoil.
    """

    rates: Rates
    leads: np.ndarray
    review: int
    pack: np.ndarray
    moq: np.ndarray
    capacity: np.ndarray
    shelf_life: np.ndarray

    def __post_init__(self) -> None:
        if self.review < 1:
            raise InputError(f"review is {self.review} periods.", "Give at least 1.", column="review")
        for name, values, least in (
            ("lead_time", self.leads, 0), ("order_multiple", self.pack, 1e-9), ("moq", self.moq, 0),
            ("capacity", self.capacity, 0), ("shelf_life", self.shelf_life, 1),
        ):  # fmt: skip
            wrong = np.flatnonzero(~(values >= least).reshape(len(values), -1).all(axis=1))
            if len(wrong):
                raise InputError(
                    f"{name} of series {wrong[0]} is {values[wrong[0]]}.", f"Give numbers from {least:g}.", column=name
                )

    @classmethod
    def plain(cls, rates: Rates, lead: int | np.ndarray, review: int) -> Terms:
        """Terms without limits: single units, no smallest or largest order, nothing spoils.

        Args:
            rates: money.
            lead: lead time in periods, one for all or int [series] or [series, k].
            review: periods between chances to order.
        """
        series = len(rates.margin)
        given = np.asarray(lead, np.int64)
        leads = given if given.ndim == 2 else np.broadcast_to(given.reshape(-1, 1), (series, 1))
        return cls(
            rates=rates,
            leads=np.ascontiguousarray(leads, np.int64),
            review=review,
            pack=np.ones(series),
            moq=np.zeros(series),
            capacity=np.full(series, np.inf),
            shelf_life=np.full(series, KEEPS),
        )

    def take(self, rows: np.ndarray) -> Terms:
        """Those of some series."""
        names = ("leads", "pack", "moq", "capacity", "shelf_life")
        return replace(self, rates=self.rates.take(rows), **{name: getattr(self, name)[rows] for name in names})

    def orders(self, gap: np.ndarray) -> np.ndarray:
        """What can be ordered to fill gaps, float64 [series]: whole packs, the smallest and the largest order kept.

        0 where nothing is missing, or where the largest order holds no order that is allowed.
        """
        tiny = 1e-4
        packs = np.ceil(np.maximum(gap, self.moq) / self.pack - tiny)
        most = np.where(np.isfinite(self.capacity), np.floor(self.capacity / self.pack + tiny), np.inf)
        units = np.minimum(packs, most) * self.pack
        allowed = (gap > tiny) & (units >= self.moq - tiny)
        return np.where(allowed, np.round(units, 6), 0.0)
