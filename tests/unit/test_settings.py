"""Configuration: read once, frozen, and silent about secrets."""

import pytest
from pydantic import SecretStr

from tenantkit import Settings
from tenantkit.exceptions import ConfigurationError

SECRET = "a-secret-of-thirty-two-bytes-long"
PASSWORD = "hunter2-of-the-database"
URL = f"postgresql+psycopg://app:{PASSWORD}@db.example.com/app"
GOOD = {"database_url": URL, "token_secret": SECRET}


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch):
    import os

    for name in os.environ:
        if name.upper().startswith("TENANTKIT_") and not name.startswith("TENANTKIT_TEST_"):
            monkeypatch.delenv(name)


def refused(**values):
    """Return the message with which settings are refused."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(**values)
    return caught.value.message


def test_two_settings_are_enough():
    """A database and a secret make an application; the rest has defaults that are stated here."""
    settings = Settings(**GOOD)
    expected = ("HS256", "tenantkit", "tenantkit", 900, 0, "uuid", True, None)
    assert expected == (
        settings.token_algorithm,
        settings.token_issuer,
        settings.token_audience,
        settings.token_lifetime,
        settings.token_leeway,
        settings.tenant_id_type,
        settings.unscoped_sessions,
        settings.owner_database_url,
    )


def test_settings_are_frozen():
    """A setting cannot be changed afterwards."""
    settings = Settings(**GOOD)
    with pytest.raises(ValueError, match="frozen"):
        settings.token_lifetime = 10


def test_settings_come_from_the_environment(monkeypatch):
    """`TENANTKIT_<NAME>` sets what no argument sets; an argument wins."""
    monkeypatch.setenv("TENANTKIT_DATABASE_URL", URL)
    monkeypatch.setenv("TENANTKIT_TOKEN_SECRET", SECRET)
    monkeypatch.setenv("TENANTKIT_TOKEN_LIFETIME", "60")
    monkeypatch.setenv("TENANTKIT_TOKEN_ISSUER", "from outside")
    settings = Settings(token_issuer="an argument")
    assert (URL, 60, "an argument") == (
        settings.database_url.get_secret_value(),
        settings.token_lifetime,
        settings.token_issuer,
    )


def test_unknown_arguments_are_refused():
    """A misspelt argument is refused by its name; its value, which may be a secret, is not shown."""
    message = refused(**GOOD, tokn_secret="misplaced-secret")
    assert "tokn_secret" in message
    assert "misplaced-secret" not in message


def test_unknown_variables_are_refused(monkeypatch):
    """A misspelt variable is refused by its name, with the known ones; its value is not shown."""
    monkeypatch.setenv("TENANTKIT_TOKN_SECRET", "misplaced-secret")
    message = refused(**GOOD)
    assert "TENANTKIT_TOKN_SECRET" in message
    assert "TENANTKIT_TOKEN_SECRET" in message
    assert "misplaced-secret" not in message


def test_unknown_variables_are_refused_in_any_case(monkeypatch):
    """Variables are read in any case, so a misspelt one in lower case is refused as well."""
    monkeypatch.setenv("tenantkit_tokn_secret", "misplaced-secret")
    assert "tenantkit_tokn_secret" in refused(**GOOD)


def test_variables_of_the_tests_are_left_alone(monkeypatch):
    """`TENANTKIT_TEST_*` belongs to tenantkit.testing and does not disturb an application."""
    monkeypatch.setenv("TENANTKIT_TEST_POSTGRES_URL", "postgresql://somewhere")
    monkeypatch.setenv("TENANTKIT_TEST_ANYTHING", "1")
    assert SECRET == Settings(**GOOD).token_secret.get_secret_value()


@pytest.mark.parametrize("missing", ["database_url"])
def test_what_is_missing_is_named(missing):
    """A setting without a default that is missing is named, and both ways to set it."""
    message = refused(**{name: value for name, value in GOOD.items() if name != missing})
    assert f"{missing}: Field required" in message
    assert "as arguments or as TENANTKIT_<NAME>" in message


@pytest.mark.parametrize(
    "show", [repr, str, lambda it: it.model_dump_json(), lambda it: f"{it.model_dump()}"]
)
def test_secrets_are_never_shown(show):
    """No way to print the settings shows the secret or a database's password."""
    shown = show(Settings(**GOOD, owner_database_url=URL.replace("app:", "owner:")))
    assert SECRET not in shown
    assert PASSWORD not in shown


WRONG = {
    "lifetime of no number": {"token_lifetime": "hunter2"},
    "lifetime of 0": {"token_lifetime": 0},
    "lifetime of more than a day": {"token_lifetime": 86_401},
    "leeway below 0": {"token_leeway": -1},
    "leeway of more than five minutes": {"token_leeway": 301},
    "no algorithm": {"token_algorithm": "none"},
    "asymmetric algorithm": {"token_algorithm": "RS256"},
    "unknown type of ids": {"tenant_id_type": "float"},
    "secret of no text": {"token_secret": 42},
    "url of no text": {"database_url": [URL]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_values_are_refused(wrong):
    """A wrong value is refused under its setting's name, before anything runs; no value is repeated."""
    message = refused(**GOOD | wrong)
    (name,) = wrong
    assert f"{name}:" in message
    assert not [value for value in (SECRET, PASSWORD, "hunter2") if value in message]


@pytest.mark.parametrize(
    ("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)], ids=["HS256", "HS384", "HS512"]
)
def test_short_secrets_are_refused(algorithm, size):
    """A secret has as many bytes as the hash it keys (RFC 7518, 3.2); a shorter one is refused, unseen."""
    short = "s" * (size - 1)
    message = refused(**GOOD | {"token_secret": short, "token_algorithm": algorithm})
    assert f"at least {size} bytes for {algorithm}" in message
    assert short not in message
    previous = {"token_secret": "s" * size, "token_previous_secrets": ["p" * size, short]}
    assert "token_previous_secrets.1" in refused(**GOOD | previous | {"token_algorithm": algorithm})
    enough = Settings(**GOOD | {"token_secret": "s" * size, "token_algorithm": algorithm})
    assert algorithm == enough.token_algorithm


def test_bytes_are_counted_and_not_characters():
    """A secret of 16 characters that take two bytes each has 32 bytes."""
    assert "ä" * 16 == Settings(**GOOD | {"token_secret": "ä" * 16}).token_secret.get_secret_value()


def test_the_cause_hides_the_input():
    """Neither the cause nor the context of a refusal carries what pydantic was given."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(**GOOD | {"token_secret": "short-secret"})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_secret_may_be_wrapped_already():
    """A `SecretStr` is taken as it is."""
    assert SECRET == Settings(**GOOD | {"token_secret": SecretStr(SECRET)}).token_secret.get_secret_value()
