"""The workspace: one folder that holds one shop.

::

    windvane.toml      settings
    secret             key of the customers' pseudonyms; readable by the owner alone
    tables/            Delta tables, one folder each
    runs/              published runs, and CURRENT, which names the latest
    leases/            which table versions live runs read
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from windvane import config as settings
from windvane.config import Config, Shop
from windvane.errors import ConfigError, StoreError
from windvane.store.disk import locked, replace
from windvane.store.runs import Runs
from windvane.store.tables import Tables

_FOLDERS = ("tables", "runs", "leases")


@dataclass(frozen=True)
class Sweep:
    """What opening or vacuuming a workspace cleared up."""

    notes: list[str] = field(default_factory=list)
    removed_files: int = 0
    freed_bytes: int = 0


class Workspace:
    """One shop's tables, runs and settings.

    Args:
        folder: the workspace's folder.
        config: its settings.
        swept: what opening cleared up.
    """

    def __init__(self, folder: Path, config: Config, swept: Sweep | None = None) -> None:
        self.folder = folder
        self.config = config
        self.tables = Tables(folder / "tables")
        self.runs = Runs(folder / "runs", self.tables, config)
        self.swept = swept or Sweep()

    @classmethod
    def create(cls, path: str | Path, shop: Shop | None = None) -> Workspace:
        """Make a new workspace.

        Args:
            path: folder; created if absent. Other files in it are left alone.
            shop: who the shop is.

        Raises:
            ConfigError: the folder is a workspace already.
        """
        folder = Path(path).absolute()
        if (folder / settings.CONFIG_NAME).exists():
            raise ConfigError(f"{folder} is a workspace already.", "Use it as it is, or choose another folder.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in _FOLDERS:
                (folder / name).mkdir(exist_ok=True)
            if not (folder / "secret").exists():
                replace(folder / "secret", secrets.token_hex(32).encode() + b"\n", mode=0o600)
            # Last: its presence is what makes the folder a workspace.
            replace(folder / settings.CONFIG_NAME, settings.template(shop).encode())
        except OSError as error:
            raise StoreError(f"Cannot create a workspace in {folder}: {error}.", "Choose another folder.") from error
        return cls.open(folder)

    @classmethod
    def open(cls, path: str | Path) -> Workspace:
        """Open a workspace and clear up what dead processes left.

        Raises:
            ConfigError: the folder is no workspace, or a setting is wrong.
        """
        folder = Path(path).absolute()
        config = settings.read(folder)
        for name in _FOLDERS:
            (folder / name).mkdir(exist_ok=True)
        workspace = cls(folder, config)
        workspace.swept = Sweep(workspace.tables.repair() + workspace.runs.sweep())
        return workspace

    @property
    def secret(self) -> bytes:
        """Key of the customers' pseudonyms.

        Raises:
            StoreError: the file is missing; a new key would make every customer a new one.
        """
        try:
            key = bytes.fromhex((self.folder / "secret").read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise StoreError(
                f"The workspace's key file {self.folder / 'secret'} cannot be read: {error}.",
                "Restore it from a backup: pseudonyms made with another key do not match.",
            ) from error
        return key

    def vacuum(self, dry_run: bool = False) -> Sweep:
        """Remove data files that neither the latest tables, nor a kept run, nor a live run needs.

        Args:
            dry_run: only say how many and how large.
        """
        with locked(self.folder / ".pin", "the list of leases"):  # a run that starts now waits for us
            keep = self.runs.kept_versions()
            sizes = {p: p.stat().st_size for p in self.tables.folder.glob("*/*.parquet")}
            removed = self.tables.vacuum(keep, dry_run)
        return Sweep([], len(removed), sum(sizes.get(path, 0) for path in removed))

    def __repr__(self) -> str:
        return f"Workspace({str(self.folder)!r})"
