"""What looking for a server can end with; each message says what to do next."""

from collections.abc import Sequence

from tenantkit.exceptions import TenantKitError

__all__ = ["ServiceError", "ServiceMissing", "ServiceUnusable", "StartFailed"]


class ServiceError(TenantKitError):
    """
    Base of what looking for a server, or starting one, raises.

    Attributes:
        service: Name of the server, such as ``PostgreSQL``.

    .. versionadded:: 0.1
    """

    problem = "test-server"
    title = "A server for the tests cannot be used"

    def __init__(self, message: str, *, service: str, **details: object) -> None:
        super().__init__(message, service=service, **details)
        self.service = service


class ServiceMissing(ServiceError, LookupError):
    """
    No server was found, and none could be started.

    Attributes:
        tried: What was tried, each with the reason why it was refused.
        remedies: What the reader can do; any one of them is enough.

    .. versionadded:: 0.1
    """

    def __init__(self, service: str, *, tried: Sequence[str], remedies: Sequence[str]) -> None:
        self.tried = tuple(tried)
        self.remedies = tuple(remedies)
        lines = [f"no {service} for the tests"]
        lines += [f"  tried: {reason}" for reason in self.tried]
        lines += [f"  remedy: {remedy}" for remedy in self.remedies]
        super().__init__("\n".join(lines), service=service, tried=self.tried)


class ServiceUnusable(ServiceError, RuntimeError):
    """
    A server is named or running, but the tests cannot use it.

    Attributes:
        place: Where it was looked for: the variable that names it, or its address.
        reason: Why it cannot be used.

    .. versionadded:: 0.1
    """

    def __init__(self, service: str, *, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"{service} at {place}: {reason}", service=service, place=place)


class StartFailed(ServiceError, RuntimeError):
    """
    A private server did not come up.

    Attributes:
        reason: The end of what the server, or its installer, said.

    .. versionadded:: 0.1
    """

    def __init__(self, service: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"a private {service} did not start: {reason}", service=service)
