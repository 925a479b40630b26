"""What an application keeps of each tenant, as a model with types, defaults and secrets that are sealed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import to_jsonable_python

from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import ConfigurationError, DependencyMissing

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["TenantSettings"]

Model = TypeVar("Model", bound=BaseModel)
_SEALED: Final = "$sealed"
_MAKE: Final = "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"


class TenantSettings(Generic[Model]):
    """
    Reads and writes ``Tenant.settings`` by a pydantic model of the application's.

    Values of ``SecretStr`` are sealed: encrypted and signed by the first key of the ring (Fernet: AES-128-CBC and
    HMAC-SHA-256), together with the tenant's id, so that a sealed text that was moved to another tenant's row opens as
    little as a changed one.

    Args:
        model: the model; every field has a default, so that a new tenant has settings.
        keys: Fernet keys; the first seals, all open. To change keys, put the new one first, write the settings of each
            tenant again, and drop the old one.

    Raises:
        ConfigurationError: a field has no default, the model has secrets and there is no key, or a key is none.
        DependencyMissing: there are keys, and ``cryptography`` is not installed.

    .. versionadded:: 0.1
    """

    def __init__(self, model: type[Model], keys: Sequence[str] = ()) -> None:
        self.model = model
        try:
            model()
        except ValidationError as error:
            raise ConfigurationError(
                f"{model.__name__} has fields without a default: {_places(error)}. A new tenant has no settings yet."
            ) from None
        if not keys and _has_secrets(model):
            raise ConfigurationError(
                f"{model.__name__} has secrets, and there is no key to seal them with. Give the setting "
                f'`sealing_keys`; make a key with `python -c "{_MAKE}"`.'
            )
        self._ring = _ring_of(keys) if keys else None

    def read(self, tenant: Tenant) -> Model:
        """
        Return a tenant's settings, with defaults for what is not kept.

        Raises:
            ConfigurationError: what is kept does not fit the model, or a secret does not open: its key is not in the
                ring, or it was made for another tenant. No value is shown.
        """
        try:
            return self.model.model_validate(self._opened(tenant, tenant.settings, ""))
        except ValidationError as error:
            raise ConfigurationError(
                f"The settings of {tenant.slug!r} do not fit {self.model.__name__}: {_places(error)}. Write them again."
            ) from None

    def write(self, tenant: Tenant, settings: Model) -> dict[str, Any]:
        """
        Return settings as they are kept: JSON-able, secrets sealed; for ``change_tenant(settings=...)``.

        What has its default is kept, too, so that another default does not change what a tenant has.
        """
        written: dict[str, Any] = self._sealed(tenant, settings.model_dump(mode="python"))
        return written

    def _sealed(self, tenant: Tenant, value: Any) -> Any:
        if isinstance(value, SecretStr):
            if self._ring is None:  # of a type that only shows in the value
                raise ConfigurationError(
                    f"{self.model.__name__} holds a secret, and there is no key to seal it with."
                )
            text = f"{tenant.id}\n{value.get_secret_value()}"
            return {_SEALED: self._ring.encrypt(text.encode()).decode()}
        if isinstance(value, Mapping):
            return {_escaped(str(name)): self._sealed(tenant, member) for name, member in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._sealed(tenant, member) for member in value]
        return to_jsonable_python(value)

    def _opened(self, tenant: Tenant, value: Any, place: str) -> Any:
        if isinstance(value, Mapping):
            if value.keys() == {_SEALED}:
                return self._open(tenant, value[_SEALED], place)
            return {
                name.removeprefix("$"): self._opened(tenant, member, f"{place}.{name}")
                for name, member in value.items()
            }
        if isinstance(value, list):
            return [self._opened(tenant, member, f"{place}.{number}") for number, member in enumerate(value)]
        return value

    def _open(self, tenant: Tenant, text: object, place: str) -> str:
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - an extra

        where = f"The secret{place} of {tenant.slug!r}"
        try:
            if self._ring is None or not isinstance(text, str):
                raise InvalidToken  # noqa: TRY301 - the same refusal as the ring's own
            owner, _, secret = self._ring.decrypt(text.encode()).decode().partition("\n")
        except InvalidToken:
            raise ConfigurationError(
                f"{where} does not open: it was changed, or the key that sealed it is not in `sealing_keys`."
            ) from None
        if owner != str(tenant.id):
            raise ConfigurationError(f"{where} was sealed for another tenant.")
        return secret


def _escaped(name: str) -> str:
    return f"${name}" if name.startswith("$") else name


def _ring_of(keys: Sequence[str]) -> "MultiFernet":
    try:
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise DependencyMissing(
            "Sealing secrets needs cryptography: pip install 'tenantkit[crypto]'."
        ) from error
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ConfigurationError(
            f'One of `sealing_keys` is no Fernet key. Make one with `python -c "{_MAKE}"`.'
        ) from None


def _has_secrets(kind: object) -> bool:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return any(_has_secrets(field.annotation) for field in kind.model_fields.values())
    return kind is SecretStr or any(map(_has_secrets, get_args(kind)))


def _places(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
