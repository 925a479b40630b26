"""The keys that an identity provider publishes, fetched when they are needed and not more often than that."""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from tenantkit.core.clock import SystemClock
from tenantkit.exceptions import ConfigurationError, KeysUnavailable
from tenantkit.protocols import Clock
from tenantkit.tokens.keys import ALGORITHMS, KeyRing, TokenKey

__all__ = ["PublishedKeys", "fetch_document", "read_key_set"]

logger = logging.getLogger("tenantkit.tokens")

_TIMEOUT: Final = 5  # seconds of silence
_DEADLINE: Final = 10  # seconds for the whole document
_PATIENCE: Final = 2  # seconds for which others wait for who fetches
_MAX_BYTES: Final = 262_144
_MAX_KEYS: Final = 100
_PLAIN_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "k")

Fetch = Callable[[str], bytes]


class PublishedKeys:
    """
    The keys of a provider's JSON Web Key Set (RFC 7517, 5), by its URL.

    They are fetched at first need and again when they are old, or when a token names a key that is not known: then at
    most once in the cool-down, however many strangers make up keys. One thread fetches; the others go on with the keys
    that are known. While the provider does not answer, its keys are good for as long as they may be kept.

    Args:
        url: where they are; https, or http on this machine.
        clock: tells the time; the machine's by default.
        algorithms: what the provider's keys may be for; where a key does not say it, the first that fits it.
        lifetime: seconds after which keys are fetched again.
        cool_down: seconds between two tries to fetch them, whatever the first one's outcome.
        keep: seconds after which keys are no longer believed that could not be fetched again.
        fetch: fetches a document; raises :class:`OSError` where it cannot. By default with the standard library, up to
            256 kB in 10 seconds, and without following redirects.

    Raises:
        ConfigurationError: the URL is none of those, an algorithm is unknown or is for secrets, or a time is none.

    .. versionadded:: 0.1
    """

    wait = True

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        algorithms: Iterable[str] = ("RS256",),
        lifetime: float = 3600,
        cool_down: float = 60,
        keep: float = 86_400,
        fetch: Fetch | None = None,
    ) -> None:
        _check_url(url)
        self._algorithms = tuple(algorithms)
        for algorithm in self._algorithms:
            if algorithm not in ALGORITHMS or algorithm.startswith("HS"):
                raise ConfigurationError(f"{algorithm!r} is no algorithm with public keys.")
        if not self._algorithms or not 0 < cool_down <= lifetime <= keep:
            raise ConfigurationError(
                "Published keys need an algorithm, and 0 < cool_down <= lifetime <= keep, in seconds."
            )
        self.url, self._clock, self._fetch = url, clock or SystemClock(), fetch or fetch_document
        self._lifetime, self._cool_down, self._keep = lifetime, cool_down, keep
        self._ring: KeyRing | None = None
        self._fetched = self._tried = float("-inf")
        self._fetching = threading.Lock()

    def __repr__(self) -> str:
        return f"PublishedKeys({self.url!r})"

    def find(self, key_id: str | None) -> TokenKey | None:
        """
        Return the key of an id, or None; may fetch them, at most once.

        Raises:
            KeysUnavailable: there are none, or none that may still be believed.
        """
        found = self._known(key_id)
        if found is None or self._now() >= self._fetched + self._lifetime:
            self._renew(blocking=found is None)
            found = self._known(key_id)
        if found is None and (self._ring is None or self._now() >= self._fetched + self._keep):
            raise KeysUnavailable(
                f"The keys at {self.url} could not be fetched; see the log tenantkit.tokens."
            )
        return found

    def _known(self, key_id: str | None) -> TokenKey | None:
        if self._ring is None or self._now() >= self._fetched + self._keep:
            return None
        return self._ring.find(key_id)

    def _renew(self, *, blocking: bool) -> None:
        tried = self._tried
        if not self._fetching.acquire(timeout=_PATIENCE if blocking else 0):
            if blocking:
                raise KeysUnavailable(f"Somebody is fetching the keys at {self.url}, and it takes long.")
            return  # the known key will do
        try:
            now = self._now()
            if self._tried != tried or now < self._tried + self._cool_down:
                return  # somebody was just now
            self._tried = now
            self._ring, self._fetched = read_key_set(self._fetch(self.url), self._algorithms), now
        except (OSError, ValueError) as error:
            logger.warning("the keys at %s could not be fetched: %s", self.url, error)
        finally:
            self._fetching.release()

    def _now(self) -> float:
        return self._clock.now().timestamp()


def read_key_set(document: bytes, algorithms: Iterable[str]) -> KeyRing:
    """
    Return the keys of a JSON Web Key Set that may be used; the others are left out, and logged.

    Left out are keys for encryption or for algorithms that are not wanted, keys that fail the gate, and private keys,
    which are no secret any more.

    Raises:
        ValueError: it is no such set, or no key of it may be used.

    .. versionadded:: 0.1
    """
    try:
        found = json.loads(document.decode())
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
        raise ValueError(f"the document is no JSON Web Key Set of up to {_MAX_KEYS} keys")
    wanted = tuple(algorithms)
    keys: dict[str, TokenKey] = {}
    for jwk in listed:
        key = _read_key(jwk, wanted)
        if key is not None and keys.setdefault(key.id, key) is not key:
            logger.warning("the key set has two keys %r; the first one counts", key.id)
    if not keys:
        raise ValueError(f"the key set has no key for {', '.join(wanted)} that may be used")
    return KeyRing(*keys.values())


def _read_key(jwk: object, algorithms: tuple[str, ...]) -> TokenKey | None:
    if not isinstance(jwk, Mapping) or jwk.get("use", "sig") != "sig":
        return None
    if not jwk.keys().isdisjoint(_PRIVATE):
        logger.error("the key set publishes the private key %r; it is not believed", jwk.get("kid"))
        return None
    said = jwk.get("alg")
    problem: Exception = ConfigurationError(f"its algorithm is {said!r}")
    for algorithm in algorithms:
        if said in (None, algorithm):
            try:
                return TokenKey.jwk(jwk, algorithm)
            except ConfigurationError as error:
                problem = error
    logger.warning("the key %r of the key set is left out: %s", jwk.get("kid"), problem)
    return None


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Leave the answer as it is, which is an error then."""


def fetch_document(url: str) -> bytes:
    """
    Fetch a document of up to 256 kB within 10 seconds, without following redirects.

    Raises:
        OSError: it could not be fetched, or is larger.

    .. versionadded:: 0.1
    """
    found: Queue[bytes | OSError] = Queue()
    # a socket's timeout counts from byte to byte, so that a server could keep one waiting for ever: a thread of its own
    # is left to it then, one in a cool-down
    Thread(target=_fetch_into, args=(found, url), daemon=True).start()
    try:
        answer = found.get(timeout=_DEADLINE)
    except Empty:
        raise URLError(f"the document took more than {_DEADLINE} seconds") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _fetch_into(found: "Queue[bytes | OSError]", url: str) -> None:
    try:
        with build_opener(_NoRedirects).open(url, timeout=_TIMEOUT) as answer:
            document: bytes = answer.read(_MAX_BYTES + 1)
            if len(document) > _MAX_BYTES:
                raise URLError(f"the document is larger than {_MAX_BYTES} bytes")
            if answer.length:
                raise URLError(f"the document ended {answer.length} bytes early")
            found.put(document)
    except HTTPError as error:
        error.close()  # it is an answer, too, and holds the socket
        found.put(URLError(f"the answer is {error.code}"))
    except OSError as error:
        found.put(error)
    except HTTPException as error:
        found.put(URLError(repr(error)))


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _PLAIN_HOSTS):
        raise ConfigurationError(
            f"Keys are fetched from an https URL, not from {url!r}: whoever sends the keys decides who gets in."
        )
