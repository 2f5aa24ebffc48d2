"""Runs: immutable, identified, published as a whole or not at all.

A run is built in ``runs/.building-<id>`` and published by renaming that folder to ``runs/<id>`` and then replacing
the pointer file ``runs/CURRENT``. Readers follow the pointer, so they see the previous run or this one, never half.
A process that dies between the rename and the pointer has published: the next :meth:`Runs.sweep` moves the pointer.

A run that looks back (:attr:`Run.look_back`) is published like any other, but the pointer passes it by: it goes to a
look back only as long as there is nothing else.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from windvane import __version__
from windvane.clock import CLOCK
from windvane.config import Config
from windvane.errors import NoRunError, StoreError
from windvane.store import leases
from windvane.store.disk import locked, replace, sync, sync_tree
from windvane.store.meter import Budget, Stage
from windvane.store.tables import Tables

KEEP = 10
"""Published runs that are kept, and as many looks back; older ones are removed when a new one is published."""

MANIFEST = "manifest.json"
_BUILDING = ".building-"
_LIBRARIES = ("numpy", "scipy", "polars", "deltalake", "pyarrow", "numba", "lightgbm", "pydantic", "holidays")
_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{4}")
_BACK = (("as_of", "as of"), ("recorded_by", "recorded by"))
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Run:
    """A published run; read-only.

    Args:
        folder: the run's folder.

    Attributes:
        id: identifier; sorts by the moment the run began.
        folder: the run's folder, with its tables and model artifacts.
    """

    def __init__(self, folder: Path) -> None:
        self.id = folder.name
        self.folder = folder

    @property
    def manifest(self) -> dict[str, Any]:
        """What the run was made from and what it took: config, table versions, libraries, seed, stages, tables."""
        try:
            manifest: dict[str, Any] = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"Run {self.id} has no readable manifest: {error}.", "Run: windvane doctor") from error
        return manifest

    @property
    def config(self) -> Config:
        """Settings the run was made with."""
        return Config.model_validate(self.manifest["config"])

    @property
    def look_back(self) -> bool:
        """Whether the run was asked to see less than there was: by ``as_of`` or ``recorded_by``."""
        manifest = self.manifest
        return bool(manifest.get("as_of") or manifest.get("recorded_by"))

    @property
    def sees_until(self) -> date:
        """The day up to which the run knows the shop: of ``as_of``, of ``recorded_by``, or the day it began."""
        manifest = self.manifest
        said = [manifest[name] for name in ("as_of", "recorded_by") if manifest.get(name)]
        return min(date.fromisoformat(str(each)[:10]) for each in said or [manifest["created"]])

    @property
    def tables(self) -> dict[str, int]:
        """Names of the run's tables with their row counts."""
        return dict(self.manifest["tables"])

    def scan(self, name: str) -> pl.LazyFrame:
        """Read one of the run's tables lazily.

        Raises:
            StoreError: the run has no such table.
        """
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise StoreError(
                f"Run {self.id} has no table {name}.", f"It has: {', '.join(sorted(self.tables)) or 'none'}."
            )
        return pl.scan_parquet(path, glob=False)

    def read(self, name: str) -> pl.DataFrame:
        """Read one of the run's tables.

        Raises:
            StoreError: the run has no such table.
        """
        return self.scan(name).collect()

    def __repr__(self) -> str:
        return f"Run({self.id!r})"


class RunWriter:
    """A run being built; use it as a context manager, and end with :meth:`publish`.

    Attributes:
        id: identifier of the run.
        config: the workspace's settings.
        as_of: the last day the run may know about, ``None`` = everything.
        recorded_by: the run reads the tables as they were recorded at this moment, ``None`` = as they are.
        versions: table versions this run reads; they stay readable while it lives and while it is kept.
        folder: folder being built; model artifacts may be written below it.
    """

    def __init__(self, runs: Runs, config: Config, as_of: date | None, recorded_by: datetime | None) -> None:
        self._runs = runs
        self.config = config
        self.as_of = as_of
        self.recorded_by = _in_utc(recorded_by)
        self.created = CLOCK.now()
        self.id = f"{self.created:%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
        self._lease = leases.Lease(runs.leases, self.id)  # before the folder: a folder without a lease is a leftover
        try:
            with locked(runs.leases.parent / ".pin", "the list of leases"):  # vacuum must not run in between
                self.versions = runs.tables.versions(self.recorded_by)
                self._lease.pin(self.versions)
            self.folder = runs.folder / f"{_BUILDING}{self.id}"
            self.folder.mkdir()
        except BaseException:
            self._lease.release()
            raise
        self._rows: dict[str, int] = {}
        self._budgets: list[Budget] = []
        self._published = False

    def read(self, table: str, known_by: date | None = None) -> pl.LazyFrame:
        """Read a raw table at this run's version of it; empty where it was absent.

        Args:
            table: its name.
            known_by: as far as known by the end of this day; by ``as_of`` where absent.
        """
        if table not in self.versions:
            return self._runs.tables.empty(table).lazy()
        return self._runs.tables.read(table, self.versions[table], known_by or self.as_of)

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Write one of the run's tables; a second write replaces the first.

        Args:
            name: table name, lower case (``forecasts``).
            frame: its rows.
        """
        if not _NAME.fullmatch(name):
            raise StoreError(f"{name!r} cannot name a table.", "Use lower-case letters, digits and underscores.")
        frame.write_parquet(self.folder / f"{name}.parquet", compression="zstd", statistics=True)
        self._rows[name] = frame.height

    def written(self, name: str) -> pl.LazyFrame:
        """Read back a table that this run has already written."""
        if name not in self._rows:
            raise StoreError(f"This run has not written {name} yet.", "Run the stage that writes it first.")
        return pl.scan_parquet(self.folder / f"{name}.parquet", glob=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Measure a stage; its budget goes into the manifest, also if the stage fails and the run goes on.

        Example:
            >>> with run.stage("clean") as stage:                   # doctest: +SKIP
            ...     stage.rows = panel.height
        """
        stage = Stage(name)
        try:
            with stage:
                yield stage
        finally:
            if stage.budget is not None:
                self._budgets.append(stage.budget)

    @property
    def budgets(self) -> list[Budget]:
        """Budgets of the stages that have ended, in order."""
        return list(self._budgets)

    def publish(self) -> Run:
        """Make the run visible, whole, and durable; the pointer then names it, unless it looks back.

        Returns:
            The published run.

        Raises:
            StoreError: the run was published already or its folder is gone.
        """
        if self._published or not self.folder.is_dir():
            raise StoreError(f"Run {self.id} cannot be published twice.", "Start another run.")
        with locked(self._runs.folder / ".lock", "the list of runs"):
            manifest = json.dumps(self._manifest(), ensure_ascii=False, indent=1)
            (self.folder / MANIFEST).write_text(manifest, encoding="utf-8")
            sync_tree(self.folder)
            target = self._runs.folder / self.id
            os.rename(self.folder, target)
            sync(self._runs.folder)
            self._published = True
            self._runs._follow(Run(target))
            self._runs._drop_old()
        self._lease.release()
        return Run(target)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._published:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lease.release()

    def _manifest(self) -> dict[str, Any]:
        return {
            "run": self.id,
            "created": self.created.isoformat(),
            "published": CLOCK.now().isoformat(),
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "recorded_by": self.recorded_by.isoformat() if self.recorded_by else None,
            "seed": self.config.forecast.seed,
            "config": self.config.model_dump(mode="json"),
            "versions": self.versions,
            "redacted": erasures_since(self._runs.tables, self.created, self.versions),
            "windvane": __version__,
            "python": platform.python_version(),
            "libraries": library_versions(),
            "stages": [dataclasses.asdict(budget) for budget in self._budgets],
            "tables": dict(sorted(self._rows.items())),
        }


class Runs:
    """The runs of a workspace.

    Args:
        folder: the workspace's ``runs`` folder.
        tables: the workspace's tables.
        config: the workspace's settings.
    """

    def __init__(self, folder: Path, tables: Tables, config: Config) -> None:
        self.folder = folder
        self.tables = tables
        self.config = config
        self.leases = folder.parent / "leases"

    def start(self, as_of: date | None = None, recorded_by: datetime | None = None) -> RunWriter:
        """Begin a run; it reads the same table versions until it ends.

        There are two ways to go back, and the manifest says which was gone. ``as_of`` goes by what each row says of
        itself (``known_at``): files that were ingested late, but tell of what was known then, count. ``recorded_by``
        goes by when rows were ingested: the table versions that stood at that moment are read. Both together read
        those versions as far as they were known by the day.

        Args:
            as_of: the last day the run may know about; ``None`` = everything.
            recorded_by: read the tables as they stood at this moment (UTC if it has no time zone); ``None`` = as
                they stand now.

        Raises:
            StoreError: a table's version of that moment has been vacuumed away.
        """
        return RunWriter(self, self.config, as_of, recorded_by)

    def latest(self) -> Run:
        """The published run that the pointer names: the newest that does not look back.

        As long as all runs look back, it is the newest of those.

        Raises:
            NoRunError: nothing has been published.
        """
        current = self._current()
        if current is None:
            raise NoRunError("This workspace has no published run yet.", "Run: windvane run")
        return Run(self.folder / current)

    def get(self, run: str) -> Run:
        """A published run by its identifier.

        Raises:
            NoRunError: there is none, or it is no longer kept.
        """
        if not _ID.fullmatch(run) or not (self.folder / run / MANIFEST).is_file():
            raise NoRunError(f"There is no run {run}.", f"Runs: {', '.join(map(_named, self.list())) or 'none'}.")
        return Run(self.folder / run)

    def kept_versions(self) -> dict[str, set[int]]:
        """Table versions that a kept run or a live run needs."""
        wanted: dict[str, set[int]] = {}
        pinned = [run.manifest["versions"] for run in self.list()]
        for versions in [*pinned, *leases.live(self.leases).values()]:
            for table, number in versions.items():
                wanted.setdefault(table, set()).add(int(number))
        return wanted

    def sweep(self) -> list[str]:
        """Clear up after processes that died: remove half-built runs, finish a publication that lacked its pointer.

        Returns:
            What was done, one sentence each.
        """
        done: list[str] = []
        for owner in leases.dead(self.leases):
            building = self.folder / f"{_BUILDING}{owner}"
            if building.is_dir():
                shutil.rmtree(building, ignore_errors=True)
                done.append(f"Removed run {owner}, which its process left unfinished.")
        if self._lags():
            with locked(self.folder / ".lock", "the list of runs"):  # a publication may be just ending
                if newest := self._lags():
                    self._point_at(newest.id)
                    done.append(f"Run {newest.id} was complete; the pointer now names it.")
        held = leases.live(self.leases)
        for building in self.folder.glob(f"{_BUILDING}*"):
            if building.name.removeprefix(_BUILDING) not in held and not self._has_lease(building):
                shutil.rmtree(building, ignore_errors=True)
                done.append(f"Removed {building.name}, which belongs to no process.")
        for draft in self.folder.glob(".CURRENT.*.draft"):
            if not Path(f"/proc/{draft.name.split('.')[2]}").exists():
                draft.unlink(missing_ok=True)
        return done

    def list(self) -> list[Run]:
        """Published runs, oldest first."""
        return sorted(
            (Run(path) for path in self.folder.iterdir() if _ID.fullmatch(path.name) and (path / MANIFEST).is_file()),
            key=lambda run: (str(run.manifest["published"]), run.id),
        )

    def _lags(self) -> Run | None:
        """The run that the pointer should name and does not."""
        runs = self.list()
        newest = next((run for run in reversed(runs) if not run.look_back), runs[-1] if runs else None)
        return None if newest is None or newest.id == self._current() else newest

    def _follow(self, run: Run) -> None:
        """Move the pointer to a run just published, unless it looks back and another does not."""
        current = self._current() if run.look_back else None
        if current is None or Run(self.folder / current).look_back:
            self._point_at(run.id)

    def _has_lease(self, building: Path) -> bool:
        return (self.leases / building.name.removeprefix(_BUILDING)).exists()

    def _current(self) -> str | None:
        try:
            name = (self.folder / "CURRENT").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        return name if (self.folder / name / MANIFEST).is_file() else None

    def _point_at(self, run: str) -> None:
        replace(self.folder / "CURRENT", f"{run}\n".encode())

    def _drop_old(self) -> None:
        current, runs = self._current(), self.list()
        back = [run for run in runs if run.look_back]
        for run in [*[run for run in runs if not run.look_back][:-KEEP], *back[:-KEEP]]:
            if run.id == current:
                continue
            # Out of sight first, so that a reader never meets a run that is half gone.
            grave = self.folder / f"{_BUILDING}{run.id}"
            os.rename(run.folder, grave)
            shutil.rmtree(grave, ignore_errors=True)


def erasures_since(tables: Tables, moment: datetime, versions: Mapping[str, int]) -> list[dict[str, Any]]:
    """What was erased from some tables since a moment, as a manifest's ``redacted`` says it.

    Args:
        tables: the workspace's tables.
        moment: the moment, with its time zone.
        versions: the tables that matter.

    Returns:
        One entry per erasure: ``at`` and ``tables``.
    """
    since = moment.astimezone(UTC).replace(tzinfo=None)
    found = tables.read("erasures").filter((pl.col("at") >= since) & pl.col("table").is_in(list(versions)))
    grouped = found.group_by("at", maintain_order=True).agg(pl.col("table").sort()).collect()
    return [{"at": row["at"].isoformat(), "tables": row["table"]} for row in grouped.iter_rows(named=True)]


def _named(run: Run) -> str:
    manifest = run.manifest
    told = [f"{word} {manifest[key][:16]}" for key, word in _BACK if manifest.get(key)]
    return f"{run.id} ({', '.join(told)})" if told else run.id


def _in_utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def library_versions() -> dict[str, str]:
    """Versions of the libraries that results depend on."""
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
