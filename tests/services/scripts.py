"""Scripts that use servers in processes of their own, which may be killed."""

import contextlib
import json
import subprocess
import sys

POSTGRES_SCRIPT = """
import json, os
from pathlib import Path
from urllib.parse import urlsplit
import psycopg
from tenantkit.testing.services import start_postgres
server = start_postgres({options})
with psycopg.connect(server.admin_url.replace("+psycopg", "")) as connection:
    data = connection.execute("SHOW data_directory").fetchone()[0]
pid = int(Path(data, "postmaster.pid").read_text().split()[0])
print(json.dumps([str(Path(data).parent), pid, server.admin_url]), flush=True)
"""

REDIS_SCRIPT = """
import json, redis
from tenantkit.testing.services import start_redis
server = start_redis()
facts = redis.Redis.from_url(server.url).info("server")
print(json.dumps([facts["config_file"], facts["process_id"], server.url]), flush=True)
"""


@contextlib.contextmanager
def script(code, **options):
    """Run a script that prints one line of JSON and then waits; give it and what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}\nimport sys\nsys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    with process:
        try:
            yield process, json.loads(process.stdout.readline() or "null")
        finally:
            process.kill()
