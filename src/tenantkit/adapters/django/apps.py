"""The app: what a project's tenancy is made of, kept where Django keeps such things."""

from typing import Any

from django.apps import AppConfig, apps
from django.core.signals import setting_changed
from sqlalchemy import MetaData

from tenantkit.adapters.django.configuration import Configuration
from tenantkit.adapters.django.db.sights import Sights
from tenantkit.adapters.django.mirror import mirrored
from tenantkit.kit.once import once

__all__ = ["TenantkitConfig"]


class TenantkitConfig(AppConfig):
    """Holds the configuration, the registry of tables and the kit of a project."""

    name = "tenantkit.adapters.django"
    label = "tenantkit"
    verbose_name = "Tenancy"

    def ready(self) -> None:
        """Read the settings again where a test overrides them."""
        setting_changed.connect(self._read_again)

    def _read_again(self, *, setting: str, **_further: Any) -> None:
        if setting in ("TENANTKIT", "DATABASES", "INSTALLED_APPS"):
            for made in ("configuration", "sights"):
                vars(self).pop(made, None)

    @once
    def configuration(self) -> Configuration:
        """What the settings say."""
        return Configuration.read()

    @once
    def sights(self) -> Sights:
        """What is known of the tables."""
        said = self.configuration
        own = MetaData()
        models = apps.get_models(include_auto_created=True)
        return Sights((mirrored(models, said.models, own), own), rules=said.rules, read_only=own.tables)
