"""The command line as a user meets it: exit codes, JSON, errors of one paragraph."""

import json
import os
import subprocess
import sys

import pytest

from windvane.cli import main

pytestmark = pytest.mark.tiny

ORDERS = "order_id,ordered_at,sku,units\n1,2024-01-01,a,2\n2,2024-01-02,b,1\n"


@pytest.fixture
def run(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


@pytest.fixture
def shop(tmp_path, run):
    folder = tmp_path / "shop"
    assert run("init", folder, "--currency", "EUR", "--country", "FR", "--language", "zh", "--name", "小店")[0] == 0
    (tmp_path / "orders.csv").write_text(ORDERS)
    return folder


def test_init_writes_the_options(shop):
    text = (shop / "windvane.toml").read_text(encoding="utf-8")
    for line in ('name = "小店"', 'currency = "EUR"', 'country = "FR"', 'language = "zh"'):
        assert line in text


def test_init_errors(shop, run):
    code, _, err = run("init", shop)
    assert (code, "workspace already" in err) == (1, True)
    code, _, err = run("init", shop / "sub", "--language", "fr")
    assert (code, "--language" in err) == (1, True)


def test_ingest_and_again(shop, run):
    code, out, _ = run("ingest", shop.parent / "orders.csv", "--table", "orders", "-w", shop, "--json")
    report = json.loads(out)["reports"][0]["files"][0]
    assert (code, report["accepted"], report["already"]) == (0, 2, False)
    code, out, _ = run("ingest", shop.parent / "orders.csv", "--table", "orders", "-w", shop)
    assert code == 0
    assert "unchanged" in out


def test_refused_file_is_one_paragraph_with_the_remedy(shop, run):
    (shop.parent / "orders.csv").write_text(ORDERS + "3,2024-01-02,b,many\n")
    words = ("ingest", shop.parent / "orders.csv", "-t", "orders", "-w", shop)
    code, out, err = run(*words)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "units is not a number" in err
    assert "max_bad_share" in err
    code, out, _ = run(*words, "--json")
    assert code == 1
    assert set(json.loads(out)) == {"error", "remedy"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("shopfy", "shopify"), ("WooCommerce", "woocommerce"), ("complete-journey", "complete_journey")],
)
def test_a_mistyped_mapping_is_answered_with_the_nearest_name(typed, meant, shop, run):
    code, out, err = run("ingest", shop.parent / "orders.csv", "-m", typed, "-w", shop)
    assert (code, out) == (1, "")
    assert f"There is no mapping {typed}" in err
    assert f"Did you mean {meant}?" in err
    assert "taobao" in err
    assert "Errno" not in err


def test_a_mapping_like_nothing_lists_what_there_is(shop, run):
    (shop.parent / "broken.toml").write_bytes(b"\xff\xfe\x00")
    for name, what in (("qqqq", "There is no mapping qqqq"), (shop.parent / "broken.toml", "it is not UTF-8 text")):
        code, _, err = run("ingest", shop.parent / "orders.csv", "-m", name, "-w", shop)
        assert (code, what in err, "Did you mean" in err, "shopify" in err) == (1, True, False, True)


def test_debug_shows_the_traceback(tmp_path):
    from windvane.errors import ConfigError

    with pytest.raises(ConfigError):
        main(["doctor", "--debug", "quarantine", "-w", str(tmp_path)][1:])


def test_quarantine(shop, run):
    text = (shop / "windvane.toml").read_text(encoding="utf-8")
    (shop / "windvane.toml").write_text(text.replace("# max_bad_share = 0.05", "max_bad_share = 0.5"), encoding="utf-8")
    assert "empty" in run("quarantine", "-w", shop)[1]
    (shop.parent / "orders.csv").write_text(ORDERS + "3,2024-01-02,b,many\n")
    assert run("ingest", shop.parent / "orders.csv", "-t", "orders", "-w", shop)[0] == 0
    held = json.loads(run("quarantine", "-w", shop, "--rows", 5, "--json")[1])
    assert held["total"] == 1
    assert (held["rows"][0]["line"], held["rows"][0]["value"]) == (4, "many")
    assert json.loads(held["rows"][0]["row"])["units"] == "many"
    assert json.loads(run("quarantine", "-w", shop, "--rule", "ragged", "--json")[1])["total"] == 0
    assert "many" in run("quarantine", "-w", shop, "--rows", 5)[1]


def test_doctor(shop, run):
    run("ingest", shop.parent / "orders.csv", "-t", "orders", "-w", shop)
    code, out, _ = run("doctor", "-w", shop, "--json")
    found = {each["check"]: each["state"] for each in json.loads(out)["findings"]}
    assert code == 0
    assert (found["table orders"], found["key"], found["runs"], found["unused files"]) == ("ok", "ok", "note", "ok")
    orphan = shop / "tables" / "orders" / "part-x.parquet"
    orphan.write_bytes(b"xx")
    assert "1 data files" in run("doctor", "-w", shop)[1]
    assert "Removed 1 data files" in run("doctor", "-w", shop, "--vacuum")[1]
    assert not orphan.exists()
    (shop / "secret").chmod(0o644)
    next((shop / "tables" / "orders").glob("*.parquet")).write_bytes(b"broken")
    code, out, _ = run("doctor", "-w", shop, "--json")
    bad = {each["check"] for each in json.loads(out)["findings"] if each["state"] == "bad"}
    assert (code, bad) == (1, {"key", "table orders"})


def test_doctor_outside_a_workspace(tmp_path, run):
    code, out, _ = run("doctor", "-w", tmp_path)
    assert code == 1
    assert "windvane init" in out


def test_trouble_with_the_disk_is_one_paragraph_too(tmp_path, run):
    (tmp_path / "windvane.toml").mkdir()
    code, out, err = run("quarantine", "-w", tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith(f"windvane: Is a directory ({tmp_path / 'windvane.toml'}). Check the path")
    assert err.count("\n") == 1


def test_usage_errors_exit_with_two(run):
    assert run("frobnicate")[0] == 2
    assert run("ingest", "--frobnicate")[0] == 2
    assert run("--help")[0] == 0


def test_help_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from windvane.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('HEAVY', sorted({'polars', 'deltalake', 'pydantic', 'numpy', 'lightgbm', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ), check=True
    )
    assert "HEAVY []" in done.stdout
