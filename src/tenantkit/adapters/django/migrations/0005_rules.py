"""Roles of tenants, and what was granted to members."""

from typing import Any, ClassVar, Final

from django.db import migrations, models

from tenantkit.adapters.django.fields import tenant_id_field
from tenantkit.adapters.django.operations import CreateTables

__all__ = ["Migration"]

_RULEBOOK: Final = """
CREATE TABLE tenantkit_rulebook (
    tenant_id {{tenant_id}} NOT NULL,
    version INTEGER NOT NULL,
    has_grants BOOLEAN NOT NULL,
    changed_at {moment} NOT NULL,
    PRIMARY KEY (tenant_id)
)
"""
_ROLE: Final = """
CREATE TABLE tenantkit_role (
    id {uuid} NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    name VARCHAR(100) NOT NULL,
    current_name VARCHAR(100),
    definition {document} NOT NULL,
    defined_at {moment} NOT NULL,
    defined_by VARCHAR(200),
    ended_at {moment},
    ended_by VARCHAR(200),
    PRIMARY KEY (id),
    CONSTRAINT tenantkit_role_current UNIQUE (tenant_id, current_name)
)
"""
_GRANT: Final = """
CREATE TABLE tenantkit_grant (
    id {uuid} NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    user_id VARCHAR(200) NOT NULL,
    rule {document} NOT NULL,
    until {moment},
    delegated BOOLEAN NOT NULL,
    given_at {moment} NOT NULL,
    given_by VARCHAR(200),
    ended_at {moment},
    ended_by VARCHAR(200),
    PRIMARY KEY (id)
)
"""
_INDEXES: Final = ("CREATE INDEX tenantkit_grant_user ON tenantkit_grant (tenant_id, user_id)",)
_TYPES: Final = {
    "postgresql": {"moment": "TIMESTAMP WITH TIME ZONE", "document": "JSONB", "uuid": "UUID"},
    "sqlite": {"moment": "DATETIME", "document": "JSON", "uuid": "CHAR(32)"},
}
_STATEMENTS: Final = {
    vendor: [*(table.format(**types) for table in (_RULEBOOK, _ROLE, _GRANT)), *_INDEXES]
    for vendor, types in _TYPES.items()
}
_TABLES: Final = ["tenantkit_rulebook", "tenantkit_role", "tenantkit_grant"]


class Migration(migrations.Migration):
    """Creates them."""

    dependencies: ClassVar[list[Any]] = [("tenantkit", "0004_credentials")]
    operations: ClassVar[list[Any]] = [
        migrations.SeparateDatabaseAndState(
            database_operations=[CreateTables(_TABLES, _STATEMENTS)],
            state_operations=[
                migrations.CreateModel(
                    name="Rulebook",
                    fields=[
                        ("tenant_id", tenant_id_field(primary_key=True, serialize=False)),
                        ("version", models.IntegerField()),
                        ("has_grants", models.BooleanField()),
                        ("changed_at", models.DateTimeField()),
                    ],
                    options={"db_table": "tenantkit_rulebook"},
                ),
                migrations.CreateModel(
                    name="Role",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("tenant_id", tenant_id_field()),
                        ("name", models.CharField(max_length=100)),
                        ("current_name", models.CharField(max_length=100, null=True)),
                        ("definition", models.JSONField()),
                        ("defined_at", models.DateTimeField()),
                        ("defined_by", models.CharField(max_length=200, null=True)),
                        ("ended_at", models.DateTimeField(null=True)),
                        ("ended_by", models.CharField(max_length=200, null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_role",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("tenant_id", "current_name"), name="tenantkit_role_current"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Grant",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("tenant_id", tenant_id_field()),
                        ("user_id", models.CharField(max_length=200)),
                        ("rule", models.JSONField()),
                        ("until", models.DateTimeField(null=True)),
                        ("delegated", models.BooleanField()),
                        ("given_at", models.DateTimeField()),
                        ("given_by", models.CharField(max_length=200, null=True)),
                        ("ended_at", models.DateTimeField(null=True)),
                        ("ended_by", models.CharField(max_length=200, null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_grant",
                        "indexes": [
                            models.Index(fields=["tenant_id", "user_id"], name="tenantkit_grant_user")
                        ],
                    },
                ),
            ],
        ),
    ]
