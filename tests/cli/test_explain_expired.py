"""``windvane explain`` after rows of the tables have expired: what the run stored is told, and what is missing."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from windvane.clock import CLOCK
from windvane.pipeline import run as pass_through
from windvane.store import Workspace

LAST_ORDER = datetime(2025, 5, 11, tzinfo=UTC)


@pytest.fixture
def published(new_shop, tmp_path, run):
    """The shop, with reviews, and its run."""
    folder = shutil.copytree(new_shop, tmp_path / "shop")
    head, line = "review_id,at,sku,rating,text", "2025-04-02,lamp-1,5,bright"
    (tmp_path / "reviews.csv").write_text(f"{head}\nr1,{line}\nr2,{line}\n", encoding="utf-8")
    assert run("ingest", tmp_path / "reviews.csv", "-t", "reviews", "-w", folder)[0] == 0
    return folder, pass_through(Workspace.open(folder))


@pytest.fixture
def expire(run):
    """Erase rows of a table older than so many days before the last order."""

    def call(folder, retain, days_later=1):
        settings = (folder / "windvane.toml").read_text(encoding="utf-8")
        (folder / "windvane.toml").write_text(f"{settings}\n[ingest]\nretain = {retain}\n", encoding="utf-8")
        try:
            CLOCK.hold(LAST_ORDER + timedelta(days=days_later))
            code, out, err = run("expire", "-w", folder, "--json")
        finally:
            CLOCK.hold(None)
        assert (code, err) == (0, "")
        return json.loads(out)

    return call


def explained(run, folder, sku="lamp-1"):
    code, out, err = run("explain", sku, "-w", folder, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("retain", ["{ orders = 1 }", "{ orders = 30 }"], ids=["all orders", "older orders"])
def test_what_the_run_stored_is_told_after_its_orders_expired(published, expire, run, retain):
    folder, made = published
    before = explained(run, folder)
    assert before["missing"] == []
    erased = expire(folder, retain, 10 if "1 }" in retain else 1)
    assert erased["orders"]["redacted"] == [made.id]
    after = explained(run, folder)
    for name in ("run", "sku", "location", "model", "segment", "published", "trend", "reorder", "cleaning"):
        assert after[name] == before[name], name
    assert after["explanation"] is None
    (missing,) = after["missing"]
    today = made.manifest["redacted"][0]["at"][:10]
    for word in ("parts of the forecast", "orders", "erased", today, "windvane expire"):
        assert word in missing
    code, out, _ = run("explain", "lamp-1", "-w", folder)
    assert code == 0
    assert f"Expected demand over 7 periods: {before['published']:,.1f} units" in out
    assert "Reorder: " in out
    assert "No longer shown: The parts of the forecast" in out


def test_rows_that_do_not_bear_on_the_forecast_leave_it_explained(published, expire, run):
    folder, made = published
    before = explained(run, folder)
    erased = expire(folder, "{ reviews = 1 }")
    assert erased["reviews"]["redacted"] == [made.id]
    assert made.manifest["redacted"]
    assert explained(run, folder) == before


def test_expire_names_the_runs_that_had_read_the_rows(published, run):
    folder, made = published
    settings = (folder / "windvane.toml").read_text(encoding="utf-8")
    (folder / "windvane.toml").write_text(f"{settings}\n[ingest]\nretain = {{ orders = 1 }}\n", encoding="utf-8")
    code, out, _ = run("expire", "-w", folder)
    assert code == 0
    assert f"Runs that had read these rows: {made.id}" in out
    code, out, _ = run("expire", "-w", folder)
    assert code == 0
    assert "nothing is older" in out
    assert "Runs" not in out


def test_a_table_that_came_after_the_run_is_not_part_of_it(published, run):
    folder, made = published
    before = explained(run, folder)
    assert "promotions" not in made.manifest["versions"]
    path = folder.parent / "promotions.csv"
    rows = "".join(f"p{day},lamp-1,web,2025-04-{day:02d},2025-05-30,2025-04-01\n" for day in range(1, 20))
    path.write_text("promotion,sku,location,starts_on,ends_on,known_at\n" + rows, encoding="utf-8")
    assert run("ingest", path, "-t", "promotions", "-w", folder)[0] == 0
    assert explained(run, folder) == before


def test_a_fault_is_not_taken_for_an_erasure(published, run):
    folder, _ = published
    shutil.rmtree(folder / "tables" / "orders")
    code, _, err = run("explain", "lamp-1", "-w", folder)
    assert code == 1
    assert "orders" in err
