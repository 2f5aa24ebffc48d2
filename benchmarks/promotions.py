"""Promotions in held-out weeks, and placebo promotions.

    python benchmarks/promotions.py [--out FOLDER]

``breakfast`` (dunnhumby, 58 products in 77 stores, weekly): a fifth of all promotions (runs of weeks with a feature, a
display or a price cut) is hidden; responses learned from the rest, with the prices and plans of the hidden weeks, say
what sold in them. Beside ours stands what is usual: the mean of the last four weeks without promotion times the mean
lift of promotions with the same flags. Then all promotions are evaluated, and placebo promotions checked: intervals
of what never happened must contain 0.

Simulated shops (``windvane.sim``), whose truth is known: uplift and pull-forward of promotions beside the true ones.

The data set is read from the folder named by WINDVANE_DATA and is for research and evaluation only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from windvane import __version__
from windvane.decisions.promotions import evaluate
from windvane.decisions.promotions.evaluate import runs_of
from windvane.decisions.response import learn
from windvane.futures import Known
from windvane.panel import Panel
from windvane.sim import Settings
from windvane.sim.counterfactual import World, expected
from windvane.sim.play import play

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.sets import find

_FLAGS = ("feature", "display", "tpr_only")
_HIDDEN = 0.2
_CUT = 0.03


def breakfast() -> tuple[Panel, np.ndarray]:
    """The panel with prices, and where promotions ran."""
    data = find("breakfast")
    panel = data.load(data.origins[-1])
    time_ = panel.shape[1]
    flags = np.stack([panel.known[name].values[:, :time_] for name in _FLAGS])
    paid, base = panel.past["price"], panel.past["base_price"]
    promoted = (flags > 0).any(axis=0) | (paid < base * (1 - _CUT))
    kind = (flags * np.array([1, 2, 4])[:, None, None]).sum(axis=0)
    known = {"price": Known(paid), **{name: Known(panel.known[name].values[:, :time_]) for name in _FLAGS}}
    names = ("", *(" + ".join(n for k, n in enumerate(_FLAGS) if code >> k & 1) for code in range(1, 8)))
    known["promotion"] = Known(kind.astype(np.float32), text=True)
    plain = replace(panel, known={k: known[k] for k in ("price", "promotion")}, past={}, levels={"promotion": names})
    return plain, promoted


def held_out(panel: Panel, promoted: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """Total units in hidden promotion weeks over what sold, and WAPE by promotion, of ours and of what is usual."""
    rng = np.random.default_rng(seed)
    runs = runs_of(promoted)
    chosen = np.flatnonzero(rng.random(len(runs)) < _HIDDEN)
    hidden = np.zeros(promoted.shape, bool)
    for k in chosen:
        hidden[runs.row[k], runs.first[k] : runs.last[k] + 1] = True
    hidden &= ~np.isnan(panel.sales)
    masked = replace(panel, sales=np.where(hidden, np.float32(np.nan), panel.sales))
    ours = learn(masked).mean
    usual = _usual(masked.sales, promoted, panel.known["promotion"].values[:, : panel.shape[1]], hidden)
    out = {}
    for name, found in (("ours", ours), ("last four weeks x mean lift", usual)):
        sold, told = np.where(hidden, panel.sales, 0), np.where(hidden, found, 0)
        each = [
            (sold[r, a : b + 1].sum(), told[r, a : b + 1].sum())
            for r, a, b in zip(runs.row[chosen], runs.first[chosen], runs.last[chosen], strict=True)
        ]
        pair = np.array(each)
        out[name] = {
            "total": float(pair[:, 1].sum() / pair[:, 0].sum()),
            "wape": float(np.abs(pair[:, 1] - pair[:, 0]).sum() / pair[:, 0].sum()),
            "promotions": float(len(pair)),
        }
    return out


def _usual(sales: np.ndarray, promoted: np.ndarray, kind: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Mean of the last four known weeks without promotion, times the mean lift of the flags."""
    calm = ~promoted & ~np.isnan(sales)
    base = np.zeros(sales.shape)
    for s in range(len(sales)):
        recent: list[float] = []
        for t in range(sales.shape[1]):
            base[s, t] = np.mean(recent[-4:]) if recent else np.nan
            if calm[s, t]:
                recent.append(float(sales[s, t]))
    lift = np.ones(sales.shape)
    seen = promoted & ~hidden & ~np.isnan(sales) & ~np.isnan(base)
    for code in np.unique(kind[promoted]):
        some = seen & (kind == code)
        lift[kind == code] = sales[some].sum() / max(base[some].sum(), 1e-9) if some.any() else 1.0
    return np.nan_to_num(base * lift)


def simulated(products: int, seed: int) -> dict[str, float]:
    """Uplift and pull-forward of all promotions over the true ones, on a shop whose truth is known."""
    past = 730
    settings = Settings(products=products, days=past + 10, rivals=0.4, pull_forward=0.3, shapes=0.5)
    panel, world = play(settings, seed, past).panel, World.of(settings, seed)
    number = np.array([int(sku[1:]) for sku in panel.keys["sku"]])
    found = evaluate(panel, rivals=number // 2)
    frame = found.frame
    at = np.array([int(sku[1:]) for sku in frame["sku"]])
    zero = pl.Series([settings.start]).to_physical()[0]
    first, last = (frame[name].to_physical().to_numpy() - zero for name in ("start", "stop"))
    gone = expected(world)[:, 0] - expected(world, promotions=False)[:, 0]
    running = np.pad(gone, ((0, 0), (1, 0))).cumsum(axis=1)
    won = running[at, last + 1] - running[at, first]
    lost = -(running[at, np.minimum(last + 15, past)] - running[at, last + 1])
    inside = (frame["low"].to_numpy() <= won) & (won <= frame["high"].to_numpy())
    return {
        "promotions": float(frame.height),
        "uplift over the true one": float(frame["uplift"].sum() / won.sum()),
        "pull-forward over the true one": float(frame["pulled"].sum() / lost.sum()),
        "95 % intervals that hold the truth": float(inside.mean()),
        "placebos whose interval contains 0": found.covered,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--products", type=int, default=1000, help="of the simulated shops")
    parser.add_argument("--out", type=Path, help="folder for promotions.md")
    options = parser.parse_args(arguments)
    command = shlex.join(["python", "benchmarks/promotions.py", *(sys.argv[1:] if arguments is None else arguments)])
    lines = [
        "# Promotions", "",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, windvane {__version__}.",
        "", f"    {command}", "", "Promotions of breakfast foods that were hidden, a fifth, each time others:", "",
        "| told by | hidden promotions | units told over units sold | each time | WAPE by promotion |",
        "|---|---:|---:|---|---:|",
    ]  # fmt: skip
    panel, promoted = breakfast()
    tries = [held_out(panel, promoted, seed) for seed in options.seeds]
    for name in tries[0]:
        total = [one[name]["total"] for one in tries]
        each = ", ".join(f"{value:.3f}" for value in total)
        count = sum(one[name]["promotions"] for one in tries)
        wape = np.mean([one[name]["wape"] for one in tries])
        lines.append(f"| {name} | {count:,.0f} | {np.mean(total):.3f} | {each} | {wape:.3f} |")
    begin = time.perf_counter()
    looked = [evaluate(panel, promoted, seed=seed) for seed in options.seeds]
    seconds = (time.perf_counter() - begin) / len(looked)
    total = looked[0].total()
    covered = ", ".join(f"{one.covered:.3f} of {one.placebos:,}" for one in looked)
    lines += [
        "", f"All {looked[0].frame.height:,} promotions of breakfast foods looked back on in {seconds:.0f} s: "
        f"{total['units']:,.0f} units in promotion, {total['uplift']:,.0f} of them in addition; pull-forward "
        f"{total['pull_forward']:.1%} of that. Placebo promotions whose 95 % interval contains 0: {covered}.", "",
        "Simulated shops, beside their truth:", "",
    ]  # fmt: skip
    shops = [simulated(options.products, seed) for seed in options.seeds]
    lines += ["| | " + " | ".join(f"shop {seed}" for seed in options.seeds) + " |", "|---|" + "---:|" * len(shops)]
    for name in shops[0]:
        digits = 0 if name == "promotions" else 3
        lines.append(f"| {name} | " + " | ".join(f"{one[name]:,.{digits}f}" for one in shops) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "promotions.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
