"""Price elasticities of orange juice in 83 stores, and how well they foretell weeks that were held out.

    WINDVANE_PEER_PYTHON=/path/to/python python benchmarks/elasticity.py [--out FOLDER]

Dominick's Finer Foods, 11 brands, weekly. A fifth of the weeks is held out in all stores; the others teach each method
how units answer to the own price, the prices of the other brands, features and deals. The likelihood is that of the
logarithm of units in the weeks held out, normal round the fit, with the spread that the method's residuals have
in the weeks that taught it, brand by brand. Signs are left free.

- ours: a level per store and brand that moves slowly, elasticities pooled over stores;
- log-log OLS: by brand, an effect per store, own and all other prices, feature, deal;
- econml: LinearDML as it comes, by brand, the same controls; needs a Python with econml.

Beside them stands what is published for the same cells: Taddy (2019), Business Data Science, chapter 2, regresses the
logarithm of units on the brand and the logarithm of the price, for three of the brands, and finds -3.14. The same
regression is run here, which shows that the cells are the same, and with a slope per brand.

The data set is read from the folder named by WINDVANE_DATA and is for research and evaluation only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windvane import __version__
from windvane.decisions.response import learn
from windvane.freq import Freq
from windvane.futures import Known
from windvane.panel import Panel

_HELD_OUT = 0.2
_BRANDS = 11
_PUBLISHED, _THREE = -3.14, (1, 5, 10)
"""Taddy's elasticity, and the brands that it is of."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a method found.

    Attributes:
        fit: logarithm of units, float64 [cells].
        own: own elasticity per brand, mean over stores, and its standard error or NaN.
        cross: elasticity to all other prices together, per brand; NaN = not told.
        seconds: it took.
    """

    fit: np.ndarray
    own: np.ndarray
    error: np.ndarray
    cross: np.ndarray
    seconds: float


def cells() -> pl.DataFrame:
    """All cells, sorted by series and week."""
    folder = os.environ.get("WINDVANE_DATA")
    if not folder:
        raise SystemExit("Set WINDVANE_DATA to the folder of the data sets.")
    data = pl.read_parquet(Path(folder) / "orange_juice" / "weekly.parquet")
    brand = pl.col("brand").cast(pl.String).cast(pl.Int64)
    store = pl.col("store").cast(pl.String).cast(pl.Int64)
    return data.with_columns(brand, store, pl.col("brand_name").cast(pl.String)).sort("store", "brand", "ds")


def ours(data: pl.DataFrame, train: np.ndarray, shared: bool) -> Fitted:
    begin = time.perf_counter()
    rows = data.select("store", "brand").unique(maintain_order=True)
    weeks = data["ds"].unique().sort()
    row = data.select("store", "brand").join(rows.with_row_index("at"), on=["store", "brand"], maintain_order="left")
    at, week = row["at"].to_numpy(), weeks.search_sorted(data["ds"]).to_numpy()

    def grid(values: np.ndarray) -> np.ndarray:
        out = np.full((rows.height, len(weeks)), np.nan, np.float32)
        out[at, week] = values
        return out

    units = grid(np.where(train, data["y"].to_numpy() / 64, np.nan))
    known = {
        "price": Known(grid(data["price_per_oz"].to_numpy() * 64)),
        "feat": Known(grid(data["feat"].to_numpy())),
        "deal": Known(grid(data["deal"].to_numpy())),
    }
    keys = rows.select(pl.col("brand").alias("sku"), pl.col("store").alias("location"))
    panel = Panel(keys=keys, sales=units, dates=weeks, freq=Freq("1w"), known=known)
    store = rows["store"].rank("dense").to_numpy().astype(np.int64) - 1
    brand = rows["brand"].to_numpy() - 1
    none = np.full(rows.height, -1)
    found = learn(panel, rivals=store, shared=brand if shared else none, falling=False)
    answer = found.response
    fit = np.log(np.maximum(found.mean[at, week], 1e-3) * 64).astype(np.float64)

    def by_brand(values: np.ndarray) -> np.ndarray:
        return np.bincount(brand, values, _BRANDS) / np.bincount(brand, minlength=_BRANDS)

    error = np.sqrt(by_brand(answer.own_error**2))
    return Fitted(fit, by_brand(answer.own), error, by_brand(answer.cross), time.perf_counter() - begin)


def prices(data: pl.DataFrame) -> np.ndarray:
    """Logarithms of all eleven prices, float64 [cells, 11]."""
    return np.log(data.select(f"price{k + 1}" for k in range(_BRANDS)).to_numpy().astype(np.float64))


def ols(data: pl.DataFrame, train: np.ndarray) -> Fitted:
    begin = time.perf_counter()
    fit, own, error, cross = np.zeros(data.height), *np.full((3, _BRANDS), np.nan)
    every, y = prices(data), data["logmove"].to_numpy().astype(np.float64)
    brand, store = data["brand"].to_numpy(), data["store"].to_numpy()
    for b in range(_BRANDS):
        some = np.flatnonzero(brand == b + 1)
        dummies = (store[some][:, None] == np.unique(store[some])[None, :]).astype(float)
        x = np.column_stack([every[some], data["feat"].to_numpy()[some], data["deal"].to_numpy()[some], dummies])
        inside = train[some]
        beta, rest, _, _ = np.linalg.lstsq(x[inside], y[some][inside], rcond=None)
        fit[some] = x @ beta
        own[b], cross[b] = beta[b], np.delete(beta[:_BRANDS], b).sum()
        variance = rest[0] / (inside.sum() - x.shape[1]) if len(rest) else np.nan
        error[b] = np.sqrt(variance * np.linalg.inv(x[inside].T @ x[inside])[b, b])
    return Fitted(fit, own, error, cross, time.perf_counter() - begin)


def econml(data: pl.DataFrame, train: np.ndarray, python: str) -> tuple[Fitted, str]:
    every, brand = prices(data), data["brand"].to_numpy()
    others = np.stack([np.delete(every[k], brand[k] - 1) for k in range(data.height)])
    frame = pl.DataFrame(
        {
            "brand": brand, "store": data["store"], "train": train, "y": data["logmove"].cast(pl.Float64),
            "t": every[np.arange(data.height), brand - 1],
            "w0": data["feat"].cast(pl.Float64), "w1": data["deal"].cast(pl.Float64),
            **{f"w{k + 2}": others[:, k] for k in range(others.shape[1])},
        }
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        frame.write_parquet(Path(folder) / "cells.parquet")
        script = Path(__file__).parent / "peers" / "econml_dml.py"
        subprocess.run([python, str(script), folder], check=True)
        fit = pl.read_parquet(Path(folder) / "fitted.parquet")["fit"].to_numpy()
        told = json.loads((Path(folder) / "cost.json").read_text())
    found = np.array([told["elasticity"][str(b + 1)] for b in range(_BRANDS)])
    words = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    return Fitted(fit, found[:, 0], found[:, 1], np.full(_BRANDS, np.nan), told["seconds"]), words


def likelihood(found: Fitted, y: np.ndarray, brand: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Logarithm of the likelihood of every cell held out, float64 [cells held out]."""
    out = np.zeros(len(y))
    for b in range(_BRANDS):
        off = y - found.fit
        some = brand == b + 1
        mean, spread = off[some & train].mean(), off[some & train].std()
        z = (off[some] - mean) / spread
        out[some] = -0.5 * z**2 - np.log(spread) - 0.5 * np.log(2 * np.pi)
    return out[~train]


@dataclass(frozen=True, eq=False)
class Tried:
    """All methods on one choice of weeks: what they found, their scores, and versions of libraries."""

    methods: dict[str, Fitted]
    score: dict[str, float]
    rmse: dict[str, float]
    words: str


def published(data: pl.DataFrame, ours: Fitted) -> list[str]:
    """The published regression, run anew, and ours for the same brands, as lines of the page."""
    some = data.filter(pl.col("brand").is_in(_THREE))
    brand, y = some["brand"].to_numpy(), some["logmove"].to_numpy().astype(np.float64)
    price = np.log(some["price_per_oz"].to_numpy().astype(np.float64))
    dummies = [(brand == b).astype(float) for b in _THREE]
    anew = np.linalg.lstsq(np.column_stack([price, *dummies]), y, rcond=None)[0][0]
    lines = [
        "", f"Published (Taddy 2019, three brands, {some.height:,} cells, one elasticity for all, no other prices, "
        f"stores or weeks): {_PUBLISHED:.2f}; the same regression here: {anew:.4f}. "
        "With a slope per brand, and ours:", "",
        "| brand | that regression | ours |", "|---|---:|---:|",
    ]  # fmt: skip
    for b in _THREE:
        slope = np.polyfit(price[brand == b], y[brand == b], 1)[0]
        name = some.filter(pl.col("brand") == b)["brand_name"][0]
        lines.append(f"| {name} | {slope:.2f} | {ours.own[b - 1]:.2f} |")
    return lines


def tried(data: pl.DataFrame, seed: int, python: str | None) -> Tried:
    """Hold weeks out and score all methods on them."""
    weeks = data["ds"].unique().sort().to_numpy()
    out = np.random.default_rng(seed).choice(weeks, round(_HELD_OUT * len(weeks)), replace=False)
    train = ~np.isin(data["ds"].to_numpy(), out)
    y, brand = data["logmove"].to_numpy().astype(np.float64), data["brand"].to_numpy()
    methods = {"ours": ours(data, train, False), "ours, days shared by brand": ours(data, train, True)}
    methods["log-log OLS"] = ols(data, train)
    words = ""
    if python:
        methods["econml LinearDML"], words = econml(data, train, python)
    score = {name: float(likelihood(one, y, brand, train).mean()) for name, one in methods.items()}
    rmse = {name: float(np.sqrt(((y - one.fit)[~train] ** 2).mean())) for name, one in methods.items()}
    print(seed, score, flush=True)
    return Tried(methods, score, rmse, words)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="which weeks are held out")
    parser.add_argument("--peer-python", default=os.environ.get("WINDVANE_PEER_PYTHON", ""), help="with econml")
    parser.add_argument("--out", type=Path, help="folder for elasticity.md")
    options = parser.parse_args(arguments)
    data = cells()
    python = next((p for p in options.peer_python.split(os.pathsep) if p and has_econml(p)), None)
    found = [tried(data, seed, python) for seed in options.seeds]
    first, words = found[0].methods, found[0].words
    command = shlex.join(["python", "benchmarks/elasticity.py", *(sys.argv[1:] if arguments is None else arguments)])
    lines = [
        "# Elasticities of orange juice", "",
        f"{data.height:,} cells; a fifth of {data['ds'].n_unique()} weeks held out, {len(found)} times. "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, windvane {__version__}"
        f"{', ' + words if words else ''}.", "", f"    {command}", "",
        "| method | log likelihood per cell held out | each time | RMSE of log units | seconds |",
        "|---|---:|---|---:|---:|",
    ]  # fmt: skip
    for name in first:
        score, rmse = [one.score[name] for one in found], np.mean([one.rmse[name] for one in found])
        seconds = np.mean([one.methods[name].seconds for one in found])
        each = ", ".join(f"{value:.4f}" for value in score)
        lines.append(f"| {name} | {np.mean(score):.4f} | {each} | {rmse:.4f} | {seconds:.1f} |")
    lines += [
        "",
        "Own elasticity (standard error) and, where told, that to all other prices together, the first time:",
        "",
    ]
    lines += ["| brand | " + " | ".join(first) + " |", "|---|" + "---:|" * len(first)]
    names = data.select("brand", "brand_name").unique().sort("brand")["brand_name"].to_list()
    for b, name in enumerate(names):
        told = [f"{f.own[b]:.2f} ({f.error[b]:.2f}), {f.cross[b]:+.2f}" for f in first.values()]
        lines.append(f"| {name} | " + " | ".join(told).replace(", +nan", "") + " |")
    text = "\n".join([*lines, *published(data, first["ours"])]) + "\n"
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "elasticity.md").write_text(text, encoding="utf-8")


def has_econml(python: str) -> bool:
    done = subprocess.run([python, "-c", "import econml"], capture_output=True, check=False)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
