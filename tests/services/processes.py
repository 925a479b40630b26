"""Processes of the system, watched until they end."""

import os
import select
from pathlib import Path


def parent_of(pid):
    """Give the id of a process' parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def watched(pid):
    """Give a descriptor that can be waited for: the end of a process of anybody's."""
    return os.pidfd_open(pid)


def ends(*descriptors):
    """Say whether all watched processes end in good time."""
    ended = [bool(select.select([descriptor], [], [], 20)[0]) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    return all(ended)
