"""API keys, share links and lockouts."""

from typing import Any, ClassVar, Final

from django.db import migrations, models

from tenantkit.adapters.django.fields import tenant_id_field
from tenantkit.adapters.django.operations import CreateTables

__all__ = ["Migration"]

_API_KEY: Final = """
CREATE TABLE tenantkit_api_key (
    id {uuid} NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    digest VARCHAR(64) NOT NULL,
    hint VARCHAR(40) NOT NULL,
    name VARCHAR(200) NOT NULL,
    user_id VARCHAR(200),
    roles {document} NOT NULL,
    permissions {document},
    created_by VARCHAR(200),
    created_at {moment} NOT NULL,
    expires_at {moment},
    last_used_at {moment},
    revoked_at {moment},
    PRIMARY KEY (id),
    CONSTRAINT tenantkit_api_key_digest UNIQUE (digest)
)
"""
_SHARE_LINK: Final = """
CREATE TABLE tenantkit_share_link (
    id {uuid} NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    digest VARCHAR(64) NOT NULL,
    resource VARCHAR(300) NOT NULL,
    level VARCHAR(32) NOT NULL,
    email VARCHAR(320),
    shared_by VARCHAR(200),
    created_at {moment} NOT NULL,
    expires_at {moment} NOT NULL,
    max_uses INTEGER,
    uses INTEGER NOT NULL,
    last_used_at {moment},
    revoked_at {moment},
    PRIMARY KEY (id),
    CONSTRAINT tenantkit_share_link_digest UNIQUE (digest)
)
"""
_LOCKOUT: Final = """
CREATE TABLE tenantkit_lockout (
    subject VARCHAR(64) NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    attempts INTEGER NOT NULL,
    last_at {moment} NOT NULL,
    PRIMARY KEY (subject)
)
"""
_INDEXES: Final = (
    "CREATE INDEX tenantkit_api_key_tenant ON tenantkit_api_key (tenant_id)",
    "CREATE INDEX tenantkit_share_link_resource ON tenantkit_share_link (tenant_id, resource)",
    "CREATE INDEX tenantkit_share_link_expiry ON tenantkit_share_link (expires_at)",
    "CREATE INDEX tenantkit_lockout_last ON tenantkit_lockout (last_at)",
)
_TYPES: Final = {
    "postgresql": {"moment": "TIMESTAMP WITH TIME ZONE", "document": "JSONB", "uuid": "UUID"},
    "sqlite": {"moment": "DATETIME", "document": "JSON", "uuid": "CHAR(32)"},
}
_STATEMENTS: Final = {
    vendor: [*(table.format(**types) for table in (_API_KEY, _SHARE_LINK, _LOCKOUT)), *_INDEXES]
    for vendor, types in _TYPES.items()
}
_TABLES: Final = ["tenantkit_api_key", "tenantkit_share_link", "tenantkit_lockout"]


class Migration(migrations.Migration):
    """Creates them."""

    dependencies: ClassVar[list[Any]] = [("tenantkit", "0003_logins")]
    operations: ClassVar[list[Any]] = [
        migrations.SeparateDatabaseAndState(
            database_operations=[CreateTables(_TABLES, _STATEMENTS)],
            state_operations=[
                migrations.CreateModel(
                    name="ApiKey",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("tenant_id", tenant_id_field()),
                        ("digest", models.CharField(max_length=64)),
                        ("hint", models.CharField(max_length=40)),
                        ("name", models.CharField(max_length=200)),
                        ("user_id", models.CharField(max_length=200, null=True)),
                        ("roles", models.JSONField()),
                        ("permissions", models.JSONField(null=True)),
                        ("created_by", models.CharField(max_length=200, null=True)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField(null=True)),
                        ("last_used_at", models.DateTimeField(null=True)),
                        ("revoked_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_api_key",
                        "constraints": [
                            models.UniqueConstraint(fields=("digest",), name="tenantkit_api_key_digest"),
                        ],
                        "indexes": [models.Index(fields=["tenant_id"], name="tenantkit_api_key_tenant")],
                    },
                ),
                migrations.CreateModel(
                    name="ShareLink",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("tenant_id", tenant_id_field()),
                        ("digest", models.CharField(max_length=64)),
                        ("resource", models.CharField(max_length=300)),
                        ("level", models.CharField(max_length=32)),
                        ("email", models.CharField(max_length=320, null=True)),
                        ("shared_by", models.CharField(max_length=200, null=True)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("max_uses", models.IntegerField(null=True)),
                        ("uses", models.IntegerField()),
                        ("last_used_at", models.DateTimeField(null=True)),
                        ("revoked_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_share_link",
                        "constraints": [
                            models.UniqueConstraint(fields=("digest",), name="tenantkit_share_link_digest"),
                        ],
                        "indexes": [
                            models.Index(
                                fields=["tenant_id", "resource"], name="tenantkit_share_link_resource"
                            ),
                            models.Index(fields=["expires_at"], name="tenantkit_share_link_expiry"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Lockout",
                    fields=[
                        ("subject", models.CharField(max_length=64, primary_key=True, serialize=False)),
                        ("tenant_id", tenant_id_field()),
                        ("attempts", models.IntegerField()),
                        ("last_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "tenantkit_lockout",
                        "indexes": [models.Index(fields=["last_at"], name="tenantkit_lockout_last")],
                    },
                ),
            ],
        ),
    ]
