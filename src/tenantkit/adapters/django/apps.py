"""The app: what a project's tenancy is made of, kept where Django keeps such things."""

from django.apps import AppConfig, apps
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
