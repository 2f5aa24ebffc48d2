"""Work ahead of whoever waits for it: reading the next chunk while this one is being written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Piece = TypeVar("Piece")
_POLL = 0.1


def ahead(pieces: Iterable[Piece], depth: int = 1) -> Iterator[Piece]:
    """The same pieces in the same order, made in a thread of their own.

    Args:
        pieces: made one by one; an error while making one is raised here in its place.
        depth: finished pieces that may wait.
    """
    waiting: queue.Queue[tuple[Piece | None, BaseException | None, bool]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[Piece | None, BaseException | None, bool]) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(entry, timeout=_POLL)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for piece in pieces:
                if not put((piece, None, False)):
                    return
            put((None, None, True))
        except BaseException as error:
            put((None, error, True))
        finally:
            if isinstance(pieces, Iterator) and hasattr(pieces, "close"):
                pieces.close()

    thread = threading.Thread(target=work, name="windvane-ahead", daemon=True)
    thread.start()
    try:
        while True:
            piece, error, done = waiting.get()
            if error is not None:
                raise error
            if done:
                return
            yield piece  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()


def at_hand(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same pieces, made as they are asked for: what is small is done before a thread would have started."""
    return iter(pieces)


class Hand(Protocol):
    """How pieces get from who makes them to who waits for them: :func:`ahead` or :func:`at_hand`."""

    def __call__(self, pieces: Iterable[Piece], /) -> Iterator[Piece]:
        """The same pieces in the same order."""


def marked(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bool]]:
    """Each piece, and whether it is the last."""
    iterator = iter(pieces)
    try:
        held = next(iterator)
    except StopIteration:
        return
    for piece in iterator:
        yield held, False
        held = piece
    yield held, True
