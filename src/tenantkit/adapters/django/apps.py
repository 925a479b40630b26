"""The app: what a project's tenancy is made of, kept where Django keeps such things."""

from typing import Any, Final

from django.apps import AppConfig, apps
from django.core.checks import register
from django.core.signals import setting_changed
from django.db.models.signals import post_migrate

from tenantkit.adapters.django.bridge import url_of
from tenantkit.adapters.django.checks import check_project
from tenantkit.adapters.django.configuration import Configuration
from tenantkit.adapters.django.db.sights import Sights
from tenantkit.adapters.django.kit import DjangoKit
from tenantkit.adapters.django.mirror import mirrored
from tenantkit.core.settings import Settings
from tenantkit.exceptions import ConfigurationError
from tenantkit.kit.once import once

__all__ = ["TenantkitConfig"]

_MADE: Final = ("configuration", "kit", "sights")


class TenantkitConfig(AppConfig):
    """Holds the configuration, the registry of tables and the kit of a project."""

    name = "tenantkit.adapters.django"
    label = "tenantkit"
    verbose_name = "Tenancy"

    def ready(self) -> None:
        """Register the checks; read the settings again where a test overrides them."""
        register(check_project)
        setting_changed.connect(self._read_again)
        post_migrate.connect(self._look_up_again)  # also sent by `flush`, as after a TransactionTestCase

    def _read_again(self, *, setting: str, **_further: Any) -> None:
        if setting in ("TENANTKIT", "DATABASES", "INSTALLED_APPS"):
            self.forget()

    def _look_up_again(self, **_facts: Any) -> None:
        if "kit" in self.__dict__:
            self.kit.directory_cache.clear()

    def forget(self) -> None:
        """Forget what was made of the settings; close the kit's own connections."""
        if "kit" in self.__dict__:
            self.kit.dispose()
        for made in _MADE:
            self.__dict__.pop(made, None)

    @once
    def configuration(self) -> Configuration:
        """What the settings say."""
        return Configuration.read()

    @once
    def kit(self) -> DjangoKit:
        """The kit."""
        said = self.configuration
        if said.resolve is None:
            raise ConfigurationError(
                "TENANTKIT lacks RESOLVE: say how a request's tenant is settled, such as "
                "agree(TokenClaim('org'), Host('{tenant}.example.com'))."
            )
        urls = {
            name: url_of(alias).render_as_string(hide_password=False)
            for name, alias in (("database_url", said.database), ("owner_database_url", said.owner))
        }
        kit = DjangoKit(
            Settings(**urls, **said.settings),
            database=said.database,
            owner=said.owner,
            own_options=said.engine_options,
            metadata=said.metadata,
            resolve=said.resolve,
            engine_options={"rules": said.rules},
            **said.kit,
        )
        kit.add_metadata(mirrored(apps.get_models(include_auto_created=True), said.models, kit.metadata))
        return kit

    @once
    def sights(self) -> Sights:
        """What is known of the tables."""
        kit = self.kit
        return Sights(kit.all_metadata, rules=self.configuration.rules, read_only=kit.metadata.tables)
