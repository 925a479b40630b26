"""Promises: may they, and can they afford it?"""

import pytest

from tenantkit.testing.contracts.application import LIMIT, UPGRADE
from tenantkit.testing.contracts.world import World

__all__ = ["PermissionPromises"]


class PermissionPromises:
    """Permissions, ownership, workspaces and limits."""

    def test_a_missing_permission_is_named(self, world: World) -> None:
        """It is a 403, and nothing is counted."""
        answer = world.ask("POST", "/documents/one", user="reader")
        assert (403, "permission-denied", "documents:write") == (
            answer.status,
            answer.problem,
            answer.json["permission"],
        )
        assert 0 == world.used()

    def test_a_permission_that_is_granted(self, world: World) -> None:
        """The handler runs."""
        assert 200 == world.ask("GET", "/documents", user="reader").status

    def test_one_of_several_permissions(self, world: World) -> None:
        """One of them is enough; without any the first is named."""
        assert [200, 200] == [world.ask("GET", "/either", user=user).status for user in ("writer", "manager")]
        answer = world.ask("GET", "/either", user="reader")
        assert (403, "documents:manage") == (answer.status, answer.json["permission"])

    def test_a_role(self, world: World) -> None:
        """Who holds another one is refused with 403, and told which is needed and which they hold."""
        assert 200 == world.ask("GET", "/managers", user="manager").status
        answer = world.ask("GET", "/managers")
        assert (403, "role-required") == (answer.status, answer.problem)
        assert (["manager"], ["writer"]) == (answer.json["required"], answer.json["roles"])

    def test_a_permission_on_some_rows(self, world: World) -> None:
        """Who has it on some is let in, is shown these, and is refused the others."""
        own, other = (world.add_document(world.acme, name, author=name) for name in ("writer", "manager"))
        assert [["writer"], ["writer", "manager"]] == [
            world.ask("GET", "/editable", user=user).json for user in ("writer", "manager")
        ]
        answer = world.ask("POST", f"/editing/{other}")
        assert (403, "documents:edit") == (answer.status, answer.json["permission"])
        assert ["writer", "manager"] == world.documents()
        assert 200 == world.ask("POST", f"/editing/{own}").status
        assert ["edited", "manager"] == world.documents()
        assert 403 == world.ask("GET", "/editable", user="reader").status

    def test_the_limit_of_the_plan(self, world: World) -> None:
        """At the limit it is a 402 with usage, limit, plan and where more can be had; the others were let through."""
        statuses = [world.ask("POST", f"/documents/{number}").status for number in range(LIMIT)]
        assert [201] * LIMIT == statuses
        answer = world.ask("POST", "/documents/more")
        assert (402, "quota-exceeded") == (answer.status, answer.problem)
        told = answer.json
        assert ("documents", LIMIT, LIMIT, "trial", UPGRADE) == (
            told["meter"],
            told["usage"],
            told["limit"],
            told["plan"],
            told["upgrade_url"],
        )
        assert (LIMIT, LIMIT) == (len(world.documents()), world.used())

    def test_the_owner_of_a_row(self, world: World) -> None:
        """Its author may, another member is refused with 403, and who holds the permission instead may."""
        first, second = (world.add_document(world.acme, name, author="writer") for name in ("one", "two"))
        answer = world.ask("DELETE", f"/documents/{first}", user="reader")
        assert (403, "not-the-owner") == (answer.status, answer.problem)
        assert ["one", "two"] == world.documents()
        assert 200 == world.ask("DELETE", f"/documents/{first}").status
        assert 200 == world.ask("DELETE", f"/documents/{second}", user="manager").status
        assert [] == world.documents()

    def test_a_row_of_nobody(self, world: World) -> None:
        """A row without an author is nobody's, not everybody's."""
        nobodys = world.add_document(world.acme, "nobody's")
        assert 403 == world.ask("DELETE", f"/documents/{nobodys}").status

    @pytest.mark.parametrize("key", ["999999", "99999999999999999999", "-1", "one", "%00", "1e3", "%D9%A1"])
    def test_the_owner_of_no_row(self, world: World, key: str) -> None:
        """A key of no row, and what is no key, is a 404."""
        assert 404 == world.ask("DELETE", f"/documents/{key}").status

    def test_the_owner_of_a_foreign_row(self, world: World) -> None:
        """A foreign row is a 404 also where the user ids are the same."""
        foreign = world.add_document(world.bolt, "theirs", author="writer")
        assert 404 == world.ask("DELETE", f"/documents/{foreign}").status
        assert ["theirs"] == world.documents(world.bolt)

    def test_a_required_workspace(self, world: World) -> None:
        """Without one it is a 400; a token that names one puts it into the scope."""
        answer = world.ask("GET", "/workspace")
        assert (400, "workspace-required") == (answer.status, answer.problem)
        assert 7 == world.ask("GET", "/workspace", workspace=7).json["workspace"]
        assert 401 == world.ask("GET", "/workspace", workspace="seven").status
