"""The money benchmark on a few products."""

from __future__ import annotations

import pytest

import money

pytestmark = pytest.mark.tiny


def test_the_page_tells_every_policy_beside_the_oracle(tmp_path, capsys):
    money.main(["--products", "12", "--days", "42", "--seeds", "4", "--out", str(tmp_path), "--peer-python", ""])
    text = (tmp_path / "money.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    told = {(row[0].strip(), row[1].strip()): row for row in rows[1:]}
    assert set(told) == {
        ("moving average", "none"), ("order up to", "fast"), ("least cost", "fast"), ("order up to", "oracle"),
        ("least cost", "oracle"), ("order up to", "oracle, weather too"), ("least cost", "oracle, weather too"),
    }  # fmt: skip
    assert float(told["least cost", "oracle"][7]) == 1.0
    assert float(told["moving average", "none"][9]) == 1.0
    for row in told.values():
        parts = sum(float(value) for value in row[3:7])
        assert float(row[2]) == pytest.approx(parts, abs=3e-4)
        assert 0 < float(row[10]) <= 1
    assert "28 days: 80 % interval" in capsys.readouterr().out


def test_shops_that_were_played_are_kept(tmp_path, capsys):
    words = ["--products", "12", "--days", "42", "--keep", str(tmp_path)]
    money.main([*words, "--seeds", "4"])
    first = capsys.readouterr().out
    (kept,) = tmp_path.glob("*.json")
    before = kept.stat().st_mtime_ns
    money.main([*words, "--seeds", "4", "5"])
    again = capsys.readouterr().out
    assert kept.stat().st_mtime_ns == before
    assert len(list(tmp_path.glob("*.json"))) == 2
    told = [line for line in first.splitlines() if line.startswith("seed 4, least cost")]
    assert told
    assert [line for line in again.splitlines() if line.startswith("seed 4, least cost")] == told


def test_a_play_too_short_to_score_is_refused(capsys):
    with pytest.raises(SystemExit):
        money.main(["--days", "20"])
    assert "at least 35" in capsys.readouterr().err
