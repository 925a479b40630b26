"""The office behind applications of plain WSGI, called without a network between."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tenantkit.adapters.wsgi import TenancyMiddleware
from tests.integration import office


@dataclass
class Answer:
    """What an application answered, in how many starts and parts."""

    starts: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)

    @property
    def status(self):
        return int(self.starts[-1][0].split(" ", 1)[0])

    @property
    def body(self):
        return b"".join(self.parts)


@dataclass
class Gate:
    """Calls an application as a WSGI server does."""

    kit: Any
    token: str

    def environ(self, **further):
        """Return the environment of a request of a writer."""
        made = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "HTTP_HOST": "acme.localhost",
            "HTTP_AUTHORIZATION": f"Bearer {self.token}",
            "REMOTE_ADDR": "192.0.2.7",
        }
        return {key: value for key, value in (made | further).items() if value is not None}

    def call(self, app, *, parts=None, close=True, **further):
        """Ask, read so many parts of the body, or all, and close it."""
        answer = Answer()

        def start_response(status, headers, exc_info=None):
            answer.starts.append((status, headers))
            return answer.parts.append

        body = TenancyMiddleware(app, self.kit)(self.environ(**further), start_response)
        try:
            for number, part in enumerate(body, 1):
                answer.parts.append(part)
                if number == parts:
                    break
        finally:
            if close:
                body.close()
        return answer


@pytest.fixture
def gate(kit, acme):
    """Give a gate."""
    yield Gate(kit, kit.tokens.issue("writer", acme))
    assert [0, 0] == [kit.engine.pool.checkedout(), kit.owner_engine.pool.checkedout()]


@pytest.fixture
def documents(kit):
    """Count the documents of all tenants."""
    return lambda: office.counted(kit)
