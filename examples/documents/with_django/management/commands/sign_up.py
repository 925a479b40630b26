"""Create two organizations, and print a token for each of their members."""

from typing import Any

from django.core.management.base import BaseCommand

from tenantkit.adapters.django import tenancy

PEOPLE = {"acme": {"ann": "owner", "art": "editor", "vic": "viewer"}, "bolt": {"bob": "owner"}}


class Command(BaseCommand):
    """Sign two organizations up."""

    help = "Sign two organizations up, and print a token for each of their members."

    def handle(self, **_given: Any) -> None:
        """Do it."""
        kit = tenancy.kit
        with kit.unscoped_session(reason="sign up", actor="sign_up") as session:
            tenants = {slug: kit.directory.create_tenant(session, slug, plan="free") for slug in PEOPLE}
            for slug, people in PEOPLE.items():
                for user, role in people.items():
                    kit.directory.add_member(session, tenants[slug], user, [role])
            session.commit()
        for slug, people in PEOPLE.items():
            for user in people:
                self.stdout.write(f"{user.upper()}={kit.tokens.issue(user, tenants[slug])}")
