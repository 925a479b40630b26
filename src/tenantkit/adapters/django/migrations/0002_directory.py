"""Invitations, domains and workspaces of the directory."""

from typing import Any, ClassVar, Final

from django.db import migrations, models

from tenantkit.adapters.django.operations import CreateTables

__all__ = ["Migration"]

_INVITATION: Final = """
CREATE TABLE tenantkit_invitation (
    id {uuid} NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    digest VARCHAR(64) NOT NULL,
    email VARCHAR(320) NOT NULL,
    roles {document} NOT NULL,
    guest BOOLEAN NOT NULL,
    invited_by VARCHAR(200),
    created_at {moment} NOT NULL,
    expires_at {moment} NOT NULL,
    sent INTEGER NOT NULL,
    accepted_at {moment},
    accepted_by VARCHAR(200),
    revoked_at {moment},
    PRIMARY KEY (id),
    CONSTRAINT tenantkit_invitation_digest UNIQUE (digest),
    FOREIGN KEY (tenant_id) REFERENCES tenantkit_tenant (id) ON DELETE CASCADE
)
"""
_INVITATION_TENANT: Final = (
    "CREATE INDEX tenantkit_invitation_tenant ON tenantkit_invitation (tenant_id, email)"
)
_INVITATION_EXPIRY: Final = "CREATE INDEX tenantkit_invitation_expiry ON tenantkit_invitation (expires_at)"
_DOMAIN: Final = """
CREATE TABLE tenantkit_domain (
    tenant_id {{tenant_id}} NOT NULL,
    name VARCHAR(253) NOT NULL,
    challenge VARCHAR(64) NOT NULL,
    created_at {moment} NOT NULL,
    verified_at {moment},
    verified_name VARCHAR(253),
    PRIMARY KEY (tenant_id, name),
    CONSTRAINT tenantkit_domain_verified UNIQUE (verified_name),
    FOREIGN KEY (tenant_id) REFERENCES tenantkit_tenant (id) ON DELETE CASCADE
)
"""
_WORKSPACE: Final = """
CREATE TABLE tenantkit_workspace (
    id {uuid} NOT NULL,
    tenant_id {{tenant_id}} NOT NULL,
    slug VARCHAR(63) NOT NULL,
    name VARCHAR(200) NOT NULL,
    created_at {moment} NOT NULL,
    archived_at {moment},
    PRIMARY KEY (id),
    CONSTRAINT tenantkit_workspace_slug UNIQUE (tenant_id, slug),
    FOREIGN KEY (tenant_id) REFERENCES tenantkit_tenant (id) ON DELETE CASCADE
)
"""
_TYPES: Final = {
    "postgresql": {"moment": "TIMESTAMP WITH TIME ZONE", "document": "JSONB", "uuid": "UUID"},
    "sqlite": {"moment": "DATETIME", "document": "JSON", "uuid": "CHAR(32)"},
}
_STATEMENTS: Final = {
    vendor: [
        *(_INVITATION.format(**types), _INVITATION_TENANT, _INVITATION_EXPIRY),
        *(_DOMAIN.format(**types), _WORKSPACE.format(**types)),
    ]
    for vendor, types in _TYPES.items()
}
_TABLES: Final = ["tenantkit_invitation", "tenantkit_domain", "tenantkit_workspace"]


class Migration(migrations.Migration):
    """Creates them."""

    dependencies: ClassVar[list[Any]] = [("tenantkit", "0001_initial")]
    operations: ClassVar[list[Any]] = [
        migrations.SeparateDatabaseAndState(
            database_operations=[CreateTables(_TABLES, _STATEMENTS)],
            state_operations=[
                migrations.CreateModel(
                    name="Invitation",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        (
                            "tenant",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=models.deletion.CASCADE,
                                related_name="invitations",
                                to="tenantkit.tenant",
                            ),
                        ),
                        ("digest", models.CharField(max_length=64)),
                        ("email", models.CharField(max_length=320)),
                        ("roles", models.JSONField()),
                        ("guest", models.BooleanField()),
                        ("invited_by", models.CharField(max_length=200, null=True)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("sent", models.IntegerField()),
                        ("accepted_at", models.DateTimeField(null=True)),
                        ("accepted_by", models.CharField(max_length=200, null=True)),
                        ("revoked_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_invitation",
                        "constraints": [
                            models.UniqueConstraint(fields=("digest",), name="tenantkit_invitation_digest"),
                        ],
                        "indexes": [
                            models.Index(fields=["tenant", "email"], name="tenantkit_invitation_tenant"),
                            models.Index(fields=["expires_at"], name="tenantkit_invitation_expiry"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Domain",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "tenant_id",
                                "name",
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
                                related_name="domains",
                                to="tenantkit.tenant",
                            ),
                        ),
                        ("name", models.CharField(max_length=253)),
                        ("challenge", models.CharField(max_length=64)),
                        ("created_at", models.DateTimeField()),
                        ("verified_at", models.DateTimeField(null=True)),
                        ("verified_name", models.CharField(max_length=253, null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_domain",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("verified_name",), name="tenantkit_domain_verified"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Workspace",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        (
                            "tenant",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=models.deletion.CASCADE,
                                related_name="workspaces",
                                to="tenantkit.tenant",
                            ),
                        ),
                        ("slug", models.CharField(max_length=63)),
                        ("name", models.CharField(max_length=200)),
                        ("created_at", models.DateTimeField()),
                        ("archived_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "tenantkit_workspace",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("tenant", "slug"), name="tenantkit_workspace_slug"
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
