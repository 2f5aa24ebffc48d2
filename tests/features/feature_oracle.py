"""Every declared feature once more, in SQL: made from long tables by joins and aggregates, nothing shared with src.

``OracleShop`` lays a panel into DuckDB as long tables. Of each array it makes, for every origin asked for, the cells
as they were known then; every feature is one query over those.
"""

from __future__ import annotations

from datetime import timedelta

import duckdb
import numpy as np
import polars as pl

from windvane.features.rows import Rows
from windvane.features.spec import Feature
from windvane.ingest.calendar import holidays_between, same_time_last_year
from windvane.panel import NEVER, Panel

_PAST = {
    "mean": "avg(v)",
    "std": "stddev_pop(v)",
    "least": "min(v)",
    "largest": "max(v)",
    "zeros": "avg(CASE WHEN v <= 0 THEN 1.0 WHEN v > 0 THEN 0.0 END)",
    "coverage": "count(v) / nullif(count(k.c), 0)",
}


class OracleShop:
    """A panel in DuckDB, asked for features of rows."""

    def __init__(self, panel: Panel, rows: Rows) -> None:
        self.panel, self.rows = panel, rows
        self.db = duckdb.connect(":memory:")
        self._put("r", id=np.arange(len(rows)), i=rows.series, o=rows.origin, step=rows.step)
        self.db.execute("ALTER TABLE r ADD COLUMN target BIGINT")
        self.db.execute("UPDATE r SET target = o + step")
        self._put("launch", i=np.arange(panel.shape[0]), start=panel.launch)
        width = panel.shape[1] + 60
        dates = panel.freq.dates(np.arange(panel.first, panel.first + width))
        self.days = pl.DataFrame({"c": np.arange(width), "date": dates})
        self._frame("day", self.days)
        self._made: set[str] = set()

    def _put(self, name: str, **columns: np.ndarray) -> None:
        self._frame(name, pl.DataFrame({k: np.asarray(v) for k, v in columns.items()}))

    def _frame(self, name: str, frame: pl.DataFrame) -> None:
        self.db.register("frame_given", frame.to_arrow())
        self.db.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM frame_given")
        self.db.unregister("frame_given")

    def _cells(self, name: str) -> None:
        """Table cell_NAME(i, c, value, since, before) of one array; absent values are NULL."""
        panel = self.panel
        since = before = None
        if name == "sales":
            values = panel.sales
            if panel.stockouts is not None:
                since, before = panel.stockouts.since, panel.stockouts.sold
        elif name == "in_stock":
            values = panel.in_stock
        elif name in panel.past:
            values = panel.past[name]
        else:
            values, since = panel.known[name].values, panel.known[name].since
        i, c = np.indices(values.shape)
        frame = pl.DataFrame(
            {
                "i": i.ravel(),
                "c": c.ravel(),
                "value": values.ravel().astype(np.float32),
                "since": (np.full(values.shape, -1) if since is None else since).ravel().astype(np.int64),
                "before": (np.full(values.shape, np.nan) if before is None else before).ravel().astype(np.float32),
            }
        ).with_columns(pl.col("value", "before").fill_nan(None))
        self._frame(f"cell_{name}", frame)
        self.db.execute(f"""
            CREATE OR REPLACE VIEW told_{name} AS
            SELECT i, c, since,
                   CASE WHEN since = {NEVER} AND before IS NOT NULL THEN before ELSE value END AS value, before
            FROM cell_{name}""")

    def seen(self, name: str, by: str) -> str:
        """Name of the table (o, i, c, v): what was known at origin o of the cells up to it, i the series or group."""
        table = f"seen_{name}" + (f"_by_{by}" if by else "")
        if table in self._made:
            return table
        self._made.add(table)
        if by:
            self._group(by)
            members = self.seen(name, "")
            self.db.execute(f"""
                CREATE TABLE {table} AS
                SELECT o, g.code AS i, c, CAST(avg(v) AS FLOAT) AS v
                FROM {members} JOIN group_{by} g USING (i) GROUP BY o, g.code, c""")
            return table
        self._cells(name)
        begin = "JOIN launch USING (i) WHERE c >= start AND" if name in ("sales", "in_stock") else "WHERE"
        self.db.execute(f"""
            CREATE TABLE {table} AS
            SELECT o, i, c, CASE WHEN since > o AND since <> {NEVER} THEN before ELSE value END AS v
            FROM told_{name} CROSS JOIN (SELECT DISTINCT o FROM r) {begin} c <= o""")
        return table

    def _group(self, by: str) -> None:
        panel = self.panel
        if by == "all":
            texts = pl.Series([""] * panel.shape[0])
        else:
            texts = (panel.static if by in panel.static.columns else panel.keys)[by].cast(pl.String)
        frame = pl.DataFrame({"i": np.arange(panel.shape[0]), "text": texts.fill_null("\x00none")})
        self._frame(f"text_{by}", frame)
        self.db.execute(
            f"CREATE OR REPLACE TABLE group_{by} AS SELECT i, dense_rank() OVER (ORDER BY text) AS code FROM text_{by}"
        )

    def _members(self, f: Feature) -> str:
        """Rows with the series or group whose cells they read."""
        if not f.by:
            return "r"
        return f"(SELECT id, code AS i, o, step, target FROM r JOIN group_{f.by} g USING (i))"

    def value(self, f: Feature) -> np.ndarray:
        """The feature of every row, float64, NaN where it is NULL."""
        if f.kind in ("step", "calendar", "static", "until_day", "since_day"):
            query = self._fact(f)
        elif f.known == "plan":
            query = self._plan(f)
        else:
            query = self._past(f)
        out = np.full(len(self.rows), np.nan)
        found = self.db.execute(query).fetchnumpy()
        values = np.ma.filled(np.ma.asarray(found["v"]).astype(np.float64), np.nan)
        out[found["id"].astype(int)] = values
        if f.over is not None:
            base = self.value(f.over).astype(np.float32)
            with np.errstate(divide="ignore", invalid="ignore"):
                out = np.where(base == 0, np.nan, out.astype(np.float32).astype(np.float64) / base)
        return out

    def _fact(self, f: Feature) -> str:
        if f.kind == "step":
            return "SELECT id, step AS v FROM r"
        if f.kind == "static":
            self._group(f.inputs[0])
            return f"""
                SELECT r.id, CASE WHEN text = chr(0) || 'none' THEN -1 ELSE rank END AS v FROM r JOIN (
                    SELECT i, text, dense_rank() OVER (ORDER BY (text = chr(0) || 'none'), text) - 1 AS rank
                    FROM text_{f.inputs[0]}) USING (i)"""
        if f.kind in ("until_day", "since_day"):
            first, last = self.days["date"][0], self.days["date"][-1]
            year = timedelta(days=400)
            days = holidays_between(f.align, "", first - year, last + year).filter(pl.col("name") == f.inputs[0])
            self._frame("holiday", days.select("date"))
            length = {"1d": 1, "1w": 7}[self.panel.freq.unit]
            # Periods from the one that the target is to the one that holds the holiday.
            apart = f"CAST(floor(date_diff('day', d.date, h.date) / {length}) AS INTEGER)"
            sign = "" if f.kind == "until_day" else "-"
            nearest = f"min({sign}{apart}) FILTER ({sign}{apart} >= 0)"
            return f"""SELECT r.id, coalesce(least({f.window}, {nearest}), {f.window}) AS v
                       FROM r JOIN day d ON d.c = r.target CROSS JOIN holiday h GROUP BY r.id"""
        fact = {
            "weekday": "isodow(date) * 24",
            "day_of_month": "day(date)",
            "days_to_month_end": "date_diff('day', date::DATE, last_day(date::DATE))",
            "month": "month(date)",
            "week_of_year": "dayofyear(date) / 7",
        }[f.inputs[0]]
        return f"SELECT r.id, {fact} AS v FROM r JOIN day ON day.c = r.target"

    def _past(self, f: Feature) -> str:
        name, w = f.inputs[0], f.window
        k = self.seen(name, f.by)
        rows = self._members(f)
        joined = f"{rows} r LEFT JOIN {k} k ON k.i = r.i AND k.o = r.o"
        if f.kind == "lag":
            return f"SELECT r.id, v FROM {joined} AND k.c = r.o - {w}"
        if f.kind == "target_lag":
            return f"SELECT r.id, v FROM {joined} AND k.c = r.target - {w}"
        if f.kind == "aligned":
            return self._aligned(f, k, rows)
        if f.kind == "expanding":
            return f"SELECT r.id, avg(v) AS v FROM {joined} GROUP BY r.id"
        if f.kind == "age":
            return f"""SELECT r.id, CASE WHEN count(k.c) > 0 THEN least({w}, max(r.o) - min(k.c) + 1) END AS v
                       FROM {joined} GROUP BY r.id"""
        if f.kind in ("since_sale", "zero_run"):
            recent = f"""SELECT r.id, count(k.c) AS cells, max(r.o) AS o, max(r.i) AS i,
                                max(k.c) FILTER (k.v > 0 AND k.c > r.o - {w}) AS sale
                         FROM {joined} GROUP BY r.id"""
            if f.kind == "since_sale":
                return f"SELECT id, CASE WHEN cells > 0 THEN coalesce(o - sale, {w}) END AS v FROM ({recent})"
            return f"""SELECT s.id, CASE WHEN max(s.cells) > 0 THEN
                              count(k.v) FILTER (k.v <= 0 AND k.c > s.o - {w} AND k.c > coalesce(s.sale, -1)) END AS v
                       FROM ({recent}) s LEFT JOIN {k} k ON k.i = s.i AND k.o = s.o GROUP BY s.id"""
        recent = f"{joined} AND k.c > r.o - {w}"
        if f.kind == "decayed":
            weight = f"pow({f.value!r}, r.o - k.c)"
            weighted = f"sum(v * {weight}) / sum({weight}) FILTER (v IS NOT NULL)"
            return f"SELECT r.id, {weighted} AS v FROM {recent} GROUP BY r.id"
        made = f"quantile_cont(v, {f.value})" if f.kind == "quantile" else _PAST[f.kind]
        return f"SELECT r.id, {made} AS v FROM {recent} GROUP BY r.id"

    def _aligned(self, f: Feature, k: str, rows: str) -> str:
        """Periods each target is compared with: the newest ``window`` up to the origin, each with its width."""
        unit = self.panel.freq.unit
        half = int(f.value)
        if f.align.startswith("festival:"):
            years, then = [], self.days["date"]
            for _ in range(f.window):
                then = same_time_last_year(then, f.align.removeprefix("festival:"))
                years.append(self.days.with_columns(then.alias("then")))
            self._frame("festival", pl.concat(years))
            pairs = "SELECT f.c AS target, d.c FROM festival f JOIN day d ON d.date = f.then"
        else:
            same = {
                ("season", "1d"): "isodow(d.date) = isodow(t.date)",
                ("season", "1w"): "(t.c - d.c) % 52 = 0",
                ("year", "1d"): "date_diff('day', d.date, t.date) % 364 = 0",
                ("year", "1w"): "date_diff('day', d.date, t.date) % 364 = 0",
                ("month_day", "1d"): """d.date = t.date - to_months(CAST(
                        (year(t.date) - year(d.date)) * 12 + month(t.date) - month(d.date) AS INTEGER))""",
            }[f.align, unit]
            pairs = f"SELECT t.c AS target, d.c FROM day t JOIN day d ON d.c < t.c AND {same}"
        return f"""
            WITH pair AS ({pairs}),
            ranked AS (
                SELECT r.id, r.i, r.o, p.c, row_number() OVER (PARTITION BY r.id ORDER BY p.c DESC) AS n
                FROM {rows} r JOIN pair p ON p.target = r.target AND p.c <= r.o)
            SELECT a.id, avg(k.v) AS v FROM ranked a
            JOIN {k} k ON k.i = a.i AND k.o = a.o AND k.c BETWEEN a.c - {half} AND a.c + {half}
            WHERE a.n <= {f.window} GROUP BY a.id"""

    def _plan(self, f: Feature) -> str:
        reach = max(f.window, 1)
        for name in f.inputs:
            if f"plan_{name}" not in self._made:
                self._made.add(f"plan_{name}")
                self._cells(name)
        if f.kind == "running":
            return self._running(f)
        runs = f"p.value = {f.value}" if f.value else "p.value > 0"
        near = f"""(SELECT r.id, k, p.value AS v, coalesce({runs}, false) AS runs
                    FROM r CROSS JOIN range(-{reach}, {reach} + 1) s(k)
                    LEFT JOIN cell_{f.inputs[0]} p ON p.i = r.i AND p.c = r.target + k AND p.since <= r.o)"""
        here = f"SELECT id, v FROM {near} WHERE k = 0"
        if f.kind == "value":
            return here
        if f.kind in ("change", "since_change"):
            other = f"""SELECT n.id, max(n.k) AS k, arg_max(n.v, n.k) AS u FROM {near} n JOIN ({here}) h USING (id)
                        WHERE n.k < 0 AND n.v IS NOT NULL AND n.v <> h.v GROUP BY n.id"""
            made = (
                "CASE WHEN h.v IS NULL THEN NULL WHEN u IS NULL THEN 1 ELSE h.v::DOUBLE / nullif(u, 0) END"
                if f.kind == "change"
                else f"CASE WHEN h.v IS NULL THEN NULL ELSE coalesce(-o.k, {reach}) END"
            )
            return f"SELECT h.id, {made} AS v FROM ({here}) h LEFT JOIN ({other}) o USING (id)"
        if f.kind == "day_in":
            return f"""SELECT n.id, CASE WHEN max(h.v) IS NULL THEN NULL ELSE
                              coalesce(min(-n.k) FILTER (NOT n.runs), {reach}) END AS v
                       FROM {near} n JOIN ({here}) h USING (id) WHERE n.k <= 0 AND n.k > -{reach} GROUP BY n.id"""
        side = "k >= 0" if f.kind == "until_next" else "k <= 0"
        return f"""SELECT id, CASE WHEN count(v) > 0 THEN coalesce(min(abs(k)) FILTER (runs), {reach}) END AS v
                   FROM {near} WHERE {side} AND abs(k) < {reach} GROUP BY id"""

    def _running(self, f: Feature) -> str:
        united = " UNION ALL ".join(
            f"""SELECT r.id, {number} AS number, p.value AS v FROM r
                LEFT JOIN cell_{name} p ON p.i = r.i AND p.c = r.target AND p.since <= r.o"""
            for number, name in enumerate(f.inputs, 1)
        )
        return f"""SELECT id, coalesce(min(number) FILTER (v > 0), CASE WHEN count(v) > 0 THEN 0 END) AS v
                   FROM ({united}) GROUP BY id"""
