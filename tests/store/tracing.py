"""What a trace of system calls says about durability: which names and contents are on the disk at which moment.

The model is the pessimistic one of POSIX: content is safe once the file was fsynced after its last write; a name is
safe once the folder that holds it was fsynced after the name was made. What a call was asked counts from its start,
what it promises from its end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

CALLS = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fallocate,sendfile,copy_file_range,"
    "fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
)

_LINE = re.compile(r"^(\d+)\s+(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\)\s*=\s*(-?\d+)(.*)$", re.DOTALL)
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_FD_PATH = re.compile(r"^\d+<([^>]*)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_AT = re.compile(r"(AT_FDCWD|\d+)(?:<([^>]*)>)?, \"((?:[^\"\\]|\\.)*)\"")
_WRITES = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "ftruncate", "fallocate", "copy_file_range"}


@dataclass
class Disk:
    """What is not yet safe.

    Attributes:
        dirty: files with content that is not on the disk.
        names: names that are not on the disk.
    """

    dirty: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    writes: dict[str, int] = field(default_factory=dict)
    clock: int = 0

    def unsafe(self, path: str) -> list[str]:
        """Why a file would not be there, whole, after a power cut."""
        wrong = [f"content of {path}"] if path in self.dirty else []
        place = PurePosixPath(path)
        return wrong + [f"name {each}" for each in map(str, (place, *place.parents)) if each in self.names]


def replay(text: str, said: str) -> tuple[Disk, list[str]]:
    """Follow a trace (``strace -f -y``) up to the moment at which the program writes ``said``.

    Returns:
        What is unsafe then, and the files that exist then of those that the program has made.

    Raises:
        AssertionError: the program never said it.
    """
    disk = Disk()
    made: dict[str, None] = {}
    begun: dict[str, tuple[str, int]] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        process, what = match.groups()
        disk.clock += 1
        start = disk.clock
        if what.endswith("<unfinished ...>"):
            begun[process] = (what.removesuffix("<unfinished ...>").rstrip(), start)
            continue
        if resumed := _RESUMED.match(what):
            head, start = begun.pop(process, (f"{resumed.group(1)}(", start))
            what = head + resumed.group(2)
        call = _CALL.match(what)
        if not call or int(call.group(3)) < 0:
            continue
        name, arguments = call.group(1), call.group(2)
        if name == "write" and said in arguments:
            return disk, list(made)
        _apply(disk, made, name, arguments, call.group(4), start)
    raise AssertionError(f"the program never said {said!r}")


def _apply(disk: Disk, made: dict[str, None], name: str, arguments: str, result: str, start: int) -> None:
    if name in {"open", "openat", "creat"} and ("O_CREAT" in arguments or name == "creat"):
        opened = re.match(r"<([^>]*)>", result)
        if opened and opened.group(1) not in made:
            made[opened.group(1)] = None
            disk.names.add(opened.group(1))
        if opened:
            _write(disk, opened.group(1))
    elif name in _WRITES:
        if handle := _FD_PATH.match(arguments):
            _write(disk, handle.group(1))
    elif name in {"fsync", "fdatasync"}:
        if handle := _FD_PATH.match(arguments):
            path = handle.group(1)
            if disk.writes.get(path, 0) < start:
                disk.dirty.discard(path)
            disk.names -= {each for each in disk.names if str(PurePosixPath(each).parent) == path}
    elif name.startswith("rename"):
        old, new = _paths(arguments)
        _move(disk, made, old, new)
    elif name.startswith("link"):
        old, new = _paths(arguments)
        made[new] = None
        disk.names.add(new)
        if old in disk.dirty:
            _write(disk, new)
    elif name.startswith("mkdir"):
        (path,) = _paths(arguments)
        disk.names.add(path)
    elif name.startswith(("unlink", "rmdir")):
        (path,) = _paths(arguments)
        made.pop(path, None)
        disk.dirty.discard(path)
        disk.names.discard(path)


def _write(disk: Disk, path: str) -> None:
    disk.dirty.add(path)
    disk.writes[path] = disk.clock


def _move(disk: Disk, made: dict[str, None], old: str, new: str) -> None:
    for each in [path for path in [*made] if path == old or path.startswith(old + "/")]:
        target = new + each[len(old) :]
        made.pop(each)
        made[target] = None
        disk.names.discard(each)
        if each in disk.dirty:
            disk.dirty.discard(each)
            _write(disk, target)
        else:
            disk.dirty.discard(target)
    disk.names.discard(old)
    disk.names.add(new)


def _paths(arguments: str) -> list[str]:
    """Absolute paths that a call names, in order."""
    with_folder = list(_AT.finditer(arguments))
    if with_folder:
        return [_absolute(each.group(2), _plain(each.group(3))) for each in with_folder]
    return [_plain(each) for each in _QUOTED.findall(arguments)]


def _absolute(folder: str | None, path: str) -> str:
    return path if path.startswith("/") or not folder else f"{folder}/{path}"


def _plain(text: str) -> str:
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1").decode()
