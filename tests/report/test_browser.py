"""The page in a real browser: it draws, sorts, filters, searches, speaks, and asks the network for nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_run import MadeUpRun, make

from windvane.report import write

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Visit:
    """An open page, with all that it complained about or asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": 1300, "height": 900}, **options)
        self.page.on("console", lambda m: self.troubles.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector('[data-figure="total-units"][data-drawn]')

    def column(self, place: int) -> list[str]:
        return self.page.locator(f"#orders tbody tr td:nth-child({place})").all_inner_texts()

    def numbers(self, place: int) -> list[float]:
        texts = (t.strip("£¥ ").replace(",", "") for t in self.column(place))
        return [0.0 if t == "–" else float(t) for t in texts]


@pytest.fixture
def visit(browser, tmp_path: Path) -> Iterator[Visit]:
    yield from _visit(browser, tmp_path, make(60))


def _visit(browser: Any, folder: Path, run: MadeUpRun, **options: Any) -> Iterator[Visit]:
    seen = Visit(browser, write(run, folder / "report.html"), **options)
    yield seen
    seen.page.close()
    assert seen.troubles == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_every_chart_draws_and_nothing_is_fetched(visit):
    for _ in range(40):
        visit.page.mouse.wheel(0, 700)
        visit.page.wait_for_timeout(40)
    visible = visit.page.locator(".plot:visible")
    undrawn = [p.get_attribute("data-figure") for p in visible.all() if p.get_attribute("data-drawn") is None]
    assert undrawn == []
    assert visible.count() == 2 + 12 + 3
    assert visit.page.locator(".plot:visible svg.main-svg").count() >= visible.count()
    # Markers of texts and colours must all have been filled.
    assert "@t:" not in visit.page.inner_text("main")
    assert "@n:" not in visit.page.inner_text("main")


def test_the_list_sorts_by_each_column(visit):
    assert visit.numbers(7) == sorted(visit.numbers(7), reverse=True)
    head = visit.page.locator('#orders th[data-column="order_now"]')
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert visit.numbers(2) == sorted(visit.numbers(2), reverse=True)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert visit.numbers(2) == sorted(visit.numbers(2))
    visit.page.locator('#orders th[data-column="days_of_supply"] button').press("Enter")
    assert visit.numbers(5) == sorted(visit.numbers(5))


def test_the_list_filters(visit):
    visit.page.fill("#filter", "honey")
    names = visit.column(1)
    assert names
    assert all("Honey" in name for name in names)
    visit.page.fill("#filter", "no such thing")
    assert "No line matches the filter." in visit.page.inner_text("#orders tbody")
    visit.page.fill("#filter", "")
    visit.page.check("#only-now")
    assert min(visit.numbers(2)) > 0
    visit.page.uncheck("#only-now")
    assert len(visit.column(1)) == 25
    visit.page.click("#more")
    assert len(visit.column(1)) == 60


def test_any_product_can_be_found_and_drawn(visit):
    visit.page.fill("#find", "en-1042")
    visit.page.press("#find", "ArrowDown")
    visit.page.press("#find", "Enter")
    picked = visit.page.locator("#picked .plot[data-drawn]")
    picked.wait_for()
    assert "EN-1042" in visit.page.inner_text("#picked")
    lines = picked.evaluate("plot => plot.data.map(trace => [trace.meta, trace.y.length, trace.x.length])")
    assert [meta for meta, _, _ in lines][-2:] == ["q0.5", "history"]
    assert all(values == dates and values in (28, 120) for _, values, dates in lines)
    visit.page.fill("#find", "zzzz")
    assert visit.page.inner_text("#found") == "No product matches."


def test_the_download_holds_the_list_without_formulas(browser, tmp_path: Path):
    run = make(20)
    first = run.read("reorder")["sku"][0]
    names = run.read("products_view").to_dicts()
    for row in names:
        if row["sku"] == first:
            row["title"] = '＝HYPERLINK("x"),1'
    run.frames["products_view"] = type(run.read("products_view"))(names)
    for visit in _visit(browser, tmp_path, run):
        with visit.page.expect_download() as waiting:
            visit.page.click("#download")
        text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
        lines = text.splitlines()
        assert waiting.value.suggested_filename == "reorder.csv"
        assert len(lines) == 21
        assert lines[0].startswith("sku,location,title,category")
        assert '"\'＝HYPERLINK(""x""),1"' in lines[1]


def test_language_and_theme_switch(visit):
    visit.page.click("#language")
    assert visit.page.get_attribute("html", "lang") == "zh-CN"
    assert "该补什么货" in visit.page.inner_text("#reorder")
    assert "件" in visit.column(1)[0]
    assert visit.page.get_attribute("#find", "placeholder") == "输入名称、编号或品类……"
    axis = visit.page.locator('[data-figure="total-units"]').evaluate("plot => plot.layout.xaxis.tickformat")
    assert axis == "%-m月%-d日"
    light = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    visit.page.click("#theme")
    assert visit.page.get_attribute("html", "data-theme") == "dark"
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    visit.page.click("#language")
    assert "What to reorder" in visit.page.inner_text("#reorder")


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_overflows_a_narrow_screen(visit, width):
    visit.page.set_viewport_size({"width": width, "height": 800})
    visit.page.wait_for_timeout(300)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_total_shows_its_ranges(visit):
    names = visit.page.locator('[data-figure="total-units"]').evaluate("plot => plot.data.map(trace => trace.name)")
    assert names == ["95% range"] * 2 + ["80% range"] * 2 + ["sales", "expected"]


def test_a_phone_gets_a_radar_without_names(visit):
    modes = "plot => plot.data.map(trace => trace.mode)"
    radar = visit.page.locator('[data-figure="radar-series"]')
    radar.scroll_into_view_if_needed()
    visit.page.wait_for_selector('[data-figure="radar-series"][data-drawn]')
    assert set(radar.evaluate(modes)) == {"markers+text"}
    visit.page.set_viewport_size({"width": 390, "height": 800})
    visit.page.click("#theme")
    assert set(radar.evaluate(modes)) == {"markers"}


def test_injected_markup_stays_text(browser, tmp_path: Path):
    run = make(12)
    evil = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    names = run.read("products_view").to_dicts()
    run.frames["products_view"] = type(run.read("products_view"))(
        [row | {"title": evil, "category": evil} for row in names]
    )
    for visit in _visit(browser, tmp_path, run):
        visit.page.fill("#find", "script")
        visit.page.press("#find", "Enter")
        visit.page.locator("#picked .plot[data-drawn]").wait_for()
        assert visit.page.title() == "Windvane report · Lantern Lane"
        assert evil in visit.column(1)[0]
        assert visit.page.locator("img").count() == 0


def test_a_page_without_tables_draws_without_error(browser, tmp_path: Path):
    path = write(MadeUpRun({"run": "r-1"}), tmp_path / "report.html")
    page = browser.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(path.as_uri())
    page.click("#language")
    page.click("#theme")
    page.close()
    assert troubles == []
