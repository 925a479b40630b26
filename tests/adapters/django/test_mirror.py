"""Django's models as the kit's registry sees them."""

import pytest
from django.db import models
from django.test.utils import isolate_apps
from sqlalchemy import MetaData

from tenantkit.adapters.django.mirror import mirrored
from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation import scoped_by, shared


def notes(name, *, tenancy, **fields):
    """Make a model of the table of notes."""
    meta = type("Meta", (), {"app_label": "shop", "db_table": "notes"})
    own = {"__module__": __name__, "Meta": meta, "tenant_id": models.UUIDField(), "tenancy": tenancy}
    return type(name, (models.Model,), own | fields)


@isolate_apps("tests.adapters.django.shop")
def test_two_models_of_one_table():
    """Where both say the same they are one table; a model may leave out what it does not use."""
    whole = notes("Whole", tenancy=scoped_by("tenant_id"), text=models.TextField())
    part = notes("Part", tenancy=scoped_by("tenant_id"))
    tables = mirrored([whole, part], {}, MetaData()).tables
    assert {"django_migrations", "notes"} == tables.keys()
    assert {"id", "tenant_id", "text"} == {*tables["notes"].columns.keys()}


@isolate_apps("tests.adapters.django.shop")
def test_two_models_that_say_different_things_of_rows():
    """One table cannot be a tenant's and everybody's."""
    first, second = notes("First", tenancy=scoped_by("tenant_id")), notes("Second", tenancy=shared())
    with pytest.raises(ConfigurationError, match=r"First and shop\.Second .* different things"):
        mirrored([first, second], {}, MetaData())


@isolate_apps("tests.adapters.django.shop")
def test_two_models_that_say_different_things_of_columns():
    """What only the second knows would be past the rules of the first."""
    first = notes("First", tenancy=scoped_by("tenant_id"))
    second = notes("Second", tenancy=scoped_by("tenant_id"), text=models.TextField())
    with pytest.raises(
        ConfigurationError, match=r"Second says of the table 'notes' what shop\.First does not.*text"
    ):
        mirrored([first, second], {}, MetaData())
