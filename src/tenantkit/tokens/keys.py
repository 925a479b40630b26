"""Keys of tokens: each has one algorithm, and passed a gate before it is used."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

import jwt
from jwt.algorithms import Algorithm

from tenantkit.exceptions import ConfigurationError, DependencyMissing
from tenantkit.tokens.compact import read_base64

__all__ = ["ALGORITHMS", "KeyRing", "TokenKey"]

_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518, 3.2: the size of the hash
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_RSA_BITS: Final = range(2048, 8193)  # RFC 7518, 3.3; more is a way to keep a server busy
_KINDS: Final = (
    dict.fromkeys(_SECRET_BYTES, "oct")
    | dict.fromkeys(_RSA, "RSA")
    | dict.fromkeys(_CURVES, "EC")
    | {"EdDSA": "OKP"}
)
_EDWARDS: Final = "Ed25519"
_MAX_ID: Final = 200  # characters
_THUMBPRINT: Final = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
_NUMBERS: Final = ("n", "e", "x", "y", "k", "d")

ALGORITHMS: Final = frozenset(_KINDS)


class TokenKey:
    """
    A key that signs or verifies with one algorithm, made by :meth:`secret`, :meth:`pem` or :meth:`jwk`.

    They are the gate: a key that is too short or too long, of another kind than its algorithm, or made for another use
    is refused when it is configured. Everything but secrets needs the extra ``tenantkit[crypto]``.

    Attributes:
        algorithm: one of ``HS256``, ``HS384``, ``HS512``, ``RS256``, ``RS384``, ``RS512``, ``PS256``, ``PS384``,
            ``PS512``, ``ES256``, ``ES384``, ``ES512``, ``EdDSA`` (Ed25519).
        id: the ``kid`` by which a token's header names it; by default made from the key itself, so that it is the same
            in all processes.
        can_sign: whether it is a secret or a private key.

    .. versionadded:: 0.1
    """

    __slots__ = ("_key", "_method", "_public", "_verifier", "algorithm", "can_sign", "id")

    def __init__(self, key: Any, method: Algorithm, algorithm: str, given_id: str | None) -> None:
        self._key, self._method, self.algorithm = key, method, algorithm
        self._verifier, self._public = key, {}
        self.can_sign = algorithm in _SECRET_BYTES or hasattr(key, "sign")
        if algorithm not in _SECRET_BYTES:
            self._verifier = key.public_key() if self.can_sign else key
            self._public = method.to_jwk(self._verifier, as_dict=True)
        self.id = self._own_id() if given_id is None else given_id
        if not 0 < len(self.id) <= _MAX_ID:
            raise ConfigurationError(f"The id of a key has 1 to {_MAX_ID} characters, not {len(self.id)}.")

    def __repr__(self) -> str:
        return f"TokenKey(id={self.id!r}, algorithm={self.algorithm!r}, can_sign={self.can_sign})"

    @classmethod
    def secret(cls, secret: str | bytes, algorithm: str = "HS256", *, id: str | None = None) -> Self:  # noqa: A002
        """
        Make the key of an HMAC.

        Args:
            secret: random text or bytes, at least as long as the hash: 32, 48 or 64 bytes.
            algorithm: ``HS256``, ``HS384`` or ``HS512``.
            id: the ``kid``.

        Raises:
            ConfigurationError: it is too short; it is a key of another kind, which is no secret; or the algorithm is
                none of the three.
        """
        if algorithm not in _SECRET_BYTES:
            raise ConfigurationError(
                f"A secret signs with {', '.join(_SECRET_BYTES)}, not with {algorithm!r}, whose keys come as a pair: "
                "use TokenKey.pem() or TokenKey.jwk()."
            )
        method = _method(algorithm)
        raw = _prepared(method, secret, algorithm)
        if len(raw) < _SECRET_BYTES[algorithm]:
            raise ConfigurationError(
                f"A secret for {algorithm} has at least {_SECRET_BYTES[algorithm]} bytes (RFC 7518, 3.2), and this one "
                f'{len(raw)}; make one with `python -c "import secrets; print(secrets.token_urlsafe(64))"`.'
            )
        return cls(raw, method, algorithm, id)

    @classmethod
    def pem(cls, text: str | bytes, algorithm: str, *, id: str | None = None) -> Self:  # noqa: A002
        """
        Make a key of a pair: a private key, which signs, or a public one, which only verifies.

        Args:
            text: the key, not encrypted, as PEM.
            algorithm: what it is for; one of those with pairs.
            id: the ``kid``; by default the thumbprint of the public key (RFC 7638).

        Raises:
            ConfigurationError: it is no key of this algorithm, or RSA of other than 2048 to 8192 bits.
            DependencyMissing: ``cryptography`` is not installed.
        """
        if algorithm in _SECRET_BYTES:
            raise ConfigurationError(
                f"{algorithm} signs with a secret, not with a key pair: a public key as a secret would let everybody "
                "sign. Use TokenKey.secret()."
            )
        return cls._checked(text, algorithm, id)

    @classmethod
    def jwk(cls, jwk: Mapping[str, Any], algorithm: str | None = None) -> Self:
        """
        Make a key from a JSON Web Key (RFC 7517).

        Args:
            jwk: its members.
            algorithm: what it is for, where the member ``alg`` does not say it.

        Raises:
            ConfigurationError: it is made for another algorithm or use (``alg``, ``use``, ``key_ops``), a number in it
                is not spelled as the standard says, or it fails what :meth:`secret` and :meth:`pem` check.
            DependencyMissing: ``cryptography`` is not installed.
        """
        said = jwk.get("alg", algorithm)
        if not isinstance(said, str) or (algorithm is not None and said != algorithm):
            raise ConfigurationError(f"The key is made for the algorithm {said!r}, not {algorithm!r}.")
        kind, wanted, given_id = jwk.get("kty"), _kind(said), jwk.get("kid")
        if kind != wanted:
            raise ConfigurationError(f"A key of type {kind!r} is none for {said}, which needs {wanted!r}.")
        if given_id is not None and not isinstance(given_id, str):
            raise ConfigurationError(f"The `kid` of a key is a text, not {given_id!r}.")
        _check_use(jwk)
        for name in _NUMBERS:
            number = jwk.get(name, "AA")
            if not isinstance(number, str) or read_base64(number) is None:
                raise ConfigurationError(
                    f"The member {name!r} of the key is not base64url in its one spelling."
                )
        if kind == "oct":
            return cls.secret(read_base64(str(jwk.get("k", ""))) or b"", said, id=given_id)
        method = _method(said)
        try:
            key = method.from_jwk(dict(jwk))
        except (jwt.InvalidKeyError, ValueError, TypeError, KeyError) as error:
            raise ConfigurationError(f"The key is no JSON Web Key for {said}: {error}.") from None
        return cls._checked(key, said, given_id)

    @classmethod
    def _checked(cls, material: Any, algorithm: str, given_id: str | None) -> Self:
        kind, method = _kind(algorithm), _method(algorithm)
        key = _prepared(method, material, algorithm)
        if kind == "RSA" and key.key_size not in _RSA_BITS:
            raise ConfigurationError(
                f"An RSA key for {algorithm} has {_RSA_BITS.start} to {_RSA_BITS.stop - 1} bits (RFC 7518, 3.3), and "
                f"this one {key.key_size}."
            )
        made = cls(key, method, algorithm, given_id)
        curve, wanted = made._public.get("crv"), _CURVES.get(algorithm, _EDWARDS)
        if kind != "RSA" and curve != wanted:
            raise ConfigurationError(
                f"A key for {algorithm} is on the curve {wanted}, and this one on {curve}."
            )
        return made

    def sign(self, message: bytes) -> bytes:
        """
        Return the signature of a message.

        Raises:
            ConfigurationError: it is a public key.
        """
        if not self.can_sign:
            raise ConfigurationError(f"The key {self.id!r} is a public one; a private one signs.")
        return self._method.sign(message, self._key)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature is that of the message, by this key."""
        return self._method.verify(message, self._verifier, signature)

    def public_jwk(self) -> dict[str, Any] | None:
        """Return the public key as a JSON Web Key, for others who verify; None for a secret."""
        if not self._public:
            return None
        return {**self._public, "kid": self.id, "alg": self.algorithm, "use": "sig"}

    def _own_id(self) -> str:
        if not self._public:  # a keyed hash: it tells nothing of the secret
            digest = hmac.new(self._key, b"tenantkit kid", hashlib.sha256).digest()[:9]
        else:
            members = {name: self._public[name] for name in _THUMBPRINT[_KINDS[self.algorithm]]}
            digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


class KeyRing:
    """
    The keys of one issuer: the first signs, all verify.

    To change keys, put the new one first, keep the old one until the last token that it signed has expired, then drop
    it. Where others verify too, publish the new one (:meth:`jwks`) before it signs: put it last at first.

    Args:
        keys: at least one; each with an id of its own.

    Raises:
        ConfigurationError: there is no key, or two have the same id.

    .. versionadded:: 0.1
    """

    def __init__(self, *keys: TokenKey) -> None:
        if not keys:
            raise ConfigurationError("A key ring needs at least one key.")
        self._keys = {key.id: key for key in keys}
        if len(self._keys) < len(keys):
            ids = ", ".join(sorted(key.id for key in keys))
            raise ConfigurationError(
                f"Each key of a ring needs an id of its own, and one algorithm; the ids are {ids}."
            )
        self.first = keys[0]

    wait = False

    def __iter__(self) -> Iterator[TokenKey]:
        return iter(self._keys.values())

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(map(repr, self._keys.values()))})"

    def find(self, key_id: str | None) -> TokenKey | None:
        """Return the key of an id, or None. A token that names no key has the only one, if it is the only one."""
        if key_id is None:
            return self.first if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def jwks(self) -> dict[str, Any]:
        """Return the public keys as a JSON Web Key Set, to be served at a public path; secrets are not in it."""
        return {"keys": [public for key in self._keys.values() if (public := key.public_jwk())]}


def _kind(algorithm: str) -> str:
    try:
        return _KINDS[algorithm]
    except KeyError:
        raise ConfigurationError(
            f"There is no algorithm {algorithm!r} for tokens; known are {', '.join(sorted(_KINDS))}."
        ) from None


def _method(algorithm: str) -> Algorithm:
    try:
        return jwt.get_algorithm_by_name(algorithm)
    except NotImplementedError:
        raise DependencyMissing(
            f"{algorithm} needs the package cryptography: pip install 'tenantkit[crypto]'."
        ) from None


def _prepared(method: Algorithm, material: Any, algorithm: str) -> Any:
    try:
        return method.prepare_key(material)
    except (jwt.InvalidKeyError, ValueError, TypeError) as error:
        raise ConfigurationError(f"This is no key for {algorithm}: {error}.") from None


def _check_use(jwk: Mapping[str, Any]) -> None:
    use, operations = jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
    wanted = {"sign", "verify"} if jwk.get("kty") == "oct" or "d" in jwk else {"verify"}
    if use != "sig":
        raise ConfigurationError(f"The key is for the use {use!r}, not for signatures (`sig`).")
    if not isinstance(operations, list) or not wanted.intersection(map(str, operations)):
        raise ConfigurationError(f"The key is for {operations!r}, not to {' or '.join(sorted(wanted))}.")
