"""Configuration: one frozen object, read from arguments or from ``TENANTKIT_*``; unknown keys are refused."""

import os
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tenantkit.exceptions import ConfigurationError

__all__ = ["Settings"]

_PREFIX = "TENANTKIT_"
_OF_TESTS = "TENANTKIT_TEST_"  # read by tenantkit.testing, not by an application


class Settings(BaseSettings):
    """
    Everything the kit needs to know from outside.

    Args:
        database_url: SQLAlchemy URL of the role that the application works as.
        owner_database_url: URL of the role that owns the tables: it creates them and opens unscoped sessions.
            Defaults to ``database_url``.
        token_secret: key of the HMAC that signs access tokens, at least as long as its hash. An application that signs
            with a key pair gives ``Trust(keys=...)`` instead.
        token_previous_secrets: secrets of before, whose tokens are still good until they expire. As a variable of the
            environment it is a JSON list.
        token_algorithm: the algorithm that goes with the secrets.
        token_issuer: value of ``iss``.
        token_audience: value of ``aud``.
        token_lifetime: seconds until an access token expires.
        token_leeway: seconds of clock difference that are forgiven.
        token_cache_size: how many tokens are remembered as verified, so that a signature is checked once; time and
            revocation are checked each time. 0 remembers none.
        api_key_prefix: what the API keys of the application begin with, so that people and scanners know them: 2 to 32
            letters, digits and underscores.
        login_lifetime: seconds after which a login ends, however much it is used.
        login_idle_lifetime: seconds after which a login ends that is not refreshed.
        refresh_grace: seconds for which a refresh token that is sent again gets the same answer.
        revocation_lag: seconds after which a login that was ended in another process is known in this one at the
            latest; where there is Redis, it is told at once. 0 asks the database at each request with a token of a
            login.
        directory_cache_lifetime: seconds for which a tenant or membership that was found is not looked up again, while
            nobody tells what other processes change. A change through the directory is seen by this process at once, by
            others after these seconds. 0 looks up at each request.
        directory_cache_size: how many tenants and memberships are remembered.
        tenant_cache_lifetime: the same for a tenant, while Redis tells what other processes change.
        member_cache_lifetime: the same for a membership or an API key, while Redis tells.
        missing_cache_lifetime: seconds for which a tenant or membership that was not found is not looked up again.
        regions: the regions whose tenants are served here; any, if there are none. As a variable of the environment it
            is a JSON list.
        redis_url: URL of the Redis server, if the application has one.
        redis_prefix: what the names of all keys and channels in Redis begin with; one for each application.
        tenant_id_type: the type of tenant ids in this application.
        owner_role: the role whose last holder cannot leave a tenant.
        reserved_domains: domains of the application's own, which no tenant can bring. As a variable of the environment
            it is a JSON list.
        reserved_slugs: slugs that no tenant can have. As a variable of the environment it is a JSON list.
        sealing_keys: Fernet keys for the secrets in tenants' settings; the first seals, all open. As a variable of the
            environment it is a JSON list.
        strict_slugs: whether a tenant's slug has to be the one that is made of its name.
        trusted_hops: how many proxies of your own stand before the server, each of which adds to ``X-Forwarded-For``.
            0 believes the address that the server was called from.
        unscoped_sessions: whether ``unscoped_session`` may be used at all.
        policies: whether the tables have row level security (PostgreSQL): each transaction then tells the database
            its scope, in one statement.

    Raises:
        ConfigurationError: a value is missing or wrong, or a key (or a ``TENANTKIT_*`` variable) is unknown. The
            message names each; values of secrets are never shown.

    .. versionadded:: 0.1
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True
    )

    database_url: SecretStr
    owner_database_url: SecretStr | None = None
    token_secret: SecretStr | None = None
    token_previous_secrets: tuple[SecretStr, ...] = ()
    token_algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"  # noqa: S105 - the name of an algorithm
    token_issuer: str = "tenantkit"  # noqa: S105
    token_audience: str = "tenantkit"  # noqa: S105
    token_lifetime: int = Field(default=900, ge=1, le=86_400)
    token_leeway: int = Field(default=0, ge=0, le=300)
    token_cache_size: int = Field(default=10_000, ge=0)
    api_key_prefix: str = Field(default="tka", pattern=r"^[a-z][a-z0-9_]{0,30}[a-z0-9]$")
    login_lifetime: float = Field(default=30 * 86_400, gt=0, allow_inf_nan=False)
    login_idle_lifetime: float = Field(default=7 * 86_400, gt=0, allow_inf_nan=False)
    refresh_grace: float = Field(default=10, ge=0, allow_inf_nan=False)
    revocation_lag: float = Field(default=10, ge=0, allow_inf_nan=False)
    directory_cache_lifetime: float = Field(default=10, ge=0, allow_inf_nan=False)
    directory_cache_size: int = Field(default=10_000, ge=0)
    tenant_cache_lifetime: float = Field(default=900, ge=0, allow_inf_nan=False)
    member_cache_lifetime: float = Field(default=300, ge=0, allow_inf_nan=False)
    missing_cache_lifetime: float = Field(default=2, ge=0, allow_inf_nan=False)
    regions: tuple[str, ...] = ()
    redis_url: SecretStr | None = None
    redis_prefix: str = Field(default="tenantkit", pattern=r"^[a-z0-9_.-]{1,60}$")
    tenant_id_type: Literal["uuid", "int", "str"] = "uuid"
    owner_role: str = Field(default="owner", min_length=1)
    reserved_domains: tuple[str, ...] = ()
    reserved_slugs: tuple[str, ...] = ("www", "api")
    sealing_keys: tuple[SecretStr, ...] = ()
    strict_slugs: bool = False
    trusted_hops: int = Field(default=0, ge=0, le=10)
    unscoped_sessions: bool = True
    policies: bool = False

    def __init__(self, **values: Any) -> None:
        _refuse_unknown_variables(type(self))
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigurationError(_explain(error)) from None  # the chain would show the input

    @model_validator(mode="after")
    def _secrets_are_long_enough(self) -> Self:
        size = int(self.token_algorithm[2:]) // 8
        secrets = {"token_secret": self.token_secret} | {
            f"token_previous_secrets.{place}": secret
            for place, secret in enumerate(self.token_previous_secrets)
        }
        for name, secret in secrets.items():
            if secret is not None and len(secret.get_secret_value().encode()) < size:
                raise ValueError(
                    f"{name} must have at least {size} bytes for {self.token_algorithm} (RFC 7518, 3.2); "
                    'make one with `python -c "import secrets; print(secrets.token_urlsafe(64))"`'
                )
        return self


def _refuse_unknown_variables(settings: type[Settings]) -> None:
    known = {f"{_PREFIX}{name}".upper() for name in settings.model_fields}
    unknown = sorted(
        name
        for name in os.environ
        if (upper := name.upper()).startswith(_PREFIX)
        and not upper.startswith(_OF_TESTS)
        and upper not in known
    )
    if unknown:
        raise ConfigurationError(
            f"Unknown setting in the environment: {', '.join(unknown)}. Known are {', '.join(sorted(known))}."
        )


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"])
        lines.append(f"{name}: {problem['msg']}" if name else problem["msg"])
    return "Settings are not usable: " + "; ".join(lines) + f". Set them as arguments or as {_PREFIX}<NAME>."
