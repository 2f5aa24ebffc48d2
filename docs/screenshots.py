"""Take the pictures of the documentation from written reports, with a headless Chromium.

Run it after the figures of the demo have changed::

    windvane report --output report.html                          # an English shop
    windvane report --workspace other --output report.zh.html     # a Chinese one
    python docs/screenshots.py report.html report.zh.html docs/images

Each report gives the top of its page: ``report.png``, or ``report.zh.png`` where the page is Chinese. The first
English report also gives ``forecasts.png`` and ``reorder.png``. Needs playwright and a Chromium on the path.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

WIDTH = 1400
"""Pixels of the window, at one pixel a point."""
TOP = 2000
"""Most pixels of the page's top that are shown."""
SECTIONS = {"forecasts": 1150, "reorder": 1080}
"""Sections with a picture of their own, and the most pixels of their height shown."""
MARGIN = 28
"""Pixels of page left around a section."""
LARGEST = 600_000
"""Bytes that a picture may have."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Write the pictures of the reports named on the command line."""
    arguments = argparse.ArgumentParser(description="Take the documentation's pictures from written reports.")
    arguments.add_argument("reports", nargs="+", type=Path, help="HTML files written by `windvane report`")
    arguments.add_argument("folder", type=Path, help="where the pictures go, such as docs/images")
    given = arguments.parse_args()
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        arguments.error(f"no browser found; install one of: {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    given.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for report in given.reports:
            for path in pictures(started, report, given.folder):
                size = path.stat().st_size
                print(f"{path}: {size / 1000:,.0f} kB{' - too large' if size > LARGEST else ''}")
        started.close()


def pictures(browser: Any, report: Path, folder: Path) -> list[Path]:
    """Take the pictures of one report.

    Args:
        browser: a started playwright browser.
        report: HTML file written by ``windvane report``.
        folder: where the pictures go.

    Returns:
        The files written.
    """
    page = browser.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme="light", device_scale_factor=1)
    page.goto(report.resolve().as_uri())
    draw_all(page)
    chinese = str(page.get_attribute("html", "lang")).startswith("zh")
    top = folder / ("report.zh.png" if chinese else "report.png")
    radar = page.locator('[data-panel="trends-series"] .panel').first.bounding_box()
    end = min(radar["y"] + radar["height"] + MARGIN / 2, TOP) if radar else TOP
    page.screenshot(path=top, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": end})
    written = [top]
    for name, most in () if chinese else SECTIONS.items():
        written.append(folder / f"{name}.png")
        page.screenshot(path=written[-1], full_page=True, clip=around(page, name, most))
    page.close()
    return written


def draw_all(page: Any) -> None:
    """Scroll through the page once: charts are drawn when they come near."""
    height = page.evaluate("document.documentElement.scrollHeight")
    for place in range(0, height, 500):
        page.evaluate(f"scrollTo(0, {place})")
        page.wait_for_timeout(60)
    page.evaluate("scrollTo(0, 0)")
    # A bar that floats over the page would lie across a picture of its middle.
    page.add_style_tag(content=".bar{position:relative!important}html{scroll-behavior:auto!important}")
    page.wait_for_timeout(300)


def around(page: Any, section: str, most: int) -> dict[str, float]:
    """The rectangle of a section with a margin; it ends after the last row or chart that it holds whole."""
    box = page.locator(f"#{section}").bounding_box()
    places = [row.bounding_box() for row in page.locator(f"#{section} tbody tr, #{section} figure").all()]
    ends = [place["y"] + place["height"] for place in places if place]
    last = max((end for end in ends if end <= box["y"] + most), default=box["y"] + min(box["height"], most))
    end = last if section == "reorder" else last + MARGIN
    main = page.locator("main").bounding_box()
    return {
        "x": main["x"],
        "y": box["y"] - MARGIN,
        "width": main["width"],
        "height": end - box["y"] + MARGIN,
    }


if __name__ == "__main__":
    main()
