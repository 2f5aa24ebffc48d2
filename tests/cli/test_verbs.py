"""The verbs of the command line on a small shop, from init to export: text, JSON, files, exit codes."""

import json
import shutil

import polars as pl
import pytest

from windvane import schema


@pytest.fixture
def fresh(new_shop, tmp_path):
    return shutil.copytree(new_shop, tmp_path / "shop")


@pytest.fixture(scope="module")
def shop(new_shop, tmp_path_factory):
    """The shop after one run through the command line."""
    from windvane.pipeline import run
    from windvane.store import Workspace

    folder = shutil.copytree(new_shop, tmp_path_factory.mktemp("ran") / "shop")
    run(Workspace.open(folder))
    return folder


def assert_paragraph(said, *words):
    """One paragraph for people: no traceback, no code, nothing on standard output."""
    code, out, err = said
    assert (code, out) == (1, "")
    assert err.startswith("windvane: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_run_as_json(fresh, run):
    code, out, err = run("run", "-w", fresh, "--json")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert said["tables"]["forecasts"] == 5 * 7
    assert [stage["stage"] for stage in said["stages"]] == ["clean", "backtest", "forecast", "decide", "monitor"]
    assert (fresh / "runs" / "CURRENT").read_text().strip() == said["run"]


def test_run_in_words_keeps_brackets_in_names(fresh, run):
    from windvane.ingest import ingest
    from windvane.ingest.sources import resolve
    from windvane.store import Workspace

    products = schema.RAW["products"].names
    path = fresh.parent / "products.csv"
    rows = [
        {"sku": s, "title": "Lamp [red] XL[/red]", "category": "[home]"} for s in ("lamp-1", "lamp-2", "mug-1", "mug-2")
    ]
    pl.DataFrame(rows).select([c for c in products if c in rows[0]]).write_csv(path)
    for mapping, paths in resolve([path], None, "products"):
        ingest(Workspace.open(fresh), mapping, paths)
    code, out, err = run("run", "-w", fresh)
    assert (code, err) == (0, "")
    assert "Run " in out
    assert "published in" in out
    for stage in ("clean", "backtest", "forecast", "decide", "monitor"):
        assert stage in out
    assert "Lamp [red] XL[/red]" in out
    assert "[green]" not in out


def test_as_of(fresh, run):
    code, out, _ = run("run", "-w", fresh, "--as-of", "2025-04-20", "--json")
    assert code == 0
    from windvane.store import Workspace

    latest = Workspace.open(fresh).runs.latest()
    assert latest.id == json.loads(out)["run"]
    assert str(latest.read("forecasts")["cutoff"][0]) == "2025-04-20"
    assert_paragraph(run("run", "-w", fresh, "--as-of", "tomorrow"), "'tomorrow' is not a day", "2026-11-22")
    assert_paragraph(run("run", "-w", fresh, "--as-of", "1999-01-01"), "orders", "as-of")
    assert Workspace.open(fresh).runs.latest().id == latest.id


def test_a_look_back_does_not_replace_the_present(fresh, run, tmp_path):
    present = json.loads(run("run", "-w", fresh, "--json")[1])
    assert (present["look_back"], present["latest"]) == (False, present["run"])
    page = (fresh / "report.html").read_bytes()
    code, out, _ = run("run", "-w", fresh, "--as-of", "2025-04-20")
    assert code == 0
    assert f"the latest run is still {present['run']}" in out
    assert (fresh / "report.html").read_bytes() == page
    assert "20 Apr 2025" in (fresh / "report-2025-04-20.html").read_text(encoding="utf-8")
    back = json.loads(run("run", "-w", fresh, "--as-of", "2025-04-13", "--json")[1])
    assert (back["look_back"], back["latest"]) == (True, present["run"])
    assert back["report"] == str(fresh / "report-2025-04-13.html")

    def reader(*words):
        code, out, err = run(*words, "-w", fresh, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    # Every reader goes on with the present, and reaches the look back by name.
    table = tmp_path / "out.parquet"
    for words in (("export", "forecasts", "-o", table), ("explain", "lamp-1"), ("explain", "lamp-1", "--cleaning"),
                  ("report",)):  # fmt: skip
        assert reader(*words)["run"] == present["run"]
        assert reader(*words, "--run", back["run"])["run"] == back["run"]
    assert str(pl.read_parquet(table)["cutoff"][0]) == "2025-04-13"
    assert reader("report", "--run", back["run"])["report"] == str(fresh / "report-2025-04-13.html")
    checked = {each["check"]: each["detail"] for each in reader("doctor")["findings"]}
    assert checked["runs"] == f"3 kept, 2 of them looking back, latest {present['run']}"
    later = json.loads(run("run", "-w", fresh, "--json")[1])
    assert later["latest"] == later["run"] != present["run"]
    # An earlier run of the present takes no other's name either.
    assert reader("report", "--run", present["run"])["report"] == str(fresh / f"report-{present['run']}.html")
    assert_paragraph(run("export", "forecasts", "--run", "x", "-w", fresh), "no run x", back["run"], "as of 2025-04-13")


def test_nothing_has_run_yet(new_shop, run, tmp_path):
    for words in (("report",), ("export", "reorder"), ("explain", "lamp-1")):
        assert_paragraph(run(*words, "-w", new_shop), "no published run", "Run: windvane run")
    assert_paragraph(run("run", "-w", tmp_path), "not a workspace", "windvane init")
    code, out, _ = run("report", "-w", new_shop, "--json")
    assert code == 1
    assert set(json.loads(out)) == {"error", "remedy"}


def test_an_empty_workspace(tmp_path, run):
    assert run("init", tmp_path / "shop")[0] == 0
    assert_paragraph(run("run", "-w", tmp_path / "shop"), "orders", "windvane ingest")
    assert_paragraph(run("init", tmp_path / "shop"), "workspace already")


def test_explain_in_words_and_as_json(shop, run):
    code, out, err = run("explain", "lamp-1", "-w", shop)
    assert (code, err) == (0, "")
    assert "lamp-1 at web" in out
    assert "Expected demand over 7 periods" in out
    assert "Reorder: " in out
    code, out, _ = run("explain", "lamp-1", "-w", shop, "--json")
    said = json.loads(out)
    assert code == 0
    assert said["published"] == pytest.approx(sum(said["explanation"]["parts"].values()), rel=1e-4)
    assert said["reorder"]["sku"] == "lamp-1"
    assert said["model"] in ("moving_average", "tsb")


def test_explain_an_unknown_product(shop, run):
    assert_paragraph(run("explain", "lamp", "-w", shop), "no series of sku 'lamp'", "Did you mean lamp-1, lamp-2?")
    assert_paragraph(run("explain", "Lamp-1", "-w", shop), "Did you mean lamp-1")
    assert_paragraph(run("explain", "mug-1", "-w", shop), "2 locations", "--location", "shop [1], web")
    code, out, _ = run("explain", "mug-1", "-l", "shop [1]", "-w", shop)
    assert code == 0
    assert "mug-1 at shop [1]" in out
    assert_paragraph(run("explain", "mug-1", "-l", "nowhere", "-w", shop), "at 'nowhere'", "shop [1], web")
    assert_paragraph(run("explain", "mgu-1", "-w", shop), "Did you mean mug-1")
    assert_paragraph(run("explain", "完全不同", "-w", shop), "windvane export series")


def test_report(shop, run, tmp_path):
    path = tmp_path / "page.html"
    code, out, _ = run("report", "-o", path, "-w", shop, "--json")
    assert code == 0
    assert json.loads(out) == {
        "report": str(path), "bytes": path.stat().st_size, "run": (shop / "runs" / "CURRENT").read_text().strip(),
    }  # fmt: skip
    assert "<html" in path.read_text(encoding="utf-8")
    assert run("report", "--language", "zh", "-w", shop)[0] == 0
    assert (shop / "report.html").exists()
    assert_paragraph(run("report", "--language", "fr", "-w", shop), "fr")


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
@pytest.mark.parametrize("table", ["forecasts", "reorder", "trends", "findings"])
def test_export(shop, run, tmp_path, kind, table):
    from windvane.store import Workspace

    path = tmp_path / f"out.{kind}"
    code, out, err = run("export", table, "-o", path, "-w", shop, "--json")
    expected = Workspace.open(shop).runs.latest().read(table)
    assert (code, err) == (0, "")
    assert json.loads(out)["rows"] == expected.height
    if kind == "csv":
        assert pl.read_csv(path, infer_schema=False).shape == expected.shape
    elif kind == "parquet":
        assert pl.read_parquet(path).equals(expected)
    else:
        assert path.read_bytes()[:2] == b"PK"


def test_export_by_default_writes_csv_here(shop, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("export", "reorder", "-w", shop)[0] == 0
    assert (tmp_path / "reorder.csv").exists()
    assert run("export", "reorder", "-f", "xlsx", "-w", shop)[0] == 0
    assert (tmp_path / "reorder.xlsx").exists()


def test_export_what_is_not_there(shop, run, tmp_path):
    assert_paragraph(run("export", "forcasts", "-w", shop), "no table 'forcasts'", "forecasts", "reorder")
    assert_paragraph(run("export", "reorder", "-o", tmp_path / "x.docx", "-w", shop), "docx", "xlsx")
    (tmp_path / "file").write_text("")
    assert_paragraph(run("export", "reorder", "-o", tmp_path / "file" / "x.csv", "-w", shop), str(tmp_path / "file"))


def test_quarantine_lists_what_was_refused(fresh, run):
    bad = fresh.parent / "bad.csv"
    rows = "".join(f"{i},2025-04-01,mug-1,1\n" for i in range(60))
    bad.write_text("order_id,ordered_at,sku,units\n" + rows + "x,2025-04-01,mug-1,[red]many[/red]\n")
    assert run("ingest", bad, "-t", "orders", "-w", fresh)[0] == 0
    code, out, _ = run("quarantine", "--rows", "5", "-w", fresh)
    assert code == 0
    assert "bad.csv, line 62" in out
    assert "[red]many[/red]" in out
    code, out, _ = run("quarantine", "--rows", "1", "--json", "-w", fresh)
    said = json.loads(out)
    assert said["total"] == 1
    assert said["rows"][0]["value"] == "[red]many[/red]"
    assert json.loads(run("quarantine", "-t", "products", "--json", "-w", fresh)[1])["total"] == 0


def test_doctor(shop, run):
    code, out, _ = run("doctor", "-w", shop, "--json")
    said = json.loads(out)
    assert (code, said["healthy"]) == (0, True)
    code, out, _ = run("doctor", "-w", shop)
    assert code == 0
    assert "✓" in out
    assert "[green]" not in out


def test_doctor_finds_a_broken_run(fresh, run):
    assert run("run", "-w", fresh, "--json")[0] == 0
    current = (fresh / "runs" / "CURRENT").read_text().strip()
    (fresh / "runs" / current / "forecasts.parquet").write_bytes(b"")
    code, out, _ = run("doctor", "-w", fresh)
    assert code == 1
    assert "✗" in out


def test_wrong_words_are_wrong_usage(run):
    assert run("runn")[0] == 2
    assert run("run", "--no-such-option")[0] == 2


def test_a_wrong_setting_is_named(fresh, run):
    (fresh / "windvane.toml").write_text("[forecast]\nhorizon = -3\n")
    assert_paragraph(run("run", "-w", fresh), "forecast.horizon", "docs")
    (fresh / "windvane.toml").write_text('[backtest]\nmodels = ["prophet"]\n')
    assert_paragraph(run("run", "-w", fresh), "prophet", "moving_average")


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--currency", "EURO", "currency"), ("--country", "XX", "no country"), ("--country", "de", "country")],
)
def test_init_knows_its_codes(option, value, told, tmp_path, run):
    code, _, said = run("init", tmp_path / "shop", option, value)
    assert code == 1
    assert told in said
    assert not (tmp_path / "shop").exists()


def test_replay_prices_policies_on_the_shops_past(fresh, run):
    code, out, err = run("replay", "-w", fresh, "--periods", "21", "--draws", "2", "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert said["series"] == 5
    assert {row["policy"] for row in said["policies"]} == {"moving average", "order up to", "least cost"}
    costs = [row["cost"] for row in said["policies"]]
    assert costs == sorted(costs)
    assert all(row["lowest"] <= row["cost"] <= row["highest"] for row in said["policies"])
    code, out, err = run("replay", "-w", fresh, "--periods", "21")
    assert (code, err) == (0, "")
    assert "least cost" in out
    assert "series" in out
    assert_paragraph(run("replay", "-w", fresh, "--periods", "100000"), "cannot be replayed")
