"""Packed files: gzip, zstd, and members of zip archives, as streams of bytes. Nothing is ever extracted by name."""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO, BinaryIO, cast

from windvane.errors import InputError

ENDINGS = (".gz", ".zst")
"""Endings of packed single files."""

MAX_RATIO = 200
"""Unpacked bytes per packed byte above which a file is taken for a bomb ..."""
MIN_BOMB = 512 << 20
"""... once it has given this many bytes. Text packs at 5 to 20 to 1."""

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
DAMAGE: tuple[type[Exception], ...] = (
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What unpacking raises on damaged bytes."""


class Guarded(io.RawIOBase):
    """An unpacked stream that stops a bomb and says what is wrong with a damaged file.

    Args:
        stream: unpacked bytes.
        label: shown name of the file.
        packed: bytes before unpacking; ``None`` where nothing was packed.
    """

    def __init__(self, stream: IO[bytes], label: str, packed: int | None) -> None:
        super().__init__()
        self._stream = stream
        self._label = label
        self._packed = packed
        self._given = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer; needed for ``io.BufferedReader``."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` unpacked bytes; fewer only at the end.

        Raises:
            InputError: the file is damaged, or unpacks to more than can be honest.
        """
        parts: list[bytes] = []
        wanted = size if size >= 0 else 1 << 62
        while wanted > 0:
            try:
                data = self._stream.read(min(wanted, 1 << 22))
            except DAMAGE as error:
                raise InputError(
                    f"{self._label} is damaged: unpacking it fails after {self._given} bytes ({told(error)}).",
                    "Copy or export it again.",
                ) from None
            if not data:
                break
            self._given += len(data)
            wanted -= len(data)
            parts.append(data)
            self._check()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close the stream underneath."""
        self._stream.close()
        super().close()

    def _check(self) -> None:
        if self._packed is None or self._given <= MIN_BOMB or self._given <= MAX_RATIO * self._packed:
            return
        raise bomb(self._label, self._given)


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive of files; workbooks, which are zip archives too, are none.

    A file is judged by its first bytes and what lies inside, not by its name.
    """
    if head(path)[:4] not in (ZIP, _EMPTY_ZIP):
        return path.suffix.lower() == ".zip" and path.stat().st_size == 0
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except DAMAGE:
        return True
    return "[Content_Types].xml" not in names and "META-INF/manifest.xml" not in names


def is_packed(path: Path) -> bool:
    """Whether a file is packed as a whole, by its first bytes."""
    return head(path).startswith((GZIP, ZSTD))


def head(path: Path, size: int = 8) -> bytes:
    """First bytes of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise InputError(f"Cannot read {path.name}: {error.strerror or error}.", "Check the file.") from None


def members(path: Path) -> list[str]:
    """Names of an archive's files, in natural order.

    Raises:
        InputError: the archive is damaged, locked by a password, or holds names that lead out of it.
    """
    from windvane.ingest.read.item import hidden, natural

    found = []
    with _archive(path) as archive:
        for info in archive.infolist():
            parts = info.filename.replace("\\", "/").split("/")
            if info.is_dir() or any(hidden(part) for part in parts if part not in ("..", ".")):
                continue
            found.append(_checked(info, path.name))
    if len(set(found)) < len(found):
        raise InputError(f"{path.name} holds two files of the same name.", "Pack the files again.")
    if not found:
        raise InputError(f"{path.name} is an empty archive.", "Leave it out, or pack the files again.")
    return sorted(found, key=natural)


def member_size(path: Path, member: str) -> int:
    """Packed bytes of a member.

    Raises:
        InputError: the archive is damaged or has no such member.
    """
    with _archive(path) as archive:
        return _info(archive, path, member).compress_size


def opened(path: Path, member: str | None = None) -> BinaryIO:
    """The unpacked bytes of a file or of a member; plain where nothing is packed.

    Raises:
        InputError: it cannot be read, or is packed in a way that is not supported.
    """
    if member is not None:
        archive = _archive(path)
        info = _info(archive, path, member)
        label = f"{path.name}/{member}"
        try:
            stream = archive.open(info)
        except DAMAGE as error:
            raise InputError(f"{label} cannot be unpacked: {told(error)}.", "Pack the files again.") from None
        inner = Guarded(stream, label, max(info.compress_size, 1))
        return _inner(inner, label, info.compress_size)
    kind = head(path)
    try:
        size = path.stat().st_size
        if kind.startswith(GZIP):
            return _buffered(Guarded(cast(IO[bytes], gzip.open(path, "rb")), path.name, size))
        if kind.startswith(ZSTD):
            return _buffered(Guarded(_unzstd(path.open("rb")), path.name, size))
        return path.open("rb", buffering=1 << 16)
    except OSError as error:
        raise InputError(f"Cannot read {path.name}: {error.strerror or error}.", "Check the file.") from None


def _inner(stream: Guarded, label: str, size: int) -> BinaryIO:
    """A member may itself be a packed file, as in ``orders.zip/2024.csv.gz``."""
    buffered = io.BufferedReader(stream, 1 << 16)
    kind = buffered.peek(4)[:4]
    if kind.startswith(GZIP):
        return _buffered(Guarded(cast(IO[bytes], gzip.GzipFile(fileobj=buffered)), label, max(size, 1)))
    if kind.startswith(ZSTD):
        return _buffered(Guarded(_unzstd(buffered), label, max(size, 1)))
    return cast(BinaryIO, buffered)


def _buffered(stream: Guarded) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(stream, 1 << 16))


def _unzstd(stream: IO[bytes]) -> IO[bytes]:
    import pyarrow as pa

    return cast(IO[bytes], pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd"))


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except DAMAGE as error:
        raise InputError(
            f"{path.name} is no sound zip archive: {told(error)}.", "Copy it again, or pack the files again."
        ) from None


def _info(archive: zipfile.ZipFile, path: Path, member: str) -> zipfile.ZipInfo:
    for info in archive.infolist():
        if _name(info) == member:
            _checked(info, path.name)
            return info
    raise InputError(f"{path.name} holds no file {member}.", "Check the name.")


def _name(info: zipfile.ZipInfo) -> str:
    return info.filename.replace("\\", "/")


def _checked(info: zipfile.ZipInfo, label: str) -> str:
    name = _name(info)
    outside = name.startswith("/") or ".." in name.split("/") or name[1:2] == ":"
    if outside or "\x00" in name:
        raise InputError(
            f"{label} holds a file named {name!r}, which leads out of the archive.", "Do not trust this archive."
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise InputError(f"{label}: {name!r} is a link, no file.", "Pack the file itself.")
    if info.flag_bits & 1:
        raise InputError(f"{label}: {name} is locked with a password.", "Unpack it, and give the unpacked file.")
    if name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")):
        raise InputError(f"{label}: {name} is an archive in an archive.", "Unpack the outer one first.")
    return name


def bomb(label: str, given: int) -> InputError:
    """The error for a file that unpacks to more than can be honest."""
    return InputError(
        f"{label} unpacks to more than {MAX_RATIO} times its size; reading stopped after {given >> 20} MiB.",
        "Unpack it yourself if you trust it, and give the unpacked file.",
    )


def told(error: BaseException) -> str:
    """First line of an error, for a sentence of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


UNSUPPORTED: dict[bytes, str] = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z", b"Rar!": "RAR"}
"""First bytes of packings that are not read, and their names."""
