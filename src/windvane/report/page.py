"""Assembles the report: one HTML file that holds its data, charts and script, and opens no connection."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl

from windvane import screen
from windvane.errors import StoreError
from windvane.report import evidence, figures, prices, promotions, reorder, sections
from windvane.report.facts import Facts, RunLike, fans, gather
from windvane.report.numbers import SYMBOLS, Shown, symbol
from windvane.report.pen import Pen, safe
from windvane.report.theme import DARK, LIGHT, Look, style_variables

_SOME = {"prices": ("price_plan",), "promotions": ("promotion_plan", "past_promotions")}
"""Sections that only some runs have, and the tables that they show."""
_SCRIPT_GROUPS = (
    "report.reorder.",
    "report.fans.",
    "report.assumed.",
    "report.overview.units",
    "format.",
    "report.show",
)


def write(
    run: RunLike, path: str | Path, language: str | None = None, history: Sequence[RunLike] | None = None
) -> Path:
    """Write the report of a run as one self-contained HTML file.

    The file needs no network and works from disk; it speaks every language of the screen catalogues.

    Args:
        run: a published run; tables that it lacks leave their part of the page empty, with a sentence.
        path: where to write; its folder is made if it is missing. An existing file is replaced at once.
        language: the language first shown, "en" or "zh"; the shop's by default.
        history: earlier runs, oldest first, for the list of earlier runs.

    Returns:
        The path written.

    Raises:
        ConfigError: there are no screen texts in that language.
        StoreError: the file cannot be written.
    """
    target = Path(path)
    text = render(run, language, history)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            file.write(text.encode())
        # Temporary files are private; a report is meant to be passed on.
        os.chmod(file.name, 0o644)
        os.replace(file.name, target)
    except OSError as error:
        raise StoreError(f"Cannot write the report to {target}: {error}.", "Choose another path.") from error
    return target


def file_name(run: RunLike, latest: bool = True) -> str:
    """Name of the file for a run's report: what looks back, or is no longer the latest, never takes ``report.html``.

    Args:
        run: a published run.
        latest: whether the run is the latest of its workspace.
    """
    manifest = run.manifest
    back = [str(manifest["as_of"])[:10]] if manifest.get("as_of") else []
    if manifest.get("recorded_by"):
        back.append(f"recorded-{datetime.fromisoformat(str(manifest['recorded_by'])):%Y-%m-%dT%H%M}")
    if not back and not latest:
        back.append(str(manifest["run"]))
    return "-".join(["report", *back]) + ".html"


def render(run: RunLike, language: str | None = None, history: Sequence[RunLike] | None = None) -> str:
    """The report of a run as HTML text; see :func:`write`."""
    facts = gather(run)
    language = language or facts.language
    screen.catalogue(language)
    pen = Pen(language, facts.currency)
    listing = reorder.lines(facts)
    chosen = sections.picks(facts)
    body = "".join(
        (
            sections.overview(facts, listing, pen),
            sections.radar(facts, pen),
            sections.fans(facts, chosen, pen),
            evidence.accuracy(facts, pen),
            sections.order_list(facts, listing, pen),
            prices.prices(facts, pen),
            promotions.promotions(facts, pen),
            evidence.data(facts, pen),
            evidence.made(facts, history or (), pen),
        )
    )
    return _document(facts, pen, body, _data(facts, run, listing))


def _data(facts: Facts, run: RunLike, listing: pl.DataFrame) -> dict[str, Any]:
    """Everything the page's script reads."""
    look = Look(None, None, symbol(facts.currency), {"1h": "hour", "1mo": "month"}.get(facts.freq, "day"))
    # The outermost quantiles are in the tables, not in the charts.
    drawn = [q for q in facts.quantiles if q in figures.DRAWN]
    board = evidence.chosen_rows(facts.tables["leaderboard"])
    specs = {
        "total-units": figures.total(facts.totals, facts.ahead, look, bands=facts.bands),
        "total-money": figures.total(facts.totals, facts.ahead, look, "money"),
        "radar-series": figures.radar(sections.labelled(facts, "series"), look),
        "radar-category": figures.radar(sections.labelled(facts, "category").filter(pl.col("label") != ""), look),
        "gains": figures.gains(board, look),
        "coverage": figures.coverage(board, look),
        "steps": figures.steps(evidence.errors_by_step(facts), look),
        "fan": figures.fan(([], []), ([], {q: [] for q in drawn}), look),
    }
    past = sum(1 for d in facts.dates if facts.cutoff is None or d <= facts.cutoff)
    held = {w: {k: v for k, v in screen.catalogue(w).items() if k.startswith(_SCRIPT_GROUPS)} for w in screen.LANGUAGES}
    wanted = _markers(specs)
    for words in held:
        held[words] |= {k: _marked(words, k) for k in wanted}
    return {
        "currency": facts.currency,
        "symbol": symbol(facts.currency),
        "known": facts.currency in SYMBOLS,
        "dates": facts.dates,
        "past": past,
        "quantiles": drawn,
        "series": _compact(fans(facts, run, drawn)),
        "places": facts.series["location"].n_unique() > 1 if facts.series.height else False,
        "reorder": reorder.embedded(listing, facts.currency),
        "figures": specs,
        "palette": {"light": dict(LIGHT), "dark": dict(DARK)},
        "text": held,
    }


def _compact(series: list[dict[str, Any]]) -> list[list[Any]]:
    kept = ("sku", "location", "title", "category", "revenue", "expected", "past", "ahead", "twin")
    return [[round(v, 2) if isinstance(v := row[k], float) else v for k in kept] for row in series]


def _markers(value: Any) -> set[str]:
    """The catalogue keys and words that the figures leave to the script, as ``t:key`` and ``n:group.word``."""
    if isinstance(value, dict):
        return set().union(*(_markers(v) for v in value.values())) if value else set()
    if isinstance(value, list | tuple):
        return set().union(*(_markers(v) for v in value)) if value else set()
    if isinstance(value, str) and "@" in value:
        return {
            f"{kind}:{rest}"
            for kind, rest in (part.split(":", 1) for part in value.split("@")[1:] if part[:2] in ("t:", "n:"))
            for rest in [_word(rest) if kind == "t" else rest]
        }
    return set()


def _word(text: str) -> str:
    end = next((i for i, c in enumerate(text) if not (c.isalnum() or c in "._")), len(text))
    return text[:end].rstrip(".")


def _marked(language: str, marker: str) -> str:
    kind, key = marker.split(":", 1)
    if kind == "t":
        return screen.catalogue(language).get(key, key)
    group, word = key.split(".", 1)
    return screen.name(language, group, word)


def _json(value: Any) -> str:
    """JSON that cannot end the script element that holds it."""

    def plain(item: object) -> str:
        if isinstance(item, date | datetime):
            return item.isoformat()
        raise TypeError(f"{type(item).__name__} in page data")

    text = json.dumps(_finite(value), default=plain, ensure_ascii=False, separators=(",", ":"))
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(value: Any) -> Any:
    """The value with NaN and infinities as null, which JSON lacks."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def _document(facts: Facts, pen: Pen, body: str, held: dict[str, Any]) -> str:
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs().replace("</script", "<\\/script"), _asset("page.js")]
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    # Scripts by hash: whatever a table smuggles in cannot run. 'none' elsewhere: nothing can be fetched or sent.
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    shop = str(facts.shop.get("name", ""))
    tag = "zh-CN" if pen.language == "zh" else "en"
    return "".join(
        (
            f'<!doctype html>\n<html lang="{tag}">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="referrer" content="no-referrer">\n',
            f"<title>{pen.plain('report.title')}{' · ' + safe(shop) if shop else ''}</title>\n",
            f'<link rel="icon" href="{_icon()}">\n',
            f"<style>{style_variables()}{_asset('style.css')}</style>\n</head>\n<body>\n",
            f'<a class="skip" href="#main">{pen.t("report.skip")}</a>',
            _bar(facts, pen),
            _hero(facts, pen, shop),
            f'<main id="main"><noscript><p class="banner">{pen.t("report.no_script")}</p></noscript>{body}</main>',
            f"<footer>{_asset('logo.svg')}<p>{pen.t('report.footer')}</p></footer>\n",
            f'<script type="application/json" id="page-data">{_json(held)}</script>\n',
            *(f"<script>{s}</script>\n" for s in scripts),
            "</body>\n</html>\n",
        )
    )


def _bar(facts: Facts, pen: Pen) -> str:
    some = [name for name, held in _SOME.items() if any(facts.tables[name].height for name in held)]
    names = ("overview", "trends", "forecasts", "accuracy", "reorder", *some, "data", "made")
    links = "".join(f'<a href="#{n}">{pen.t(f"report.nav.{n}")}</a>' for n in names)
    return (
        f'<div class="bar"><a class="brand" href="#top">{_asset("logo.svg")}<b>{pen.t("report.brand")}</b></a>'
        f"<nav {pen.attribute('aria-label', 'report.contents')}>{links}</nav>"
        f'<button type="button" id="language" {pen.attribute("aria-label", "report.language_label")}>'
        f"{pen.t('report.other_language')}</button>"
        f'<button type="button" id="theme" {pen.attribute("aria-label", "report.theme")}>'
        '<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7.2" fill="none" stroke="currentColor" '
        'stroke-width="1.6"/><path d="M10 2.8a7.2 7.2 0 0 1 0 14.4z" fill="currentColor"/></svg></button></div>'
    )


def _hero(facts: Facts, pen: Pen, shop: str) -> str:
    created = Shown("moment", facts.manifest.get("created"))
    run = pen.t("report.generated", id=str(facts.manifest.get("run", "–")), created=created)
    return (
        f'<header class="hero" id="top">{_asset("wind.svg")}<div><p class="eyebrow">{pen.t("report.tagline")}</p>'
        f"<h1>{safe(shop) or pen.t('report.title')}</h1>{_looks_back(facts, pen)}{sections.freshness(facts, pen)}"
        f'<p class="run">{run}</p></div></header>'
    )


def _looks_back(facts: Facts, pen: Pen) -> str:
    """That the page does not show the present, where it does not."""
    as_of, recorded_by = (facts.manifest.get(name) for name in ("as_of", "recorded_by"))
    lines = [pen.t("report.back.as_of", when=Shown("day", as_of))] if as_of else []
    if recorded_by:
        lines.append(pen.t("report.back.recorded_by", when=Shown("moment", recorded_by)))
    return "".join(f'<p class="stale">{line}</p>' for line in lines)


def _icon() -> str:
    mark = _asset("logo.svg").replace("currentColor", "#0b5b6c")
    return f"data:image/svg+xml;base64,{base64.b64encode(mark.encode()).decode()}"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8").strip()
