"""A PostgreSQL server of one's own, on a socket in a folder of its own: for tests and benchmarks."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


class Unavailable(Exception):
    """No server can be started here; the text says why."""


def program(name):
    """Where a program of PostgreSQL lies; Debian keeps those of the server out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@contextlib.contextmanager
def server():
    """Starts one, gives the URI of its database, and stops it.

    Raises:
        Unavailable: PostgreSQL is not installed, or may not run.
    """
    if not (program("initdb") and program("pg_ctl")):
        raise Unavailable("PostgreSQL is not installed: apt-get install postgresql")
    # a short path, since a socket's has at most 107 characters
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = []
    if os.geteuid() == 0:  # the server refuses to be root
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            shutil.rmtree(folder)
            raise Unavailable("PostgreSQL does not run as root, and there is no user postgres") from None
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = ["runuser", "-u", "postgres", "--"]
    control = [*user, program("pg_ctl"), "-D", str(folder / "data")]

    def run(*command):
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    try:
        run(*user, program("initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "tester", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run(*control, "-o", options, "-l", str(folder / "log"), "-w", "start")
        yield f"postgresql://tester@/postgres?host={folder}"
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            run(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
