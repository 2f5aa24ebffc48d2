"""The sections of the page that say how far to trust it: accuracy, data findings, how the run was made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from windvane import screen
from windvane.report.facts import Facts, RunLike, champion
from windvane.report.numbers import Shown, show
from windvane.report.pen import Pen, safe, table
from windvane.report.sections import empty, name_of, panel, plot, section

REASONS = 20
"""Most rows of the table of what was set aside."""
EXAMPLES = 3
"""Examples shown of each cleaning rule."""


# --- accuracy ---------------------------------------------------------------------------------------------------


def chosen_rows(leaderboard: pl.DataFrame) -> pl.DataFrame:
    """The leaderboard row of what ships, one per segment, "all" first and then the largest."""
    segments = (
        leaderboard.group_by("segment")
        .agg(pl.col("series").max())
        .sort(pl.col("segment") != "all", -pl.col("series"), "segment")["segment"]
    )
    rows = [row for s in segments if (row := champion(leaderboard, s)) is not None]
    return pl.DataFrame(rows, schema=leaderboard.schema) if rows else leaderboard.clear()


def errors_by_step(facts: Facts) -> pl.DataFrame:
    """Mean error of the reported folds by step: what ships first, then the best simple baselines.

    Returns:
        model, step, value, metric ("wql", or "wape" where steps have no wql); at most four models, in order.
    """
    scores = facts.tables["scores"].filter(
        (pl.col("step") > 0)
        & pl.col("metric").is_in(["wql", "wape"])
        & (pl.col("use") == "report")
        & (pl.col("segment") == "all")
        & (pl.col("node") == "series")
    )
    scores = scores.filter(pl.col("metric") == pl.col("metric").max())
    board = facts.tables["leaderboard"].filter(pl.col("segment") == "all").sort("rank")
    first = champion(board)
    simple = board.filter(pl.col("simple"))["model"].to_list()
    order = list(dict.fromkeys([*([first["model"]] if first else []), *simple]))
    held = set(scores["model"].unique().to_list())
    kept = [m for m in order if m in held][:4] or sorted(held)[:4]
    means = scores.group_by("model", "step", "metric").agg(pl.col("value").mean())
    frames = [means.filter(pl.col("model") == m).sort("step") for m in kept]
    return pl.concat(frames) if frames else means


def accuracy(facts: Facts, pen: Pen) -> str:
    """How the models compare, whether the ranges hold, and the error by distance."""
    board = facts.tables["leaderboard"]
    if not board.height:
        return section(pen, "accuracy", empty(pen.t("report.accuracy.no_folds")))
    verdict = f'<p class="verdict">{_verdict(champion(board), pen)}{_unproven(chosen_rows(board), pen)}</p>'
    gain = panel(
        pen.t("report.accuracy.gain"),
        pen.t("report.accuracy.gain_note"),
        plot(pen, "gains", "report.accuracy.gain"),
    )
    cover = panel(
        pen.t("report.accuracy.coverage"),
        pen.t("report.accuracy.coverage_note"),
        plot(pen, "coverage", "report.accuracy.coverage") + _deviations(chosen_rows(board), pen),
    )
    by_step = empty(pen.t("report.accuracy.no_steps"))
    if errors_by_step(facts).height:
        by_step = plot(pen, "steps", "report.accuracy.steps")
    distance = panel(pen.t("report.accuracy.steps"), pen.t("report.accuracy.steps_note"), by_step)
    cutoffs = facts.tables["scores"].filter(pl.col("use") == "report")["cutoff"]
    folds = cutoffs.n_unique() or int(facts.setting("backtest", "report_folds", 0))
    lead = pen.t("report.accuracy.lead", folds=Shown("count", folds))
    if cutoffs.len() and facts.horizon:
        first = facts.later(cutoffs.min(), 1)  # type: ignore[arg-type]
        last = facts.later(cutoffs.max(), facts.horizon)  # type: ignore[arg-type]
        lead += " " + pen.t("report.accuracy.span", first=Shown(facts.when, first), last=Shown(facts.when, last))
    body = f'{verdict}<div class="pair">{gain}{cover}</div>{distance}{_models(board, pen)}'
    return section(pen, "accuracy", body, lead)


def _verdict(row: Mapping[str, Any] | None, pen: Pen) -> str:
    if row is None or row["gain"] is None:
        return pen.t("report.accuracy.no_folds")
    gain, low, high = row["gain"], row["gain_low"], row["gain_high"]
    if not (gain or low or high):
        return pen.t("report.accuracy.simple")
    if low is None or high is None:
        return pen.t("report.accuracy.point", gain=Shown("signed_share", gain))
    if low > 0:
        ends = {"low": Shown("share1", low), "high": Shown("share1", high)}
        return pen.t("report.accuracy.better", gain=Shown("share1", gain), **ends)
    if high < 0:
        # "4 % worse (2 to 6)": both ends change sign and so change places.
        ends = {"low": Shown("share1", -high), "high": Shown("share1", -low)}
        return pen.t("report.accuracy.worse", gain=Shown("share1", -gain), **ends)
    ends = {"low": Shown("signed_share", low), "high": Shown("signed_share", high)}
    return pen.t("report.accuracy.unclear", gain=Shown("signed_share", gain), **ends)


def _unproven(rows: pl.DataFrame, pen: Pen) -> str:
    """Names the segments in which what ships is not measurably better than a simple baseline."""
    rows = rows.filter((pl.col("segment") != "all") & (pl.col("gain_low") <= 0))
    # Where a simple baseline ships, it equals the best of them: that is no failure to be named.
    rows = rows.filter((pl.col("gain") != 0) | (pl.col("gain_high") != 0))
    if not rows.height:
        return ""
    names = [
        pen.name("segment", s) + f" ({pen.n('count', n)})" for s, n in rows.select("segment", "series").iter_rows()
    ]
    return f'<small class="unproven">{pen.t("report.accuracy.unproven")} {" · ".join(names)}</small>'


def _deviations(rows: pl.DataFrame, pen: Pen) -> str:
    """The segment whose coverage is farthest from what was promised, for either range."""
    parts = []
    for column, level in (("coverage80", 0.8), ("coverage95", 0.95)):
        known = rows.drop_nulls(column).with_columns((pl.col(column) - level).alias("off"))
        if known.height:
            row = known.sort(pl.col("off").abs(), descending=True).row(0, named=True)
            off = Shown("points", row["off"])
            said = {
                w: screen.text(
                    w,
                    "report.accuracy.farthest",
                    range=screen.text(w, f"report.accuracy.{column}"),
                    points=show(off, w),
                    segment=screen.name(w, "segment", row["segment"]),
                )
                for w in screen.LANGUAGES
            }
            parts.append(pen.every(said))
    return f'<p class="note">{pen.t("report.accuracy.largest")} {" · ".join(parts)}</p>' if parts else ""


def _merged(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without the champion's where it is one of the models: that model is then the chosen one."""
    champions = rows.filter(pl.col("model") == "champion")
    others = rows.filter(pl.col("model") != "champion")
    if not champions.height:
        return rows
    row = champions.row(0, named=True)
    same = pl.all_horizontal(pl.col(c).eq_missing(pl.lit(row[c])) for c in ("wql", "wape", "rmsse", "bias", "seconds"))
    marked = others.with_columns(pl.col("chosen").fill_null(False) | same)
    return marked if others.filter(same).height else rows


def _models(board: pl.DataFrame, pen: Pen) -> str:
    segments = chosen_rows(board)["segment"].to_list() or board["segment"].unique(maintain_order=True).to_list()
    choices = "".join(
        f'<button type="button" data-show="segment-{i}" aria-pressed="{str(i == 0).lower()}">'
        f"{pen.name('segment', s)}</button>"
        for i, s in enumerate(segments)
    )
    tables = "".join(
        f'<div data-panel="segment-{i}"{" hidden" if i else ""}>'
        f"{_model_table(board.filter(pl.col('segment') == s), pen)}</div>"
        for i, s in enumerate(segments)
    )
    body = f'<div class="switch" role="group" data-switch="segments">{choices}</div>{tables}'
    return panel(pen.t("report.accuracy.table"), pen.t("report.accuracy.glossary"), body)


def _model_table(rows: pl.DataFrame, pen: Pen) -> str:
    head = [(pen.t("report.accuracy.model"), "")] + [
        (pen.t(f"report.accuracy.{k}"), "num")
        for k in ("wql", "wape", "rmsse", "bias", "cover80", "cover95", "gain_head", "cost", "seconds")
    ]
    cells = []
    for row in _merged(rows).sort("rank").iter_rows(named=True):
        marks = "".join(
            f' <span class="badge {kind}">{pen.t(f"report.accuracy.{key}")}</span>'
            for flag, kind, key in (("chosen", "good", "chosen"), ("simple", "", "is_simple"))
            if row[flag]
        )
        gain = pen.n("signed_share", row["gain"])
        if row["gain_low"] is not None:
            ends = {k: Shown("signed_share", row[f"gain_{k}"]) for k in ("low", "high")}
            gain += f" <small>{pen.t('report.interval', **ends)}</small>"
        cells.append(
            [
                f"{pen.name('model', row['model'])}{marks}",
                f"{row['wql']:.3f}" if row["wql"] is not None else "–",
                pen.n("share1", row["wape"]),
                f"{row['rmsse']:.3f}" if row["rmsse"] is not None else "–",
                pen.n("signed_share", row["bias"]),
                pen.n("share1", row["coverage80"]),
                pen.n("share1", row["coverage95"]),
                gain,
                pen.n("money", None if row["cost"] is None else 1000 * row["cost"]),
                pen.n("seconds", row["seconds"]),
            ]
        )
    return table(pen.t("report.accuracy.caption"), head, cells)


# --- data -------------------------------------------------------------------------------------------------------


def data(facts: Facts, pen: Pen) -> str:
    """Findings with their remedies, what cleaning changed, what ingest set aside."""
    body = _findings(facts, pen) + _cleaning(facts, pen) + _quarantine(facts, pen)
    return section(pen, "data", body, pen.t("report.data.lead"))


def _findings(facts: Facts, pen: Pen) -> str:
    findings = facts.tables["findings"]
    if not findings.height:
        return empty(pen.t("report.data.none"))
    order = {"error": 0, "warning": 1, "info": 2}
    rows = findings.with_columns(pl.col("severity").replace_strict(order, default=3).alias("order"))
    rows = rows.sort("order", -pl.col("count"), maintain_order=True)
    titles = dict(facts.tables["names"].select("sku", "title").iter_rows())
    cards = "".join(_finding(row, titles, pen) for row in rows.iter_rows(named=True))
    return f'<div class="findings">{cards}</div>'


def _finding(row: Mapping[str, Any], titles: Mapping[str, str | None], pen: Pen) -> str:
    check, concerned = row["check"], row["table"]
    tables = {w: screen.name(w, "table", concerned) for w in screen.LANGUAGES}
    title = pen.every({w: screen.name(w, "finding_title", check).replace("{table}", t) for w, t in tables.items()})
    keys = (f"finding.{check}_{concerned}", f"finding.{check}")
    text = pen.every({w: _first(w, keys, row["remedy"]) for w in screen.LANGUAGES})
    where = pen.name("table", concerned) + (f" · <code>{safe(row['column'])}</code>" if row["column"] else "")
    count = pen.t("report.data.count", count=Shown("count", row["count"]), total=Shown("count", row["total"]))
    # What concerns everything alike has no share: "1,500 of 1,500" would say nothing.
    count = "" if check in ("no_table", "orders_late") else count
    said = {w: _example(str(row["example"] or ""), w, titles) for w in screen.LANGUAGES}
    example = f'<p class="note">{pen.t("report.data.example", example="")} {pen.every(said)}</p>' if said["en"] else ""
    severity = row["severity"]
    return (
        f'<article class="finding {safe(severity)}"><p><span class="badge {safe(severity)}">'
        f"{pen.name('severity', severity)}</span> "
        f'<span class="where">{where}</span><span class="count">{count}</span></p>'
        f"<h4>{title}</h4><p>{text}</p>{example}</article>"
    )


_EXAMPLE = re.compile(r"(?P<sku>[^/\s]+)/(?P<location>[^:\s]+)(?P<rest>.*)", re.DOTALL)


def _example(example: str, language: str, titles: Mapping[str, str | None]) -> str:
    """An example of a finding with the product's name, and its few words in the language."""
    found = _EXAMPLE.fullmatch(example)
    sku = found["sku"] if found else example
    if sku in titles:
        place = found["location"] if found and found["location"] != "all" else ""
        rest = found["rest"] if found else ""
        example = " · ".join(v for v in (titles[sku], sku, place) if v) + rest
    example = example.replace(" -> ", " → ")
    if language == "zh":
        example = re.sub(r"\b(\d+) days\b", r"\1 天", example)
        example = re.sub(r"\b([\d,]+) units\b", r"\1 件", example)
    return example


def _first(language: str, keys: Sequence[str], stored: str) -> str:
    """The first of some catalogue texts that exists, else the text that the table holds."""
    held = screen.catalogue(language)
    return next((held[key] for key in keys if key in held), stored)


def _cleaning(facts: Facts, pen: Pen) -> str:
    changes = facts.tables["cleaning"]
    title = pen.t("report.data.cleaning")
    if not changes.height:
        return panel(title, "", empty(pen.t("report.data.cleaning_none")))
    rules = changes.group_by("rule").agg(pl.len().alias("changes"), pl.col("sku").n_unique().alias("products"))
    rules = rules.sort("changes", "rule", descending=[True, False])
    titles = facts.tables["names"].select("sku", "title", "twin")
    # The largest changes say most about a rule.
    size = (pl.col("before").fill_null(0) - pl.col("after").fill_null(0)).abs()
    shown = changes.sort(size, "sku", "date", descending=[True, False, False]).group_by("rule", maintain_order=True)
    examples = shown.head(EXAMPLES).join(titles, on="sku", how="left")
    cells = [
        [pen.name("rule", r["rule"]), pen.n("count", r["changes"]), pen.n("count", r["products"])]
        for r in rules.iter_rows(named=True)
    ]
    head = [
        (pen.t("report.data.rule"), ""),
        (pen.t("report.data.changes"), "num"),
        (pen.t("report.data.products"), "num"),
    ]
    parts = [
        [
            pen.name("rule", row["rule"]),
            name_of(row),
            pen.n(facts.when, row["date"]),
            pen.n("number", row["before"]),
            pen.n("number", row["after"]),
        ]
        for row in examples.iter_rows(named=True)
    ]
    columns = [("rule", ""), ("product", ""), ("date", "num"), ("before", "num"), ("after", "num")]
    detail = table(pen.t("report.data.examples"), [(pen.t(f"report.data.{k}"), c) for k, c in columns], parts)
    body = f'<div class="pair narrow">{table(title, head, cells)}<div>{detail}</div></div>'
    return panel(title, pen.t("report.data.cleaning_count", count=Shown("count", changes.height)), body)


def _quarantine(facts: Facts, pen: Pen) -> str:
    if "quarantine_summary" not in facts.tables:
        return ""
    rows = facts.tables["quarantine_summary"]
    title = pen.t("report.data.quarantine")
    if not rows.height:
        return panel(title, "", empty(pen.t("report.data.quarantine_none")))
    # Reasons may name lines: where there are many, one example stands for all of a rule.
    if rows.height > REASONS:
        rows = rows.group_by("table", "rule", maintain_order=True).agg(pl.col("reason").first(), pl.col("count").sum())
    cells = []
    for row in rows.sort("count", descending=True, maintain_order=True).head(REASONS).iter_rows(named=True):
        key = f"quarantine_reason.{row['rule']}"
        reason = pen.every({w: _first(w, (key,), row["reason"]) for w in screen.LANGUAGES})
        if row.get("column"):
            reason = f"<code>{safe(row['column'])}</code> {reason}"
        cells.append(
            [pen.name("table", row["table"]), pen.name("rule", row["rule"]), reason, pen.n("count", row["count"])]
        )
    head = [(pen.t(f"report.data.{k}"), c) for k, c in (("table", ""), ("rule", ""), ("reason", ""), ("rows", "num"))]
    return panel(title, pen.t("report.data.kept"), table(title, head, cells))


# --- how it was made --------------------------------------------------------------------------------------------


def made(facts: Facts, history: Sequence[RunLike], pen: Pen) -> str:
    """Run, versions, tables read, and what each stage cost."""
    m = facts.manifest
    entries = [
        ("run", safe(m.get("run"))),
        ("created", pen.n("moment", m.get("created"))),
        ("as_of", pen.n("day" if len(str(m["as_of"])) == 10 else "moment", m["as_of"]) if m.get("as_of") else ""),
        ("recorded_by", pen.n("moment", m["recorded_by"]) if m.get("recorded_by") else ""),
        ("cutoff", pen.n(facts.when, facts.cutoff)),
        ("shop", safe(facts.shop.get("name", ""))),
        ("products", pen.n("count", facts.series["sku"].n_unique())),
        ("series", pen.n("count", facts.series.height)),
        ("seed", safe(facts.setting("forecast", "seed", ""))),
    ]
    versions = [
        ("versions", _pairs({k: m[k] for k in ("windvane", "python") if k in m} | dict(m.get("libraries") or {}))),
        ("tables", _pairs(m.get("versions"))),
        ("written", _pairs({k: f"{v:,}" for k, v in (m.get("tables") or {}).items()})),
    ]
    body = f'<div class="pair narrow">{_terms(entries, pen)}{_stages(m.get("stages") or [], pen)}</div>'
    body += _terms(versions, pen)
    return section(pen, "made", body + _earlier(history, facts, pen), pen.t("report.made.lead"))


def _terms(entries: Sequence[tuple[str, str]], pen: Pen) -> str:
    terms = "".join(f"<dt>{pen.t(f'report.made.{k}')}</dt><dd>{v}</dd>" for k, v in entries if v)
    return f'<dl class="panel facts">{terms}</dl>' if terms else ""


def _pairs(values: Any) -> str:
    if not isinstance(values, Mapping):
        return ""
    return " ".join(f"<code>{safe(k)} {safe(v)}</code>" for k, v in values.items() if not isinstance(v, Mapping | list))


def _stages(stages: Sequence[Mapping[str, Any]], pen: Pen) -> str:
    if not stages:
        return panel(pen.t("report.made.stage"), "", empty(pen.t("report.made.no_stages")))
    whole = sum(float(s.get("seconds") or 0) for s in stages) or 1.0
    cells = [
        [
            pen.name("stage", str(s.get("stage"))),
            pen.n("count", s.get("rows")),
            f'<span class="cost" style="--share:{100 * float(s.get("seconds") or 0) / whole:.1f}%">'
            f"{pen.n('seconds', s.get('seconds'))}</span>",
            pen.n("seconds", s.get("cpu_seconds")),
            pen.n("memory", s.get("peak_mb")),
        ]
        for s in stages
    ]
    peaks = [float(s["peak_mb"]) for s in stages if s.get("peak_mb") is not None]
    processor = sum(float(s.get("cpu_seconds") or 0) for s in stages)
    cells.append(
        [f"<b>{pen.t('report.made.total')}</b>", "", f"<b>{pen.n('seconds', whole)}</b>", pen.n("seconds", processor),
         pen.n("memory", max(peaks, default=None))]
    )  # fmt: skip
    head = [(pen.t("report.made.stage"), "")] + [
        (pen.t(f"report.made.{k}"), "num") for k in ("rows", "seconds", "cpu", "memory")
    ]
    return f'<div class="panel">{table(pen.t("report.made.stage"), head, cells)}</div>'


def _earlier(history: Sequence[RunLike], facts: Facts, pen: Pen) -> str:
    if not history:
        return ""
    # Each run scores the one before it, so a run's own error is found in a later run's table.
    checks = [run.read("accuracy") for run in history if "accuracy" in run.tables] + [facts.tables["accuracy"]]
    found = {r: w for check in checks for r, node, w in check.select("run", "node", "wape").rows() if node == "series"}
    cells = []
    for run in reversed(history):
        listing = run.read("reorder") if "reorder" in run.tables else None
        cells.append(
            [
                safe(run.manifest.get("run")),
                pen.n("moment", run.manifest.get("created")),
                pen.n("short_money", float(listing["money_at_stake"].sum()) if listing is not None else None),
                pen.n("count", listing.filter(pl.col("order_now") > 0).height if listing is not None else None),
                pen.n("share1", found.get(str(run.manifest.get("run")))),
            ]
        )
    columns = (
        ("run", ""),
        ("created", ""),
        ("earlier_stake", "num"),
        ("earlier_lines", "num"),
        ("earlier_wape", "num"),
    )
    title = pen.t("report.made.earlier")
    return panel(title, "", table(title, [(pen.t(f"report.made.{k}"), c) for k, c in columns], cells))
