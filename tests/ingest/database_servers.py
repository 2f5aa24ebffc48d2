"""Real database servers for the tests: PostgreSQL and MariaDB from the system's packages, on free local ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _program(name: str) -> str:
    """Path of a server program; Debian keeps PostgreSQL's out of PATH."""
    places = [os.environ.get("PATH", ""), "/usr/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def _home() -> Iterator[tuple[Path, str | None]]:
    """A folder for a server, and the user to run it as: servers refuse to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="wv-db-"))
    user = None
    if os.geteuid() == 0:
        user = "nobody"
        shutil.chown(folder, user)
    try:
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(log.read_text(errors="replace"))


@contextmanager
def postgresql() -> Iterator[str]:
    """Address of a fresh PostgreSQL database."""
    initdb, postgres = _program("initdb"), _program("postgres")
    with _home() as (folder, user):
        options = ["-D", str(folder / "data"), "-U", "shop", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([initdb, *options], check=True, capture_output=True, user=user, cwd=folder)
        port, log = _free_port(), folder / "log"
        command = [postgres, "-D", str(folder / "data"), "-k", str(folder), "-h", "127.0.0.1", "-p", str(port)]
        with log.open("wb") as out:
            server = subprocess.Popen([*command, "-c", "fsync=off"], stdout=out, stderr=out, user=user, cwd=folder)
        try:
            _wait(server, port, log)
            yield f"postgresql://shop@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def mariadb() -> Iterator[str]:
    """Address of a fresh MariaDB database."""
    install, mariadbd = _program("mariadb-install-db"), _program("mariadbd")
    with _home() as (folder, user):
        plain = ["--no-defaults", f"--datadir={folder / 'data'}"]
        asking = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run([install, *plain, *asking], check=True, capture_output=True, user=user, cwd=folder)
        port, log = _free_port(), folder / "log"
        command = [mariadbd, *plain, f"--port={port}", f"--socket={folder / 's'}", "--bind-address=127.0.0.1"]
        command += ["--character-set-server=utf8mb4"]
        with log.open("wb") as out:
            server = subprocess.Popen(command, stdout=out, stderr=out, user=user, cwd=folder)
        try:
            _wait(server, port, log)
            execute(f"mysql://root@127.0.0.1:{port}/mysql", "CREATE DATABASE shop CHARACTER SET utf8mb4")
            yield f"mysql://root@127.0.0.1:{port}/shop"
        finally:
            server.terminate()
            server.wait(30)


def execute(address: str, sql: str) -> None:
    """Run statements through the server's own client."""
    port = address.rsplit(":", 1)[1].split("/")[0]
    if address.startswith("postgresql"):
        command = [_program("psql"), "-h", "127.0.0.1", "-p", port, "-U", "shop", "-v", "ON_ERROR_STOP=1", "postgres"]
    else:
        command = [_program("mariadb"), "--no-defaults", "-h", "127.0.0.1", "-P", port, "-u", "root"]
        command += ["--default-character-set=utf8mb4", address.rsplit("/", 1)[1]]
    subprocess.run(command, input=sql.encode(), check=True, capture_output=True)
