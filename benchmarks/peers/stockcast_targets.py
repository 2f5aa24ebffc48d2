"""Order-up-to levels by stockcast from means and standard deviations: ``python stockcast_targets.py FOLDER``.

Reads ``days.csv`` (unique_id, date, mean, std; one row per series and day) and ``task.json`` (lead time of every
series, review, service) and writes ``targets.npy`` float64 [series] and ``versions.json``. Levels are stockcast's own:
the sum of means and a safety factor times the root of the sum of variances, as if days were independent and normal.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from stockcast.policies import OrderUpToPolicy


def main(folder: Path) -> None:
    days = pd.read_csv(folder / "days.csv", parse_dates=["date"])
    told = json.loads((folder / "task.json").read_text())
    leads = np.array(told["leads"])
    out = np.zeros(len(leads))
    for lead in np.unique(leads):
        rows = np.flatnonzero(leads == lead)
        horizon = int(lead) + told["review"]
        some = days[days["unique_id"].isin(rows)]
        some = some[some.groupby("unique_id").cumcount() < horizon]
        policy = OrderUpToPolicy(
            lead_time=int(lead), review_period=told["review"], freq="D", service_level=told["service"],
            allow_backorders=False,
        )  # fmt: skip
        origin = some["date"].min() - pd.Timedelta(days=1)
        policy.fit(some, mean_column="mean", std_column="std", forecast_origin=origin)
        levels = policy.target_levels_.set_index("unique_id")["target_level"]
        out[rows] = levels.loc[rows].to_numpy()
    np.save(folder / "targets.npy", out)
    (folder / "versions.json").write_text(json.dumps({name: version(name) for name in ("stockcast", "pandas")}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
