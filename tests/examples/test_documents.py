"""One product behind each framework: the same requests, the same answers."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import httpx
import pytest

from tenantkit.testing.serving import serve_asgi, serve_wsgi

FOLDER = Path(__file__).parents[2] / "examples" / "documents"
FRAMEWORKS = {"with_fastapi": serve_asgi, "with_flask": serve_wsgi}
MODULES = ("models", "service", "sign_up", *FRAMEWORKS)
UPGRADE = "https://documents.example/upgrade"


@pytest.fixture(params=[*FRAMEWORKS, "with_django"])
def product(request, tmp_path, monkeypatch):
    """Sign two organizations up, serve the product, and give a client for each member."""
    monkeypatch.setenv("TENANTKIT_TOKEN_SECRET", "a secret of the product, long enough for HS256")
    monkeypatch.setenv("TENANTKIT_DATABASE_URL", f"sqlite:///{tmp_path / 'documents.db'}")
    opened = django_served if request.param == "with_django" else served
    with opened(request.param, tmp_path, monkeypatch) as (port, printed):
        tokens = dict(re.findall(r"^(\w+)=(\S+)$", printed, re.MULTILINE))
        clients = {
            user.lower(): httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}
            )
            for user, token in (tokens | {"nobody": "none"}).items()
        }
        yield clients
        for client in clients.values():
            client.close()


@contextmanager
def served(name, _folder, monkeypatch):
    """Serve the product from a thread; give the port, and what signing up printed."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for module in MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)
    with redirect_stdout(StringIO()) as printed:
        import_module("sign_up")
    made = import_module(name)
    with FRAMEWORKS[name](made.app) as port:
        yield port, printed.getvalue()
    made.service.kit.dispose()
    for module in MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)


@contextmanager
def django_served(_name, folder, _monkeypatch):
    """Serve the project from a process of its own, since a process has one project; it runs the commands, too."""
    left_out = ("TENANTKIT_DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    environment = kept | {
        "DOCUMENTS_DATABASE": str(folder / "documents.db"),
        "PYTHONPYCACHEPREFIX": str(folder.parent / "compiled"),  # of all tests; none in the examples
        "PYTHONPATH": os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH")))),
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE], env=environment, text=True, **pipes
    ) as server:
        printed = list(iter(server.stdout.readline, "serving\n"))
        yield int(server.stdout.readline()), "".join(printed)
        server.communicate()
    assert server.returncode == 0


SERVE = """
import sys
from with_django import manage
for arguments in (["migrate", "--database", "owner", "-v", "0"], ["check"], ["sign_up"]):
    manage.execute_from_command_line(["manage.py", *arguments])
from tenantkit.testing.serving import serve_wsgi
from with_django.wsgi import application
with serve_wsgi(application) as port:
    print("serving", port, sep="\\n", flush=True)
    sys.stdin.read()
"""


def test_folders_and_documents(product):
    """An organization has folders and documents, which no other sees."""
    folder = product["ann"].post("/folders", json={"name": "Plans"})
    assert (201, {"id": 1, "name": "Plans"}) == (folder.status_code, folder.json())
    document = product["art"].post("/folders/1/documents", json={"title": "Launch"})
    assert (201, {"id": 1, "title": "Launch", "author": "art"}) == (document.status_code, document.json())
    assert [{"id": 1, "name": "Plans"}] == product["vic"].get("/folders").json()
    assert ["Launch"] == [one["title"] for one in product["vic"].get("/folders/1/documents").json()]
    assert [] == product["bob"].get("/folders").json()
    for path in ("/folders/1/documents", "/documents/1"):
        assert 404 == product["bob"].get(path).status_code
    assert 404 == product["bob"].post("/folders/1/documents", json={"title": "Mine"}).status_code


def test_who_may(product):
    """Who is nobody, who may not and whose it is not are told apart."""
    assert 401 == product["nobody"].get("/folders").status_code
    refused = product["vic"].post("/folders", json={"name": "Mine"})
    assert (403, "documents:write") == (refused.status_code, refused.json()["permission"])
    product["ann"].post("/folders", json={"name": "Plans"})
    product["ann"].post("/folders/1/documents", json={"title": "Ann's"})
    product["art"].post("/folders/1/documents", json={"title": "Art's"})
    assert 403 == product["art"].delete("/documents/1").status_code
    assert 204 == product["art"].delete("/documents/2").status_code
    assert 404 == product["art"].get("/documents/2").status_code
    assert 204 == product["ann"].delete("/documents/1").status_code
    assert [] == product["ann"].get("/folders/1/documents").json()


def test_the_plan(product):
    """The plan allows three documents; the fourth is answered with where more can be had."""
    product["ann"].post("/folders", json={"name": "Plans"})
    sent = [product["ann"].post("/folders/1/documents", json={"title": str(number)}) for number in range(4)]
    assert [201, 201, 201, 402] == [answer.status_code for answer in sent]
    assert UPGRADE == sent[-1].json()["upgrade_url"]
    told = product["ann"].get("/summary").json()
    assert {"organization": "acme", "plan": "free", "documents": 3, "metered": 3} == told
    assert 0 == product["bob"].get("/summary").json()["metered"]


def test_members(product):
    """Owners add members, others do not; an organization sees its own."""
    assert 403 == product["art"].post("/members", json={"user": "eve", "role": "owner"}).status_code
    assert 201 == product["ann"].post("/members", json={"user": "eve", "role": "viewer"}).status_code
    assert ["ann", "art", "eve", "vic"] == [one["user"] for one in product["vic"].get("/members").json()]
    assert ["bob"] == [one["user"] for one in product["bob"].get("/members").json()]


def test_what_is_no_body(product):
    """It is a 422, and nothing is written or counted."""
    product["ann"].post("/folders", json={"name": "Plans"})
    assert 422 == product["ann"].post("/folders/1/documents", json={"name": "no title"}).status_code
    assert 0 == product["ann"].get("/summary").json()["metered"]


def test_me_and_health(product):
    """Who asks is known without a tenant, and the product says that it is ready."""
    assert {"user": "ann"} == product["ann"].get("/me").json()
    assert 200 == product["nobody"].get("/health/ready").status_code
