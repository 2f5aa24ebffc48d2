"""The demo: the whole pipeline on real grocery transactions, in one call."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from windvane.config import CONFIG_NAME, Shop
from windvane.engine import SILENT, Progress
from windvane.errors import StoreError

_MARK = ".windvane-demo"
_SETTINGS = """[shop]
name = "Complete Journey groceries"
currency = "USD"
country = "US"

[clean]
# 68,000 products were sold; the demo forecasts the 1,500 with the most revenue that sold on at least 60 days.
min_active_periods = 60
max_series = 1500
"""
_AS_OF = date(2017, 12, 3)
"""A Sunday. The data end four weeks later, and so do the plans of displays and mailers: seen from here, the shop
knows them for the whole horizon, as a shop does."""


def run_demo(folder: Path, progress: Progress = SILENT, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Ingest the demo data, run the pipeline, write the report.

    Args:
        folder: made anew; an earlier demo in it is replaced.
        progress: told of what is going on.
        say: prints a line (rich markup).

    Returns:
        Run id, report path and stage budgets.

    Raises:
        StoreError: the folder holds something that is no demo.
        ExtraMissingError: the data package is not installed.
    """
    from windvane.ingest import ingest
    from windvane.ingest.sources import resolve
    from windvane.pipeline import run
    from windvane.report import write
    from windvane.report.summary import lines
    from windvane.store import Workspace

    sources = resolve([], "complete_journey", None)
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise StoreError(f"{folder} holds something that is no demo.", "Name an empty folder.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    Workspace.create(folder / "shop", Shop(name="demo"))
    (folder / "shop" / CONFIG_NAME).write_text(_SETTINGS, encoding="utf-8")
    workspace = Workspace.open(folder / "shop")
    say("Ingesting 1.47 million transactions, promotions and coupons ...")
    for mapping, paths in sources:
        ingest(workspace, mapping, paths, progress)
    say("Cleaning, backtesting, forecasting, deciding ...")
    published = run(workspace, _AS_OF, progress)
    path = write(published, folder / "report.html", None)
    stages = published.manifest["stages"]
    say(f"[green]✓[/] Run {published.id}: {sum(s['seconds'] for s in stages):.0f} s, see windvane doctor")
    for line in lines(published):
        say(line)
    say(f"[bold]Report:[/] {path.resolve()}")
    first = published.read("reorder").sort("rank")["sku"]
    say(f"[bold]Next:[/]   windvane explain {first[0]} -w {folder / 'shop'}")
    say(f"        windvane export reorder --format xlsx -w {folder / 'shop'}")
    say(f"        windvane report --language zh -o {folder / 'report.zh.html'} -w {folder / 'shop'}")
    return {"run": published.id, "report": str(path), "stages": stages}
