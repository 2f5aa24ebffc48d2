import csv
from datetime import date, timedelta

import numpy as np
import pytest

from windvane.cli import main

SETTINGS = """[shop]
name = "the [corner] shop"
[backtest]
models = ["moving_average", "tsb"]
choose_folds = 1
report_folds = 1
bootstrap = 100
[forecast]
horizon = 7
paths = 50
[decide]
assumed_cover = 5
"""
TITLES = {
    "lamp-1": "Lamp [red] XL[/red]",
    "lamp-2": "=1+1 [/] lamp",
    "mug-1": "杯子 [大]",
    "mug-2": "Mug",
}


def call(capsys, *words):
    """Call the command line in this process: exit code, output, errors."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return ended.value.code or 0, said.out, said.err


def write_files(folder, days=70):
    rng = np.random.default_rng(3)
    with (folder / "orders [new].csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["order_id", "ordered_at", "sku", "location", "units", "unit_price"])
        for d in range(days):
            for i, sku in enumerate(TITLES):
                for place in ("shop [1]", "web") if sku == "mug-1" else ("web",):
                    units = int(rng.poisson(2 + 3 * i))
                    if units:
                        at = date(2025, 3, 3) + timedelta(days=d)
                        out.writerow([f"{d}-{sku}-{place}", at, sku, place, units, 5 + i])
    with (folder / "products.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["sku", "title", "category", "unit_cost"])
        out.writerows([sku, title, "[home] > x", 2.5] for sku, title in TITLES.items())
        out.writerow(["bad-1", "Cup", "x", "many"])


@pytest.fixture(scope="session")
def new_shop(tmp_path_factory):
    """A workspace with orders and products, and no run yet."""
    root = tmp_path_factory.mktemp("cli")
    write_files(root)
    for words in (
        ("init", root / "shop"),
        ("ingest", root / "orders [new].csv", "-t", "orders", "-w", root / "shop", "--json"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert not ended.value.code
    (root / "shop" / "windvane.toml").write_text(SETTINGS, encoding="utf-8")
    return root / "shop"


@pytest.fixture
def run(capsys):
    return lambda *words: call(capsys, *words)
