"""The third ring by itself: plain sessions of the application's role, held by the policies of the database."""

import pytest
from sqlalchemy import create_engine, event, text

from tenantkit.isolation import Policies
from tests.leaks.conftest import postgres_database
from tests.leaks.judge import harm
from tests.leaks.places import FUNCTION, ON_POSTGRES, Place, create_tables, grant, owner_of, relaxed
from tests.leaks.registry import SHAPES
from tests.leaks.schema import Base, tenant_columns
from tests.leaks.test_matrix import ROLES

STAMP = "nullif(current_setting('tenantkit.tenant', true), '')"

OTHER_ENGINE = "the shape hands over an engine of the tables' owner, who says that he works unscoped"
OTHER_TABLE = "the table has no policy"
HOLES = {
    "attack_05_bind_arguments": OTHER_ENGINE,
    "attack_05_binds": OTHER_ENGINE,
    "attack_05_bind_table": OTHER_ENGINE,
    "attack_05_bind_mapper": OTHER_ENGINE,
    "attack_05_new_bind": OTHER_ENGINE,
    "attack_05_plain_engine": OTHER_ENGINE,
    "attack_05_get_bind_of_another": OTHER_ENGINE,
    "add_object_of_unscoped_session": OTHER_ENGINE,
    "merge_object_of_unscoped_session": OTHER_ENGINE,
    "attack_10_second_schema": OTHER_TABLE,
    "attack_10_shared_name_in_second_schema": OTHER_TABLE,
    "attack_10_undeclared_in_subquery": OTHER_TABLE,
    "attack_10_undeclared_table": OTHER_TABLE,
    "attack_10_undeclared_update_from": OTHER_TABLE,
    "attack_14_translate_map": OTHER_TABLE,
    "attack_14_translate_map_of_connection": OTHER_TABLE,
    "attack_14_translate_map_of_engine": OTHER_TABLE,
    "link_to_a_row_that_was_rolled_back": "the link, which policies do not see, keeps the shape from clearing up",
    "placeholder_in_label": "the shape shows the other tenant's id, which it was given, and no row",
}


@pytest.fixture(scope="module")
def place():
    """Give a database with policies, and an engine of the application's role that tells whose turn it is."""
    with postgres_database() as database:
        owner, engine = relaxed(owner_of(database.owner_url)), create_engine(database.app_url)
        create_tables(owner)
        grant(owner, engine.url.username)
        with owner.begin() as connection:
            Policies(Base.metadata).create_all(connection)
            for name, column in tenant_columns().items():
                function = FUNCTION.replace("'{tenant}'", f"{STAMP}::uuid").format(table=name, column=column)
                connection.execute(text(function))
                connection.execute(text(ON_POSTGRES.format(table=name)))
        made = Place("policies alone", "postgresql", owner, engine)

        @event.listens_for(engine, "begin")
        def tell(connection):
            told = "SELECT set_config('tenantkit.tenant', %s, true)"
            connection.exec_driver_sql(told, (str(made.turn),)).close()

        yield made
        engine.dispose()
        owner.dispose()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "shape", [s for s in SHAPES.values() if s.applies("postgresql")], ids=lambda s: s.name
)
def test_policies_hold_without_the_library(place, shape, role):
    """A shape shows and changes nothing of the other tenant, but for what policies are known not to see."""
    place.turn = ROLES[role][0].tenant
    outcome = place.run_plain(shape, ROLES[role])
    found = [str(one) for one in harm(place, ROLES[role], outcome)]
    if place.seen != place.pristine:
        place.restore()
    unseen = [
        one for one in found if one.startswith("foreign writes: link ")
    ]  # foreign key checks ignore policies
    assert bool(found[len(unseen) :]) == (shape.name in HOLES), found
