"""When a plan was made, or a count reported: guessed as ``known_at`` where the header leaves no doubt."""

import csv
import tomllib
from datetime import date, datetime, timedelta

import pytest

from windvane.config import Shop
from windvane.ingest import ingest
from windvane.ingest.guess.files import guess
from windvane.ingest.guess.write import write
from windvane.store import Workspace

pytestmark = pytest.mark.tiny

COUNT = 30


def day(number):
    return date(2024, 1, 1) + timedelta(days=number)


def written(folder, name, header, row):
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(header)
        out.writerows(row(number) for number in range(COUNT))
    return folder / name


def read_back(folder, path):
    """The rows that a table takes from a file with nothing but its guess."""
    (folder / "mapping.toml").write_text(write(guess([path])), encoding="utf-8")
    workspace = Workspace.create(folder / "shop", Shop())
    report = ingest(workspace, folder / "mapping.toml", [path])
    assert [file.refused for file in report.files] == [0]
    return workspace.tables.history(report.files[0].table).collect()


PLANS = [
    (["Campaign", "SKU", "Start", "End", "Planned on"], "promotions"),
    (["Campaign", "SKU", "Start date", "End date", "Announced"], "promotions"),
    (["Campaign", "SKU", "Start date", "End date", "Created at"], "promotions"),
    (["活动名称", "商品编码", "开始日期", "结束日期", "计划日期"], "promotions"),
    (["活动名称", "商品编码", "开始日期", "结束日期", "制定日期"], "promotions"),
    (["活动名称", "商品编码", "开始日期", "结束日期", "创建时间"], "promotions"),
    (["Aktion", "Artikelnummer", "Beginn", "Ende", "Erfasst am"], "promotions"),
    (["Campagne", "Référence", "Début", "Fin", "Saisi le"], "promotions"),
]


@pytest.mark.parametrize(("header", "table"), PLANS, ids=[header[-1] for header, _ in PLANS])
def test_a_plan_is_known_from_the_day_it_was_made(header, table, tmp_path):
    path = written(
        tmp_path, "plan.csv", header,
        lambda n: [f"Deal {n % 4}", f"A-{n % 7}", day(n + 40), day(n + 47), day(n)],
    )  # fmt: skip
    assert guess([path])[0].table == table
    rows = read_back(tmp_path, path)
    assert sorted(rows["known_at"].dt.date()) == [day(n) for n in range(COUNT)]
    assert sorted(rows["starts_on"]) == [day(n + 40) for n in range(COUNT)]


@pytest.mark.parametrize("word", ["Entered on", "录入日期", "Decided on"])
def test_a_price_is_known_from_the_day_it_was_entered(word, tmp_path):
    path = written(
        tmp_path, "prices.csv", ["SKU", "Price", "Valid from", word],
        lambda n: [f"A-{n}", f"{n + 1}.50", day(n + 10), day(n)],
    )  # fmt: skip
    rows = read_back(tmp_path, path)
    assert sorted(rows["known_at"].dt.date()) == [day(n) for n in range(COUNT)]


@pytest.mark.parametrize("word", ["Reported on", "Recorded at", "上报时间", "記録日時"])
def test_a_count_of_stock_is_known_when_it_was_reported(word, tmp_path):
    path = written(
        tmp_path, "stock.csv", ["SKU", "Date", "On hand", word],
        lambda n: [f"A-{n % 5}", day(n), 10 + n, datetime(2024, 1, 3, 18, 30) + timedelta(days=n)],
    )  # fmt: skip
    rows = read_back(tmp_path, path)
    assert sorted(rows["known_at"]) == [datetime(2024, 1, 3, 18, 30) + timedelta(days=n) for n in range(COUNT)]
    assert sorted(rows["date"]) == [day(n) for n in range(COUNT)]


def test_a_return_is_known_when_it_was_recorded(tmp_path):
    path = written(
        tmp_path, "returns.csv", ["Order No", "Order date", "SKU", "Qty", "Recorded at"],
        lambda n: [1000 + n, day(n), f"A-{n % 5}", -1 if n % 3 == 0 else 2, day(n + 6)],
    )  # fmt: skip
    rows = read_back(tmp_path, path).sort("ordered_at")
    assert rows["known_at"].dt.date().to_list() == [day(n + 6) for n in range(COUNT)]
    assert rows["kind"].to_list() == ["return" if n % 3 == 0 else "sale" for n in range(COUNT)]


def test_a_review_is_known_when_it_was_recorded(tmp_path):
    path = written(
        tmp_path, "reviews.csv", ["Review ID", "SKU", "Date", "Rating", "Comment", "Recorded at"],
        lambda n: [n, f"A-{n % 5}", day(n), 1 + n % 5, "Nice and warm", day(n + 2)],
    )  # fmt: skip
    rows = read_back(tmp_path, path)
    assert sorted(rows["known_at"].dt.date()) == [day(n + 2) for n in range(COUNT)]


def test_the_only_date_of_a_count_is_its_day(tmp_path):
    path = written(
        tmp_path, "stock.csv", ["SKU", "Recorded on", "On hand"], lambda n: [f"A-{n % 5}", day(n), 10 + n]
    )  # fmt: skip
    found = guess([path])[0]
    assert (found.get("date").cells.name, found.get("known_at")) == ("Recorded on", None)
    assert sorted(read_back(tmp_path, path)["date"]) == [day(n) for n in range(COUNT)]


def test_what_lies_before_the_event_is_not_when_the_event_became_known(tmp_path):
    path = written(
        tmp_path, "orders.csv", ["Order No", "Order date", "SKU", "Qty", "Planned on"],
        lambda n: [1000 + n, day(n + 30), f"A-{n % 5}", 2, day(n)],
    )  # fmt: skip
    found = guess([path])[0]
    assert (found.get("ordered_at").cells.name, found.get("known_at")) == ("Order date", None)


def test_a_plan_without_a_day_of_its_own_asks(tmp_path):
    path = written(
        tmp_path, "plan.csv", ["Campaign", "SKU", "Start", "End"], lambda n: ["Deal", f"A-{n}", day(n), day(n + 7)]
    )  # fmt: skip
    text = write(guess([path]))
    assert "When was it decided?" in text
    assert tomllib.loads(text)["promotions"][0]["columns"]["known_at"]["from"] == "Start"


def test_empty_cells_fall_back_to_the_start(tmp_path):
    path = written(
        tmp_path, "plan.csv", ["Campaign", "SKU", "Start", "End", "Planned on"],
        lambda n: ["Deal", f"A-{n}", day(n + 30), day(n + 37), day(n) if n % 3 else ""],
    )  # fmt: skip
    rows = read_back(tmp_path, path)
    assert sorted(rows["known_at"].dt.date()) == sorted(day(n) if n % 3 else day(n + 30) for n in range(COUNT))
