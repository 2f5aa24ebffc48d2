"""Double machine learning by econml, out of the box: ``python econml_dml.py FOLDER``.

Reads ``cells.parquet`` (one row per cell: brand, store, train, log units ``y``, log price ``t``, controls ``w0``...);
writes ``fitted.parquet`` (row order kept: the fit of ``y``) and ``cost.json`` (elasticity and error by brand,
versions).
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from econml.dml import LinearDML

warnings.filterwarnings("ignore")


def main(folder: Path) -> None:
    cells = pl.read_parquet(folder / "cells.parquet").with_row_index("row")
    out = np.full(cells.height, np.nan)
    found = {}
    begin = time.perf_counter()
    for (brand,), part in cells.group_by("brand", maintain_order=True):
        w = part.select(c for c in part.columns if c.startswith("w")).to_numpy()
        stores = part["store"].to_dummies().to_numpy().astype(float)
        w = np.column_stack([w, stores])
        y, t, train = part["y"].to_numpy(), part["t"].to_numpy(), part["train"].to_numpy()
        model = LinearDML(random_state=1)
        model.fit(y[train], t[train], W=w[train], inference="auto")
        theta = float(np.ravel(model.const_marginal_effect())[0])
        error = float(np.ravel(model.const_marginal_effect_inference().stderr)[0])
        fits = [one for some in model.models_y for one in some], [one for some in model.models_t for one in some]
        base, treated = (np.mean([np.ravel(one.predict(w)) for one in some], axis=0) for some in fits)
        out[part["row"].to_numpy()] = base + theta * (t - treated)
        found[str(brand)] = [theta, error]
    pl.DataFrame({"fit": out}).write_parquet(folder / "fitted.parquet")
    versions = {name: version(name) for name in ("econml", "scikit-learn")}
    told = {"elasticity": found, "seconds": time.perf_counter() - begin, "versions": versions}
    (folder / "cost.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
