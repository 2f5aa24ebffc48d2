"""Nothing that identifies a person reaches the disk, wherever a row ends up."""

import json

import pytest

from windvane.config import CONFIG_NAME
from windvane.ingest import ingest
from windvane.ingest.mapping import parse
from windvane.ingest.privacy import pseudonym
from windvane.store import Workspace

pytestmark = pytest.mark.tiny

REVIEWS = {
    "reviews": {
        "file": "r.csv",
        "columns": {"review_id": "nr", "at": "day", "sku": "art", "rating": "stars", "text": "said", "customer": "who"},
    }
}
TEXT = (
    "nr,day,art,stars,said,who,Billing Name\n"
    "1,2024-01-01,a,5,mail me: ann@example.org,Ann,Ann Smith\n"
    "2,2024-01-01,a,nine,mail me: bob@example.org,Bob,Bob Jones\n"
    "3,2024-01-01,a,4,fine,Cid,Cid Brown\n"
    "3,2024-01-01,a,3,call +49 151 23456789,Cid,Cid Brown\n"
)


def shop(tmp_path, settings):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "r.csv").write_text(TEXT)
    workspace = Workspace.create(tmp_path / "shop")
    (workspace.folder / CONFIG_NAME).write_text(settings)
    return Workspace.open(workspace.folder), tmp_path / "in"


def stored(workspace):
    rows = [row for name in ("reviews", "quarantine") for row in workspace.tables.read(name).collect().rows()]
    return str(rows)


def test_neither_tables_nor_quarantine_hold_people(tmp_path):
    workspace, folder = shop(tmp_path, "[ingest]\nmax_bad_share = 1.0\n")
    report = ingest(workspace, parse(REVIEWS, "mine"), folder).files[0]
    assert (report.accepted, report.refused, report.superseded) == (2, 1, 1)
    everything = stored(workspace)
    for secret in ("Ann", "Bob", "Cid", "Smith", "Jones", "example.org", "23456789"):
        assert secret not in everything
    assert pseudonym("Ann", workspace.secret) in everything
    quarantine = workspace.tables.read("quarantine").collect()
    (refused,) = quarantine.filter(quarantine["rule"] == "unreadable").to_dicts()
    row = json.loads(refused["row"])
    # Columns that the mapping does not look at are no part of it, since nobody has said what they hold.
    assert row.keys() == {"nr", "day", "art", "stars", "said", "who"}
    assert (row["said"], row["stars"]) == ("mail me: [email]", "nine")
    assert json.loads(refused["hidden"]) == ["who"]


def test_settings_can_keep_all_and_allow_less(tmp_path):
    settings = '[ingest]\nmax_bad_share = 1.0\npseudonymise = false\nscrub = false\nallow = ["reviews.text"]\n'
    workspace, folder = shop(tmp_path, settings)
    ingest(workspace, parse(REVIEWS, "mine"), folder)
    rows = workspace.tables.read("reviews").sort("review_id").collect()
    assert rows["text"].to_list()[0] == "mail me: ann@example.org"
    assert rows["customer"].null_count() == rows["rating"].null_count() == rows.height == 3
    quarantine = workspace.tables.read("quarantine").collect()
    assert quarantine["rule"].to_list() == ["superseded"]  # what is not kept is not checked either
    assert "Billing Name" in json.loads(quarantine["row"][0])


def test_a_refused_row_carries_the_pseudonym_that_its_column_would_have(tmp_path):
    columns = {**REVIEWS["reviews"]["columns"], "customer": {"sql": "LOWER(who)"}}
    workspace, folder = shop(tmp_path, "[ingest]\nmax_bad_share = 1.0\n")
    ingest(workspace, parse({"reviews": {"file": "r.csv", "columns": columns}}, "mine"), folder)
    quarantine = workspace.tables.read("quarantine").collect()
    (refused,) = quarantine.filter(quarantine["rule"] == "unreadable").to_dicts()
    assert json.loads(refused["row"])["who"] == pseudonym("bob", workspace.secret)
