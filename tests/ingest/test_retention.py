"""What is older than the settings allow goes; the rest stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from windvane import clock, config
from windvane.cli import main
from windvane.errors import ConfigError
from windvane.ingest.privacy.retention import apply_retention
from windvane.store import Workspace

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Noon:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    Workspace.create(folder)
    settings = '[ingest]\nretain = { events = 30, "orders.customer" = 60, reviews = 10 }\n'
    (folder / config.CONFIG_NAME).write_text(settings, encoding="utf-8")
    monkeypatch.setattr(clock.CLOCK, "now", Noon().now)
    days = [5, 29, 31, 59, 61, 400]
    at = [(NOW - timedelta(days=d)).replace(tzinfo=None) for d in days]
    tables = Workspace.open(folder).tables
    tables.append(
        "events",
        pl.DataFrame({"event_id": [str(d) for d in days], "at": at, "customer": "c", "kind": "view", "known_at": at}),
        "e",
    )
    orders = {"order_id": [str(d) for d in days], "line": 1, "ordered_at": at, "sku": "a", "location": "all"}
    orders |= {"units": 2.0, "customer": "c", "kind": "sale", "known_at": at}
    tables.append("orders", pl.DataFrame(orders), "o")
    return folder


def test_rows_and_cells_expire(shop: Path) -> None:
    workspace = Workspace.open(shop)
    done = apply_retention(workspace)
    assert set(done) == {"events", "orders.customer"}  # there are no reviews
    assert workspace.tables.read("events").collect()["event_id"].to_list() == ["5", "29"]
    orders = workspace.tables.read("orders").collect()
    assert orders["units"].sum() == 12
    assert orders.filter(pl.col("customer").is_not_null())["order_id"].to_list() == ["5", "29", "31", "59"]
    assert [e.removed for e in done["events"].tables] == [4]
    assert not any(e.tables for e in apply_retention(workspace).values())


def test_the_verb(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["expire", "-w", str(shop)])
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "events, 30 days: 4 rows" in said
    (shop / config.CONFIG_NAME).write_text("", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["expire", "-w", str(shop)])
    assert ended.value.code == 1
    assert "No retention period" in capsys.readouterr().err


@pytest.mark.tiny
@pytest.mark.parametrize("given", [{"event": 3}, {"orders.custom": 3}, {"events": 0}])
def test_wrong_periods(given: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"ingest\.retain"):
        config.parse({"ingest": {"retain": given}})
