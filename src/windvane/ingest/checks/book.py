"""The record of what earlier files of one mapping block looked like, in ``profiles/`` of the workspace.

Files are compared with it before they are taken, and put on record once they are in their table.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from windvane.clock import CLOCK
from windvane.ingest.checks.history import Past, Profile, known_share, merged, shifts, short
from windvane.store.disk import locked, replace

KEPT = 24
"""Profiles kept per block."""
_FORMAT = 1


@dataclass(frozen=True)
class _Note:
    """A file that is to be put on record."""

    batch: str
    file: str
    profile: Profile
    afresh: bool


@dataclass(frozen=True)
class _Record:
    """What a book's file holds, and the same as :class:`Past`."""

    batches: tuple[dict[str, Any], ...] = ()
    past: Past = field(default_factory=Past)

    def after(self, note: _Note) -> _Record:
        """The record with one more file; the same where that is on record already."""
        held = _Record() if note.afresh else self
        if any(each["batch"] == note.batch for each in held.batches):
            return held
        profile, past = note.profile, held.past
        known = known_share(profile, past)
        known = known if math.isnan(known) else short(known)
        moved = {name: short(shift) for name, shift in shifts(profile, past).items()}
        entry = {
            "batch": note.batch,
            "file": note.file,
            "at": CLOCK.now().isoformat(timespec="seconds"),
            "known": None if math.isnan(known) else known,
            "shifts": moved,
            "profile": {name: getattr(profile, name) for name in _KEPT_FIELDS},
        }
        groups, complete = merged(past, profile)
        return _Record(
            (*held.batches, entry)[-KEPT:],
            Past(
                (*past.profiles, dataclasses.replace(profile, groups={}, complete=True))[-KEPT:],
                (*past.known, known)[-KEPT:],
                (*past.shifts, moved)[-KEPT:],
                groups,
                complete,
            ),
        )


class Book:
    """The profiles of one mapping block, as one JSON file.

    Files that wait for their commit are noted (:meth:`note`): whoever reads sees them, the disk does not until
    :meth:`keep`.

    Args:
        folder: the workspace's folder; profiles live in ``profiles/`` below it.
        key: what identifies the block: its fingerprint.
        table: table that it fills; with it, a block without a record of its own (a mapping that was edited, a second
            source) is compared with the other blocks of its table.
    """

    def __init__(self, folder: Path, key: str, table: str = "") -> None:
        self.path = folder / "profiles" / f"{key}.json"
        self._table = table
        self._notes: list[_Note] = []
        self._record = _Record()
        self._stamp: tuple[int, int] | None = None

    def read(self) -> Past:
        """Earlier files; none where nothing is on record or the record is of another format.

        Where the block has no record but others of its table have, ``groups`` are theirs and ``profiles`` is empty.
        """
        self._look()
        return self._record.past if self._record.batches else self._kin()

    def note(self, batch: str, file: str, profile: Profile, afresh: bool = False) -> None:
        """Note a file that is about to be committed, once per batch.

        Args:
            batch: name of its batch.
            file: its name.
            profile: what it looked like.
            afresh: forget what was before, because a change of meaning was accepted.
        """
        if not profile.rows:
            return
        self._look()
        self._notes.append(_Note(batch, file, profile, afresh))
        self._record = self._record.after(self._notes[-1])

    def keep(self) -> None:
        """Put the files that were noted on record; call it when their rows are in the table."""
        if not self._notes:
            return
        self.path.parent.mkdir(exist_ok=True)
        with locked(self.path.with_suffix(".lock"), "the profiles"):
            if _stamp(self.path) != self._stamp:  # another process has added to it: ours come after its files
                self._load()
                for note in self._notes:
                    self._record = self._record.after(note)
            content = {
                "format": _FORMAT,
                "table": self._table,
                "batches": self._record.batches,
                "complete": self._record.past.complete,
                "groups": self._record.past.groups,
            }
            replace(self.path, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
            self._stamp = _stamp(self.path)
        self._notes.clear()

    def drop(self) -> None:
        """Forget the files that were noted and not kept."""
        self._notes.clear()
        self._load()

    def remember(self, batch: str, file: str, profile: Profile, afresh: bool = False) -> None:
        """Put one file on record: :meth:`note` and :meth:`keep`."""
        self.note(batch, file, profile, afresh)
        self.keep()

    def _look(self) -> None:
        """Read the record if it has changed, unless files are noted: they are compared with what was there before."""
        if not self._notes and _stamp(self.path) != self._stamp:
            self._load()

    def _load(self) -> None:
        self._stamp = _stamp(self.path)
        held = _held(self.path)
        self._record = _Record()
        if held["batches"]:
            past = Past(
                tuple(_profile(each["profile"]) for each in held["batches"]),
                tuple(math.nan if each["known"] is None else each["known"] for each in held["batches"]),
                tuple(each["shifts"] for each in held["batches"]),
                held["groups"],
                held["complete"],
            )
            self._record = _Record(tuple(held["batches"]), past)

    def _kin(self) -> Past:
        """The products of the other blocks of this table, each with the medians of the latest of them."""
        past = Past()
        others = sorted(self.path.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for held in map(_held, others if self._table else []):
            if held.get("table") == self._table:
                groups, complete = merged(past, Profile(0, groups=held["groups"], complete=held["complete"]))
                past = Past(groups=groups, complete=complete)
        return past


_KEPT_FIELDS = tuple(each.name for each in dataclasses.fields(Profile) if each.name not in ("groups", "complete"))


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells one content of a file from another; every writing makes a new file."""
    try:
        held = path.stat()
    except FileNotFoundError:
        return None
    return held.st_ino, held.st_mtime_ns


def _held(path: Path) -> dict[str, Any]:
    """Content of a record; without batches where there is none or it is of another format."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(held, dict) and held.get("format") == _FORMAT:
            return held
    except (OSError, ValueError):
        pass
    return {"batches": []}


def _profile(values: dict[str, object]) -> Profile:
    kept = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in Profile.__dataclass_fields__}
    return Profile(**kept)  # type: ignore[arg-type]
