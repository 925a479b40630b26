"""Database URLs that cannot work are refused when the kit is made."""

import pytest
from sqlalchemy import MetaData

from tenantkit import Settings, TenantKit
from tenantkit.exceptions import ConfigurationError
from tenantkit.quotas import Plans
from tenantkit.rbac import Matrix
from tenantkit.resolution import TokenClaim, agree

SECRET = "a secret of the tests, long enough for HS256"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "no url, and a secret pa55"])
def test_a_database_that_cannot_work_is_refused_at_start(url):
    """SQLite in memory has another database on each connection, and what is no URL is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        TenantKit(
            Settings(database_url=url, token_secret=SECRET),
            metadata=MetaData(),
            resolve=agree(TokenClaim("org")),
            roles=Matrix({}, {}),
            plans=Plans(),
        )
    assert "sqlite:///app.db" in str(caught.value)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite:///app.db", "mariadb+pymysql://app:pa55@localhost/app"])
def test_policies_without_postgresql_are_refused_at_start(url):
    """A setting that the database cannot keep is an error when the kit is made, not at the first request."""
    settings = Settings(database_url=url, token_secret=SECRET, policies=True)
    with pytest.raises(ConfigurationError, match="needs PostgreSQL") as caught:
        TenantKit(settings, metadata=MetaData(), resolve=agree(TokenClaim("org")))
    assert "pa55" not in str(caught.value)
