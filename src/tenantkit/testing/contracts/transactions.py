"""Promises: what is kept of a request, and when."""

import pytest

from tenantkit.testing.contracts.world import World

__all__ = ["TransactionPromises"]

_FAILED = 500


class TransactionPromises:
    """One request, one transaction, which is over before the answer begins."""

    def test_rows_of_another_tenant_are_not_shown(self, world: World) -> None:
        """Each tenant sees its own rows."""
        world.add_document(world.acme, "ours")
        world.add_document(world.bolt, "theirs")
        assert ["ours"] == world.ask("GET", "/documents").json
        assert ["theirs"] == world.ask("GET", "/documents", world.bolt).json

    def test_a_foreign_row_answers_as_a_missing_one(self, world: World) -> None:
        """Both are a 404, and nothing but the number tells them apart."""
        foreign = world.add_document(world.bolt, "theirs")
        answers = [world.ask("GET", f"/documents/{number}") for number in (foreign, foreign + 10_000)]
        assert [404, 404] == [answer.status for answer in answers]
        first, second = (
            {**answer.json, "detail": answer.json["detail"].replace(str(number), "")}
            for answer, number in zip(answers, (foreign, foreign + 10_000), strict=True)
        )
        assert first == second

    def test_a_link_to_a_foreign_row(self, world: World) -> None:
        """It is a 404, and nothing is written."""
        foreign = world.add_document(world.bolt, "theirs")
        assert 404 == world.ask("POST", f"/linking/{foreign}").status
        assert 200 == world.ask("POST", f"/linking/{foreign}", world.bolt).status

    def test_what_cannot_be_scoped_is_refused(self, world: World) -> None:
        """Raw SQL is a 500 that shows nothing of itself."""
        world.add_document(world.bolt, "theirs")
        answer = world.ask("GET", "/misuse")
        assert (500, "isolation-refused") == (answer.status, answer.problem)
        assert b"SELECT" not in answer.body
        assert b"theirs" not in answer.body

    def test_it_is_committed_before_the_answer(self, world: World) -> None:
        """Who has the answer finds the row, though the server may still be busy with the request."""
        with world.connected() as connection:
            assert 201 == world.on(connection, "POST", "/documents/one", world.headers()).status
            assert ["one"] == world.documents()

    def test_a_handler_that_forgets_to_commit(self, world: World) -> None:
        """What it added is kept."""
        assert 200 == world.ask("POST", "/forgetful/kept").status
        assert ["kept"] == world.documents()

    @pytest.mark.parametrize("status", [400, 404, 409, 503])
    def test_an_error_of_the_framework(self, world: World, status: int) -> None:
        """What was written and counted before is undone."""
        answer = world.ask("POST", f"/refusing/{status}")
        assert (status, None) == (answer.status, answer.problem)
        assert ([], 0) == (world.documents(), world.used())

    @pytest.mark.parametrize(
        ("status", "is_kept"), [(200, True), (202, True), (303, True), (400, False), (422, False)]
    )
    def test_the_status_decides(self, world: World, status: int, is_kept: bool) -> None:
        """A status below 400 keeps what was written and counted, any other undoes it."""
        assert status == world.ask("POST", f"/answering/{status}").status
        expected = ([f"answered {status}"], 1) if is_kept else ([], 0)
        assert expected == (world.documents(), world.used())

    def test_an_error_of_the_handler(self, world: World) -> None:
        """It is a 500 that does not show the error, and nothing is kept."""
        answer = world.ask("POST", "/failing")
        assert _FAILED == answer.status
        assert b"ZeroDivisionError" not in answer.body
        assert ([], 0) == (world.documents(), world.used())

    def test_a_commit_that_fails(self, world: World) -> None:
        """It is a 5xx and never a success; nothing is kept, and the next request is served."""
        assert _FAILED <= world.ask("POST", "/dangling").status
        assert [] == world.documents()
        assert 200 == world.ask("POST", "/forgetful/next").status
        assert 0 == world.held_connections()
