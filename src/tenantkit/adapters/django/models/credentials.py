"""The tables of tokens, keys, links and attempts, to be read."""

from django.db import models

from tenantkit.adapters.django.fields import tenant_id_field

__all__ = ["ApiKey", "Lockout", "Login", "RefreshToken", "ShareLink"]


class Login(models.Model):
    """
    Who signed in where, on which device. To be read: the kit writes it.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    user_id = models.CharField(max_length=200)
    claims = models.JSONField()
    device = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as the kit declares it
    client = models.CharField(max_length=64, null=True)  # noqa: DJ001
    user_agent = models.CharField(max_length=300, null=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    idle_until = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_because = models.CharField(max_length=32, null=True)  # noqa: DJ001

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_login"
        indexes = (
            models.Index(fields=("user_id", "tenant_id"), name="tenantkit_login_user"),
            models.Index(fields=("idle_until",), name="tenantkit_login_idle"),
            models.Index(fields=("revoked_at",), name="tenantkit_login_revoked"),
        )

    def __str__(self) -> str:
        return str(self.user_id)


class RefreshToken(models.Model):
    """
    Digests of the refresh tokens of a login. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    digest = models.CharField(max_length=64, primary_key=True)
    tenant_id = tenant_id_field()
    login = models.ForeignKey(Login, on_delete=models.CASCADE, related_name="refresh_tokens", db_index=False)
    issued_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    salt = models.CharField(max_length=64, null=True)  # noqa: DJ001 - as the kit declares it
    access_token_id = models.CharField(max_length=36, null=True)  # noqa: DJ001

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_refresh_token"
        indexes = (models.Index(fields=("login",), name="tenantkit_refresh_token_login"),)

    def __str__(self) -> str:
        return str(self.digest)


class ApiKey(models.Model):
    """
    API keys of a tenant, as digests. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    digest = models.CharField(max_length=64)
    hint = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    user_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as the kit declares it
    roles = models.JSONField()
    permissions = models.JSONField(null=True)
    created_by = models.CharField(max_length=200, null=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_api_key"
        constraints = (models.UniqueConstraint(fields=("digest",), name="tenantkit_api_key_digest"),)
        indexes = (models.Index(fields=("tenant_id",), name="tenantkit_api_key_tenant"),)

    def __str__(self) -> str:
        return str(self.name)


class ShareLink(models.Model):
    """
    Links to single resources of a tenant, as digests. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    digest = models.CharField(max_length=64)
    resource = models.CharField(max_length=300)
    level = models.CharField(max_length=32)
    email = models.CharField(max_length=320, null=True)  # noqa: DJ001 - as the kit declares it
    shared_by = models.CharField(max_length=200, null=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    max_uses = models.IntegerField(null=True)
    uses = models.IntegerField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_share_link"
        constraints = (models.UniqueConstraint(fields=("digest",), name="tenantkit_share_link_digest"),)
        indexes = (
            models.Index(fields=("tenant_id", "resource"), name="tenantkit_share_link_resource"),
            models.Index(fields=("expires_at",), name="tenantkit_share_link_expiry"),
        )

    def __str__(self) -> str:
        return str(self.resource)


class Lockout(models.Model):
    """
    Attempts to sign in, by digests of accounts and addresses. No scope sees them; the kit writes them.

    .. versionadded:: 0.1
    """

    subject = models.CharField(max_length=64, primary_key=True)
    tenant_id = tenant_id_field()
    attempts = models.IntegerField()
    last_at = models.DateTimeField()

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_lockout"
        indexes = (models.Index(fields=("last_at",), name="tenantkit_lockout_last"),)

    def __str__(self) -> str:
        return str(self.subject)
