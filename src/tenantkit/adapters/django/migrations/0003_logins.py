"""Logins and their refresh tokens."""

from typing import Any, ClassVar, Final

from django.db import migrations, models

from tenantkit.adapters.django.fields import tenant_id_field
from tenantkit.adapters.django.operations import CreateTables

__all__ = ["Migration"]

_LOGIN: Final = """
CREATE TABLE tenantkit_login (
    id {uuid} NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    user_id VARCHAR(200) NOT NULL,
    claims {document} NOT NULL,
    device VARCHAR(200),
    client VARCHAR(64),
    user_agent VARCHAR(300),
    created_at {moment} NOT NULL,
    last_used_at {moment} NOT NULL,
    idle_until {moment} NOT NULL,
    expires_at {moment} NOT NULL,
    revoked_at {moment},
    revoked_because VARCHAR(32),
    PRIMARY KEY (id)
)
"""
_LOGIN_USER: Final = "CREATE INDEX tenantkit_login_user ON tenantkit_login (user_id, tenant_id)"
_LOGIN_IDLE: Final = "CREATE INDEX tenantkit_login_idle ON tenantkit_login (idle_until)"
_LOGIN_REVOKED: Final = "CREATE INDEX tenantkit_login_revoked ON tenantkit_login (revoked_at)"
_REFRESH: Final = """
CREATE TABLE tenantkit_refresh_token (
    digest VARCHAR(64) NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    login_id {uuid} NOT NULL,
    issued_at {moment} NOT NULL,
    used_at {moment},
    salt VARCHAR(64),
    access_token_id VARCHAR(36),
    PRIMARY KEY (digest),
    FOREIGN KEY (login_id) REFERENCES tenantkit_login (id) ON DELETE CASCADE
)
"""
_REFRESH_INDEX: Final = "CREATE INDEX tenantkit_refresh_token_login ON tenantkit_refresh_token (login_id)"
_TYPES: Final = {
    "postgresql": {"moment": "TIMESTAMP WITH TIME ZONE", "document": "JSONB", "uuid": "UUID"},
    "sqlite": {"moment": "DATETIME", "document": "JSON", "uuid": "CHAR(32)"},
}
_STATEMENTS: Final = {
    vendor: [
        *(_LOGIN.format(**types), _LOGIN_USER, _LOGIN_IDLE, _LOGIN_REVOKED),
        *(_REFRESH.format(**types), _REFRESH_INDEX),
    ]
    for vendor, types in _TYPES.items()
}


class Migration(migrations.Migration):
    """Creates them."""

    dependencies: ClassVar[list[Any]] = [("tenantkit", "0002_directory")]
    operations: ClassVar[list[Any]] = [
        migrations.SeparateDatabaseAndState(
            database_operations=[CreateTables(["tenantkit_login", "tenantkit_refresh_token"], _STATEMENTS)],
            state_operations=[
                migrations.CreateModel(
                    name="Login",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("tenant_id", tenant_id_field()),
                        ("user_id", models.CharField(max_length=200)),
                        ("claims", models.JSONField()),
                        ("device", models.CharField(max_length=200, null=True)),
                        ("client", models.CharField(max_length=64, null=True)),
                        ("user_agent", models.CharField(max_length=300, null=True)),
                        ("created_at", models.DateTimeField()),
                        ("last_used_at", models.DateTimeField()),
                        ("idle_until", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(null=True)),
                        ("revoked_because", models.CharField(max_length=32, null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_login",
                        "indexes": [
                            models.Index(fields=["user_id", "tenant_id"], name="tenantkit_login_user"),
                            models.Index(fields=["idle_until"], name="tenantkit_login_idle"),
                            models.Index(fields=["revoked_at"], name="tenantkit_login_revoked"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RefreshToken",
                    fields=[
                        ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                        ("tenant_id", tenant_id_field()),
                        (
                            "login",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=models.deletion.CASCADE,
                                related_name="refresh_tokens",
                                to="tenantkit.login",
                            ),
                        ),
                        ("issued_at", models.DateTimeField()),
                        ("used_at", models.DateTimeField(null=True)),
                        ("salt", models.CharField(max_length=64, null=True)),
                        ("access_token_id", models.CharField(max_length=36, null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_refresh_token",
                        "indexes": [models.Index(fields=["login"], name="tenantkit_refresh_token_login")],
                    },
                ),
            ],
        ),
    ]
