"""Tokens seen before: a signature is checked once, time and revocation each time."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from tenantkit.exceptions import ConfigurationError, TokenInvalid
from tenantkit.protocols import Clock
from tenantkit.tokens.model import AccessToken

__all__ = ["TokenVerifier", "VerifiedTokens"]


class TokenVerifier(Protocol):
    """Promises to say what a token says if it verifies, or to raise ``TokenInvalid``."""

    def verify(self, token: str) -> AccessToken:
        """Return what a token says."""
        ...


class VerifiedTokens:
    """
    Verifies access tokens, and remembers those that verified, by the SHA-256 of their text.

    What is remembered is the signature's check and nothing else: whether a token is valid now, and whether it was
    revoked, is asked at each hit. A token that did not verify is not remembered. The least recently seen is forgotten
    first. Threads may share one.

    Args:
        tokens: verifies what was not seen before.
        clock: tells the time.
        size: how many tokens are remembered at the most; about 1.5 kB each. 0 remembers none.
        lifetime: seconds after which a signature is checked anew, so that a key or an issuer that was dropped is not
            believed for long.
        is_revoked: asked each time; it must be quick, since every request waits for it.

    Raises:
        ConfigurationError: the size is no whole number from 0 up, or the lifetime is not positive.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        tokens: TokenVerifier,
        clock: Clock,
        *,
        size: int = 10_000,
        lifetime: float = 600,
        is_revoked: Callable[[AccessToken], bool] | None = None,
    ) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ConfigurationError(f"The size of a token cache is a whole number from 0 up, not {size!r}.")
        if not lifetime > 0:
            raise ConfigurationError(f"The lifetime of a token cache is seconds above 0, not {lifetime!r}.")
        self._tokens, self._clock, self._size, self._is_revoked = tokens, clock, size, is_revoked
        self._lifetime = lifetime
        self._seen: OrderedDict[bytes, tuple[AccessToken, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._seen)

    def verify(self, token: str) -> AccessToken:
        """
        Return what a token says, if it verifies and was not revoked; see :meth:`TrustedIssuers.verify`.

        Raises:
            TokenInvalid: it does not verify, its time is over, or it was revoked.
            KeysUnavailable: the keys of its issuer could not be fetched.
        """
        found = self.read(token)
        self.check(found)
        return found

    def recall(self, token: str) -> AccessToken | None:
        """Return what a token says that was seen before and is in time, or None. If it was revoked is not asked."""
        return self._recall(_digest(token))

    def read(self, token: str) -> AccessToken:
        """Return what a token says, if it verifies. Whether it was revoked is not asked."""
        digest = _digest(token)
        found = self._recall(digest)
        if found is None:  # not seen, or its time is over: which one, the full check tells
            found = self._tokens.verify(token)
            self._remember(digest, found)
        return found

    def check(self, token: AccessToken) -> None:
        """
        Refuse a token that was revoked.

        Raises:
            TokenInvalid: it was.
        """
        if self._is_revoked is not None and self._is_revoked(token):
            raise TokenInvalid("The token was revoked. Sign in again.")

    def forget(self, token: str) -> None:
        """Verify a token anew the next time, as if it had not been seen."""
        with self._lock:
            self._seen.pop(_digest(token), None)

    def clear(self) -> None:
        """Forget all tokens, as after a change of keys."""
        with self._lock:
            self._seen.clear()

    def _recall(self, digest: bytes) -> AccessToken | None:
        now = self._clock.now().timestamp()
        with self._lock:
            seen, since = self._seen.get(digest, (None, now))
            if seen is None or not seen.valid_from <= now < seen.valid_until:
                return None
            if not since <= now < since + self._lifetime:
                return None
            self._seen.move_to_end(digest)
        return seen

    def _remember(self, digest: bytes, token: AccessToken) -> None:
        with self._lock:
            self._seen[digest] = token, self._clock.now().timestamp()
            while len(self._seen) > self._size:
                self._seen.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
