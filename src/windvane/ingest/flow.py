"""One reading of one file: chunk by chunk from cells to rows that a table can take.

Reading, checking and writing go on side by side, each a chunk ahead of the next. What can only be known at the end
(a key that came again, an order that went on much later, too many bad rows) stops the writing there; nothing is
committed, and where a second reading can put it right, :class:`Again` says what it must know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from windvane.clock import CLOCK
from windvane.errors import InputError
from windvane.ingest import keys, versions
from windvane.ingest.ahead import Hand, ahead, at_hand, marked
from windvane.ingest.cells.numbering import Numbering, Offsets
from windvane.ingest.cells.tidy import Tidier
from windvane.ingest.checks import history, jumps
from windvane.ingest.checks.book import Book
from windvane.ingest.checks.rows import Checked, Checker, holds, numbered, replaced
from windvane.ingest.contents import contents
from windvane.ingest.jobs import Job
from windvane.ingest.keys import ROW
from windvane.ingest.mapping import Block
from windvane.ingest.people import People
from windvane.ingest.quarantine.refused import ENOUGH, Refused
from windvane.ingest.read import LINE, Content, Ragged
from windvane.ingest.spill import Hashes, Numbers, Spill
from windvane.store import Workspace

_WITHHELD = "withheld: the line may identify a person; see the file"
SMALL = 1 << 20
"""Bytes of a file that is read by one thread; it is one chunk, so there is nothing to be done side by side."""
_PART = 500_000
"""Rows with repeated keys that are looked at together."""
_HASH, _JSON = "_hash", "_json"


@dataclass(frozen=True)
class Known:
    """What earlier readings of the same file have found out.

    Attributes:
        offsets: per running number the rows that groups had in earlier chunks.
        repeated: places (:data:`ROW`) of rows whose key's hash occurs more than once, sorted.
        keep_all: whether every bad row is kept, since their share is known to be allowed.
    """

    offsets: dict[str, Offsets] = field(default_factory=dict)
    repeated: Numbers | None = None
    keep_all: bool = False


class Again(Exception):
    """The file must be read once more, with this known; nothing was committed."""

    def __init__(self, known: Known) -> None:
        self.known = known
        super().__init__("the file must be read once more")


@dataclass(frozen=True)
class Counts:
    """Rows of one file by what became of them.

    Attributes:
        read: rows in the file.
        left_out: rows that the mapping's ``where`` left out.
        accepted: rows added to the table.
        set_aside: rows that a rule of the mapping sent to quarantine.
        refused: rows that the schema sent to quarantine.
        repeated: rows that said the same as another row.
        superseded: rows that a later row with the same key replaced; they are in quarantine.
        unchanged: descriptions that said nothing new.
    """

    read: int = 0
    left_out: int = 0
    accepted: int = 0
    set_aside: int = 0
    refused: int = 0
    repeated: int = 0
    superseded: int = 0
    unchanged: int = 0

    @property
    def kept(self) -> int:
        """Rows that were meant at all."""
        return self.read - self.left_out

    def __add__(self, more: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(more), strict=True)))


@dataclass(frozen=True)
class _Piece:
    """One chunk after the checks; ``hashes`` of the keys of its good rows."""

    source: pl.DataFrame
    checked: Checked
    read: int
    left_out: int
    first: int
    hashes: Hashes | None


class Flow:
    """One reading of a job's file.

    Args:
        workspace: where its rows go.
        job: the job.
        folder: for temporary files; its owner removes it.
        known: what earlier readings found out.
        book: what earlier files of its block looked like.
        accept: whether a change of meaning against earlier files is accepted.
    """

    def __init__(self, workspace: Workspace, job: Job, folder: Path, known: Known, book: Book, accept: bool) -> None:
        self.counts = Counts()
        self.notes: list[str] = []
        self.refused = Refused(folder)
        self.watch = history.Watch(job.block.table)
        self.profile: history.Profile | None = None
        self.afresh = False
        self.people = People(workspace, job.block)
        self.book = book
        self._workspace = workspace
        self._job = job
        self._folder = folder
        self._known = known
        self._accept = accept
        self._spills = {name: Spill(folder, f"numbers-{name}") for name in numbered(job.block)}
        self._keys = Spill(folder, "keys")
        self._key = keys.identity(job.block)
        self._again: list[Path] = []
        numberings = {
            name: Numbering(None if name in known.offsets else spill, known.offsets.get(name))
            for name, spill in self._spills.items()
        }
        self._checker = Checker(
            self.people.block, job.label, self.people.hide, numberings, workspace.config.shop.currency
        )
        self._loose = not keys.guaranteed(job.block)
        self._hand: Hand = at_hand if job.size <= SMALL else ahead

    @property
    def decided(self) -> Block:
        """The block with what the file has decided, for reading single rows of it again."""
        block = self._job.block
        return replace(block, columns={**block.columns, **self._checker.decided().columns})

    @property
    def distinct(self) -> bool:
        """Whether no key of the table can occur twice in what :meth:`frames` gives."""
        return self._key == list(self._job.block.table.key)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Rows for the table; when they end, all of the file is known to be acceptable.

        Raises:
            InputError: the file is unreadable, or too many of its rows are bad, or its columns changed meaning.
            MappingError: the mapping does not fit the file.
            Again: it must be read once more.
        """
        only = True
        for piece, last in marked(self._hand(self._private())):
            only = only and last
            good = piece.checked.good
            self._count(piece)
            if self._loose:
                good = self._settled(piece) if only else self._single(good, piece)
            self.watch.feed(piece.source, good)
            yield from self._stamped(good)
        self._finish()
        yield from self._survivors()
        self._notice()

    def _private(self) -> Iterator[_Piece]:
        """Chunks fit to be written; the part of the work that goes on while the chunk before is written."""
        for piece in self._hand(self._checked()):
            yield replace(piece, checked=replace(piece.checked, good=self.people.private(piece.checked.good)))

    def _checked(self) -> Iterator[_Piece]:
        """Chunks, read and checked."""
        block, tidier = self._job.block, None
        if block.tidy is not None:
            tidier = Tidier(block.tidy)
        first = 0
        for content in self._hand(contents(self._job, self._folder)):
            source = tidier.chunk(content.frame) if tidier is not None else content.frame
            total = source.height
            if block.where is not None:
                source = source.filter(holds(source, block.where, self._job.label))
            checked = self._checker.chunk(source, self._shown(content))
            hashes = None
            if self._loose:
                hashes = checked.good.select(block.table.key).hash_rows().to_numpy()
            torn = len(content.ragged)
            yield _Piece(source, checked, total + torn, total - source.height, first, hashes)
            first += source.height

    def _shown(self, content: Content) -> list[Ragged]:
        if self.people.may_show([name for name in content.frame.columns if name != LINE]):
            return content.ragged
        return [Ragged(each.line, _WITHHELD, each.reason) for each in content.ragged]

    def _count(self, piece: _Piece) -> None:
        checked = piece.checked
        self.counts += Counts(piece.read, piece.left_out, set_aside=checked.set_aside, refused=checked.refused)
        hopeless = self.counts.refused > self._allowed() and self.refused.rows > ENOUGH
        self.refused.add(checked.bad, keep=self._known.keep_all or not hopeless)

    def _allowed(self) -> float:
        return self._workspace.config.ingest.max_bad_share * self.counts.kept

    def _settled(self, piece: _Piece) -> pl.DataFrame:
        """One row per key of a file that is one chunk."""
        settled = keys.one_per_key(piece.checked.good, self._key)
        self.counts += Counts(repeated=settled.repeated, superseded=settled.lost.height)
        self.refused.add(self._checker.superseded(settled.lost, piece.source))
        return settled.good

    def _single(self, good: pl.DataFrame, piece: _Piece) -> pl.DataFrame:
        """Rows of a chunk that share their key with no other; those that may are put by."""
        places = good[ROW].to_numpy()
        assert piece.hashes is not None
        if self._known.repeated is None:
            self._keys.add(piece.hashes, places)
            return good
        known = self._known.repeated
        if not len(places):
            return good
        low, high = np.searchsorted(known, [places[0], places[-1] + 1])
        mine = pl.Series(np.isin(places, known[low:high], assume_unique=True))
        if mine.any():
            put_by = good.filter(mine).with_columns(pl.Series(_HASH, piece.hashes).filter(mine))
            whole = piece.source[(put_by[ROW] - piece.first).cast(pl.UInt32)]
            path = self._folder / f"again-{len(self._again):05d}.parquet"
            put_by.with_columns(self._checker.as_json(whole).alias(_JSON)).write_parquet(path, compression="lz4")
            self._again.append(path)
        return good.filter(~mine)

    def _finish(self) -> None:
        """After the last chunk: refuse the file, or ask for another reading."""
        if not self._job.same():
            raise InputError(f"{self._job.label} changed while it was read.", "Wait until it is whole, and try again.")
        if self.counts.refused > self._allowed():
            raise self._too_bad()
        known = self._known
        if self.refused.dropped:
            known = replace(known, keep_all=True)
        found: dict[str, Offsets] = {}
        for name, spill in self._spills.items():
            if name not in known.offsets:
                self._checker.numberings[name].finish()
                if (offsets := Offsets.of(spill, self._folder, f"numbers-{name}")) is not None:
                    found[name] = offsets
        known = replace(known, offsets=known.offsets | found) if found else known
        # Keys that contain a running number are right only once the numbers are.
        if self._loose and known.repeated is None and not found and (places := self._repeated()) is not None:
            known = replace(known, repeated=places)
        if known is not self._known:
            raise Again(known)

    def _repeated(self) -> Numbers | None:
        found = [places for _, places in self._keys.repeats()]
        return np.sort(np.concatenate(found)) if found else None

    def _survivors(self) -> Iterator[pl.DataFrame]:
        """Of the rows that may share their key, those that count; compared cell by cell, part by part."""
        if not self._again:
            return
        assert self._known.repeated is not None
        parts = 1 + len(self._known.repeated) // _PART
        for part in range(parts):
            held = pl.scan_parquet(self._again).filter(pl.col(_HASH) % parts == part).collect().sort(ROW)
            settled = keys.one_per_key(held.drop(_HASH, _JSON), self._key)
            self.counts += Counts(repeated=settled.repeated, superseded=settled.lost.height)
            said = held.select(ROW, pl.col(_JSON).alias("row"))
            self.refused.add(replaced(settled.lost.join(said, on=ROW, how="left", maintain_order="left").drop(ROW)))
            yield from self._stamped(settled.good)

    def _stamped(self, good: pl.DataFrame) -> Iterator[pl.DataFrame]:
        table = self._job.block.table
        if table.name in versions.DESCRIPTIVE and "known_at" not in self._job.block.columns:
            now = CLOCK.now().replace(tzinfo=None)
            good, unchanged = versions.date_changes(table, good, self._workspace.tables.read(table.name), now)
            self.counts += Counts(unchanged=unchanged)
        self.counts += Counts(accepted=good.height)
        if good.height:
            yield good.drop(ROW).with_columns(_source=pl.lit(self._job.label))

    def _notice(self) -> None:
        """Compare with the files before."""
        block = self._job.block
        used = {name for how in block.columns.values() for name in ([how.column] if how.column else [])}
        self.profile = self.watch.profile()
        found = jumps.changes(block.table, self.profile, self.book.read(), used)
        self.notes = jumps.settle(found, self._job.label, block.table, self._accept)
        self.afresh = any(each.serious for each in found)

    def _too_bad(self) -> InputError:
        job, counts = self._job, self.counts
        spared = {"superseded", *(rule.name for rule in job.block.set_aside)}
        worst = [
            each
            for each in self.refused.reasons()
            if each.rule not in spared and (each.rule, each.column) != ("other_currency", "")
        ]
        remedy = "Correct the file or the mapping, or raise ingest.max_bad_share in windvane.toml."
        if worst and worst[0].rule == "other_currency":
            remedy = "Set shop.currency in windvane.toml, or leave such rows out with where in the mapping."
        told = "; ".join(
            f"{each.reason} ({each.rows} rows, first line {each.line}"
            + (f": {each.value!r})" if each.value is not None else ")")
            for each in worst[:3]
        )
        return InputError(
            f"{job.label}: {counts.refused} of {counts.kept} rows do not fit table {job.block.table.name}, more than "
            f"the {self._workspace.config.ingest.max_bad_share:.0%} that ingest.max_bad_share allows; nothing of it "
            f"was taken. {told}.",
            remedy,
            table=job.block.table.name,
            column=worst[0].column if worst else None,
            row=worst[0].line if worst else None,
        )
