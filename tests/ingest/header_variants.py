"""Made-up files as shops might keep them, with what each column truly is.

The variants stand in ``header_variants.toml``. Contents are those of a small shop, in the notation that the kind says.
"""

from __future__ import annotations

import random
import tomllib
from datetime import datetime, timedelta
from pathlib import Path

SKUS = ("TEA-01", "TEA-02", "CUP-07", "POT-03", "TIN-11")
NAMES = ("Green tea 100 g", "Black tea 100 g", "Cup, white", "Iron pot", "Tin box")
ZH = ("龙井茶 100克", "红茶 100克", "白瓷杯", "铁壶", "茶叶罐")
PRICES = (4.5, 5.2, 12.0, 1029.9, 7.25)
START = datetime(2024, 1, 2, 8)

VARIANTS = tomllib.loads((Path(__file__).parent / "header_variants.toml").read_text(encoding="utf-8"))
_FORMS = {
    "us": "%-m/%-d/%Y %-I:%M %p",
    "us clock": "%-m/%-d/%Y %H:%M",
    "us short": "%m/%d/%y",
    "german": "%d.%m.%Y",
    "german minutes": "%d.%m.%Y %H:%M",
    "chinese": "%Y年%-m月%-d日 %H:%M",
    "slashes": "%Y/%-m/%-d",
    "slashes minutes": "%Y/%m/%d %H:%M",
    "slashed": "%d/%m/%Y",
    "day": "%Y-%m-%d",
    "compact": "%Y%m%d",
    "iso": "%Y-%m-%d %H:%M:%S",
    "iso zone": "%Y-%m-%dT%H:%M:%S+01:00",
}


def content(kind: str, row: int, rng: random.Random) -> str:
    """One cell: the kind says what and how; the row decides which product and day."""
    product, at = row % 5, START + timedelta(hours=7 * row)
    units = 1 + (row // 5) % 3
    if kind in _FORMS:
        return at.strftime(_FORMS[kind])
    price = PRICES[product]
    german = f"{price:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
    simple = {
        "number": str(100_000 + row // 2),
        "row": str(row + 1),
        "sku": SKUS[product],
        "key": f"K-{row:04d}",
        "place key": f"S{row}",
        "digits": f"69012345{product:04d}",
        "name": NAMES[product],
        "zh": ZH[product],
        "units": str(units),
        "kilos": f"{0.35 + units + product / 7:.3f}",
        "price": f"{price:.2f}",
        "dollars": f"${price:,.2f}",
        "comma": german,
        "total": f"{price * units:.2f}",
        "comma total": f"{price * units:.2f}".replace(".", ","),
        "epoch": str(int(at.timestamp())),
        "epoch ms": str(int(at.timestamp() * 1000)),
        "week": (START.date() + timedelta(days=7 * (row // 5))).isoformat(),
        "later": (at + timedelta(days=14)).strftime("%Y-%m-%d"),
        "mail": f"buyer{row % 23}@example.com",
        "phone": f"138{row % 10_000:08d}",
        "person": ("Ann Lee", "Bob Ray", "Eva Kim")[row % 3],
        "zip": f"{10_000 + row % 89}",
        "code": f"C{row % 23}",
        "place": ("Lyon", "Paris")[row % 2],
        "state": ("bezahlt", "versendet", "storniert")[row % 3],
        "group": ("Tea", "Tea", "Ware", "Ware", "Ware")[product],
        "brand": ("Kyo", "Umi")[product % 2],
        "country": ("France", "Spain")[row % 2],
        "region": ("KY", "OH")[row % 2],
        "currency": "EUR",
        "channel": ("web", "phone")[row % 2],
        "share": f"{0.1 + 0.05 * (row % 3):.2f}",
        "stars": str(1 + row % 5),
        "sentence": rng.choice(("Very good, I would buy it again", "杯子很漂亮，物流也快", "Came late and broken")),
    }
    return simple[kind]


def table(name: str, rows: int = 200) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a variant."""
    rng = random.Random(7)
    columns = VARIANTS[name]["columns"]
    return [header for header, _, _ in columns], [
        [content(kind, row, rng) for _, kind, _ in columns] for row in range(rows)
    ]
