"""Tenants and members, the trail and the counters."""

from typing import Any, ClassVar, Final

from django.db import migrations, models

from tenantkit.adapters.django.fields import tenant_id_field
from tenantkit.adapters.django.operations import CreateTables

__all__ = ["Migration"]

_TENANT: Final = """
CREATE TABLE tenantkit_tenant (
    id {{tenant_id}} NOT NULL,
    slug VARCHAR(63) NOT NULL,
    name VARCHAR(200) NOT NULL,
    status VARCHAR(16) NOT NULL,
    "plan" VARCHAR(64) NOT NULL,
    region VARCHAR(64),
    settings {document} NOT NULL,
    entry {document} NOT NULL,
    created_at {moment} NOT NULL,
    status_since {moment} NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT tenantkit_tenant_slug UNIQUE (slug)
)
"""
_TENANT_STATUS: Final = "CREATE INDEX tenantkit_tenant_status ON tenantkit_tenant (status, status_since)"
_SLUG: Final = """
CREATE TABLE tenantkit_slug (
    slug VARCHAR(63) NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    since {moment} NOT NULL,
    PRIMARY KEY (slug),
    FOREIGN KEY (tenant_id) REFERENCES tenantkit_tenant (id) ON DELETE CASCADE
)
"""
_SLUG_TENANT: Final = "CREATE INDEX tenantkit_slug_tenant ON tenantkit_slug (tenant_id)"
_MEMBERSHIP: Final = """
CREATE TABLE tenantkit_membership (
    tenant_id {{tenant_id}} NOT NULL,
    user_id VARCHAR(200) NOT NULL,
    roles {document} NOT NULL,
    permissions {document} NOT NULL,
    guest BOOLEAN NOT NULL,
    owner BOOLEAN NOT NULL,
    status VARCHAR(16) NOT NULL,
    invited_by VARCHAR(200),
    joined_at {moment} NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id) REFERENCES tenantkit_tenant (id) ON DELETE CASCADE
)
"""
_MEMBERSHIP_USER: Final = (
    "CREATE INDEX tenantkit_membership_user ON tenantkit_membership (user_id, tenant_id)"
)
_AUDIT_EVENT: Final = """
CREATE TABLE tenantkit_audit_event (
    id {uuid} NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    occurred_at {moment} NOT NULL,
    actor VARCHAR(200),
    actor_kind VARCHAR(16),
    impersonator VARCHAR(200),
    action VARCHAR(100) NOT NULL,
    target VARCHAR(300),
    outcome VARCHAR(16) NOT NULL,
    details {document} NOT NULL,
    request_id VARCHAR(100),
    PRIMARY KEY (id)
)
"""
_AUDIT_EVENT_TIME: Final = (
    "CREATE INDEX tenantkit_audit_event_time ON tenantkit_audit_event (tenant_id, occurred_at, id)"
)
_QUOTA_COUNTER: Final = """
CREATE TABLE tenantkit_quota_counter (
    tenant_id {{tenant_id}} NOT NULL,
    meter VARCHAR(64) NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, meter),
    CONSTRAINT tenantkit_quota_counter_used CHECK (used >= 0)
)
"""
_TYPES: Final = {
    "postgresql": {"moment": "TIMESTAMP WITH TIME ZONE", "document": "JSONB", "uuid": "UUID"},
    "sqlite": {"moment": "DATETIME", "document": "JSON", "uuid": "CHAR(32)"},
}
_STATEMENTS: Final = {
    vendor: [
        statement.format(**types) if "{" in statement else statement
        for statement in (
            *(_TENANT, _TENANT_STATUS, _SLUG, _SLUG_TENANT, _MEMBERSHIP, _MEMBERSHIP_USER),
            *(_AUDIT_EVENT, _AUDIT_EVENT_TIME, _QUOTA_COUNTER),
        )
    ]
    for vendor, types in _TYPES.items()
}
_TABLES: Final = [
    "tenantkit_tenant",
    "tenantkit_slug",
    "tenantkit_membership",
    "tenantkit_audit_event",
    "tenantkit_quota_counter",
]


class Migration(migrations.Migration):
    """Creates them."""

    initial = True
    dependencies: ClassVar[list[Any]] = []
    operations: ClassVar[list[Any]] = [
        migrations.SeparateDatabaseAndState(
            database_operations=[CreateTables(_TABLES, _STATEMENTS)],
            state_operations=[
                migrations.CreateModel(
                    name="Tenant",
                    fields=[
                        ("id", tenant_id_field(primary_key=True, serialize=False)),
                        ("slug", models.CharField(max_length=63)),
                        ("name", models.CharField(max_length=200)),
                        ("status", models.CharField(max_length=16)),
                        ("plan", models.CharField(max_length=64)),
                        ("region", models.CharField(max_length=64, null=True)),
                        ("settings", models.JSONField()),
                        ("entry", models.JSONField()),
                        ("created_at", models.DateTimeField()),
                        ("status_since", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "tenantkit_tenant",
                        "constraints": [
                            models.UniqueConstraint(fields=("slug",), name="tenantkit_tenant_slug"),
                        ],
                        "indexes": [
                            models.Index(fields=["status", "status_since"], name="tenantkit_tenant_status"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Slug",
                    fields=[
                        ("slug", models.CharField(max_length=63, primary_key=True, serialize=False)),
                        (
                            "tenant",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=models.deletion.CASCADE,
                                related_name="slugs",
                                to="tenantkit.tenant",
                            ),
                        ),
                        ("since", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "tenantkit_slug",
                        "indexes": [models.Index(fields=["tenant"], name="tenantkit_slug_tenant")],
                    },
                ),
                migrations.CreateModel(
                    name="Membership",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "tenant_id",
                                "user_id",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "tenant",
                            models.ForeignKey(
                                on_delete=models.deletion.CASCADE,
                                related_name="memberships",
                                to="tenantkit.tenant",
                            ),
                        ),
                        ("user_id", models.CharField(max_length=200)),
                        ("roles", models.JSONField()),
                        ("permissions", models.JSONField()),
                        ("guest", models.BooleanField()),
                        ("owner", models.BooleanField()),
                        ("status", models.CharField(max_length=16)),
                        ("invited_by", models.CharField(max_length=200, null=True)),
                        ("joined_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "tenantkit_membership",
                        "indexes": [
                            models.Index(fields=["user_id", "tenant_id"], name="tenantkit_membership_user"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AuditEvent",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("tenant_id", tenant_id_field()),
                        ("occurred_at", models.DateTimeField()),
                        ("actor", models.CharField(max_length=200, null=True)),
                        ("actor_kind", models.CharField(max_length=16, null=True)),
                        ("impersonator", models.CharField(max_length=200, null=True)),
                        ("action", models.CharField(max_length=100)),
                        ("target", models.CharField(max_length=300, null=True)),
                        ("outcome", models.CharField(max_length=16)),
                        ("details", models.JSONField()),
                        ("request_id", models.CharField(max_length=100, null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_audit_event",
                        "indexes": [
                            models.Index(
                                fields=["tenant_id", "occurred_at", "id"], name="tenantkit_audit_event_time"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="QuotaCounter",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "tenant_id",
                                "meter",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("tenant_id", tenant_id_field()),
                        ("meter", models.CharField(max_length=64)),
                        ("used", models.BigIntegerField()),
                    ],
                    options={
                        "db_table": "tenantkit_quota_counter",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("used__gte", 0)), name="tenantkit_quota_counter_used"
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
