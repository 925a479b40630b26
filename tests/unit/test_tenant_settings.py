"""What an application keeps of each tenant."""

import json
from dataclasses import replace
from datetime import date

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from tenantkit import Tenant, new_id
from tenantkit.directory import TenantSettings
from tenantkit.exceptions import ConfigurationError

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
ACME, BOLT = Tenant(new_id(), "acme"), Tenant(new_id(), "bolt")


class Mail(BaseModel):
    host: str = "localhost"
    password: SecretStr = SecretStr("")


class App(BaseModel):
    theme: str = "light"
    since: date = date(2026, 1, 1)
    licences: list[str] = Field(default_factory=list)
    mail: Mail = Mail()
    keys: dict[str, SecretStr] = Field(default_factory=dict)


FULL = App(
    theme="dark",
    licences=["FL", "GA"],
    mail=Mail(host="mx", password=SecretStr("hunter2")),
    keys={"maps": SecretStr("m-1"), "$sealed": SecretStr("odd")},
)


def kept(settings, value=FULL, tenant=ACME):
    """Return a tenant whose settings went through the database."""
    return replace(tenant, settings=json.loads(json.dumps(settings.write(tenant, value))))


def test_settings_go_there_and_back():
    """What was written is read, by its types."""
    settings = TenantSettings(App, [NEW])
    assert FULL == settings.read(kept(settings))
    odd = App(keys={"$sealed": SecretStr("odd")})
    assert odd == settings.read(kept(settings, odd))


def test_a_new_tenant_has_the_defaults():
    """And one whose settings are older than a field has its default there."""
    settings = TenantSettings(App, [NEW])
    assert App() == settings.read(ACME)
    assert App(theme="dark") == settings.read(replace(ACME, settings={"theme": "dark"}))


def test_secrets_are_sealed():
    """What is kept shows none of them, what is read shows them to who asks, and no tenant's repr shows settings."""
    settings = TenantSettings(App, [NEW])
    tenant = kept(settings)
    shown = repr(tenant) + repr(tenant.settings) + repr(settings.read(tenant)) + repr(settings)
    assert not any(secret in shown for secret in ("hunter2", "m-1", NEW))
    assert "hunter2" == settings.read(tenant).mail.password.get_secret_value()


def test_keys_are_changed():
    """The first key seals and all open; what was written again needs the new one alone."""
    before, both, after = (TenantSettings(App, keys) for keys in ([OLD], [NEW, OLD], [NEW]))
    tenant = kept(before)
    assert FULL == both.read(tenant)
    with pytest.raises(ConfigurationError, match=r"secret\.mail\.password of 'acme' does not open"):
        after.read(tenant)
    assert FULL == after.read(kept(both, both.read(tenant)))


def test_a_secret_opens_for_its_tenant_alone():
    """Moved to another tenant's row, it does not open there."""
    settings = TenantSettings(App, [NEW])
    moved = replace(BOLT, settings=kept(settings).settings)
    with pytest.raises(ConfigurationError, match="sealed for another tenant"):
        settings.read(moved)


@pytest.mark.parametrize("sealed", ["", "nonsense", "gAAAAA", 7, None, ["x"]], ids=repr)
def test_what_was_changed_does_not_open(sealed):
    """A sealed text that was changed is an error that shows nothing of it."""
    with pytest.raises(ConfigurationError, match="does not open"):
        TenantSettings(App, [NEW]).read(replace(ACME, settings={"mail": {"password": {"$sealed": sealed}}}))


def test_what_does_not_fit_is_named_without_its_value():
    """The place and the reason are in the message, the value is not."""
    with pytest.raises(ConfigurationError) as caught:
        TenantSettings(App, [NEW]).read(replace(ACME, settings={"since": "hunter2", "mail": {"host": ["x"]}}))
    assert "since" in caught.value.message
    assert "mail.host" in caught.value.message
    assert "hunter2" not in caught.value.message


class NoDefault(BaseModel):
    theme: str


class Plain(BaseModel):
    theme: str = "light"
    anything: object = None


def test_wrong_configuration_is_refused_at_the_start():
    """A model without defaults, secrets without a key, and a key that is none."""
    for make, words in (
        (lambda: TenantSettings(NoDefault), "without a default: theme"),
        (lambda: TenantSettings(App), "no key to seal"),
        (lambda: TenantSettings(Mail), "no key to seal"),
        (lambda: TenantSettings(Plain, ["short"]), "no Fernet key"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            make()


def test_a_secret_that_shows_only_in_the_value():
    """Without a key it is not written in the clear."""
    with pytest.raises(ConfigurationError, match="no key"):
        TenantSettings(Plain).write(ACME, Plain(anything=SecretStr("hunter2")))


@given(st.text(), st.dictionaries(st.text() | st.just("$sealed") | st.just("$"), st.text(), max_size=2))
def test_any_text_is_a_secret(password, keys):
    """Whatever a secret is, it is read as it was written."""
    settings = TenantSettings(App, [NEW])
    value = App(
        mail=Mail(password=SecretStr(password)), keys={name: SecretStr(key) for name, key in keys.items()}
    )
    assert value == settings.read(kept(settings, value))
