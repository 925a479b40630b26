"""What this machine is and has: its system, its user, and programs of servers."""

import os
import sys

import pytest

from tenantkit.testing.services import postgres_programs, redis_programs

posix = pytest.mark.skipif(sys.platform == "win32", reason="private servers need a POSIX system")
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched by pidfd_open")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")

NOWHERE = {"PATH": os.environ["PATH"]}


def programs_from(kind):
    """Give the programs of the machine or of the wheel; skip where there are none."""
    for programs in postgres_programs():
        if programs.movable == (kind == "wheel"):
            return programs
    pytest.skip(f"no PostgreSQL from the {kind} here")


def redis_program_from(kind):
    """Give the program of the machine or of the wheel; skip where there is none."""
    for program in redis_programs():
        if program.source.startswith("wheel") == (kind == "wheel"):
            return program
    pytest.skip(f"no Redis from the {kind} here")
