"""Who belongs to a tenant, and who owns it."""

import threading

import pytest

from tenantkit import Actor
from tenantkit.core.opaque import make_opaque
from tenantkit.core.tenant import EntryRules
from tenantkit.exceptions import (
    ConfigurationError,
    InvalidValue,
    InvitationInvalid,
    LastOwner,
    NotAMember,
)
from tenantkit.rbac import Role, Rule
from tests.integration.office import make_kit, sign_up
from tests.unit.clocks import FixedClock

DAY = 86_400


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def kit(database, clock):
    """Give a kit in which who writes owns."""
    kit = make_kit(database, clock=clock, owner_role="writer")
    yield kit
    kit.dispose()


@pytest.fixture
def acme(kit):
    """Give a tenant whose one owner is `writer`."""
    return sign_up(kit, "acme", entry=EntryRules(guests=True))


@pytest.fixture
def anywhere(kit):
    """Give a session over all tenants."""
    with kit.unscoped_session(reason="look at the directory", actor="admin") as session:
        yield session


def actions(kit, session):
    """Return what the trail says of members, oldest first."""
    found = reversed(kit.audit.trail.latest(session))
    return [
        (event.action, event.details.get("user")) for event in found if event.action.startswith("member.")
    ]


# members ------------------------------------------------------------------------------------------------------


def test_a_member_is_changed(kit, acme, anywhere):
    """Roles, permissions and status, each alone; what is not given stays."""
    change = kit.directory.change_member
    assert {"documents:read"} == change(anywhere, acme, "reader", permissions=["documents:read"]).permissions
    assert {"writer"} == change(anywhere, acme, "reader", roles=["writer"]).roles
    found = kit.directory.membership(anywhere, acme, "reader")
    assert ({"writer"}, {"documents:read"}, "active") == (found.roles, found.permissions, found.status)
    change(anywhere, acme, "reader", status="suspended")
    assert kit.directory.membership(anywhere, acme, "reader") is None
    change(anywhere, acme, "reader", status="active")
    assert {"writer"} == kit.directory.membership(anywhere, acme, "reader").roles


def test_a_member_is_removed(kit, acme, anywhere):
    """It is gone, and can be added again."""
    kit.directory.remove_member(anywhere, acme, "reader")
    assert kit.directory.membership(anywhere, acme, "reader") is None
    kit.directory.add_member(anywhere, acme, "reader", ["reader"])


def test_each_change_is_told(kit, acme, anywhere):
    """With who, and from what to what."""
    kit.directory.add_member(anywhere, acme, "ann", ["reader"])
    kit.directory.change_member(anywhere, acme, "ann", roles=["writer"])
    kit.directory.remove_member(anywhere, acme, "ann")
    assert [("member.added", "ann"), ("member.changed", "ann"), ("member.removed", "ann")] == actions(
        kit, anywhere
    )
    changed = kit.audit.trail.latest(anywhere)[1]
    assert ("admin", ["reader"], ["writer"]) == (
        changed.actor,
        changed.details["from"]["roles"],
        changed.details["to"]["roles"],
    )


def test_who_is_no_member(kit, acme, anywhere):
    """Cannot be changed or removed; a member of another tenant is none here."""
    bolt = sign_up(kit, "bolt")
    kit.directory.add_member(anywhere, bolt, "bob", ["reader"])
    for attempt in (
        lambda: kit.directory.change_member(anywhere, acme, "bob", roles=["reader"]),
        lambda: kit.directory.remove_member(anywhere, acme, "bob"),
    ):
        with pytest.raises(NotAMember):
            attempt()


def test_wrong_values_are_refused(kit, acme, anywhere):
    """Roles that are none, and ids that fit into no column."""
    for roles in ([], ["king"]):
        with pytest.raises(ConfigurationError):
            kit.directory.change_member(anywhere, acme, "reader", roles=roles)
    with pytest.raises(ConfigurationError, match="no permission 'documents:eat'"):
        kit.directory.change_member(anywhere, acme, "reader", permissions=["documents:eat"])
    with pytest.raises(ConfigurationError, match="no permission 'documents:eat'"):
        kit.directory.add_member(anywhere, acme, "ann", ["reader"], permissions=["documents:eat"])
    with pytest.raises(InvalidValue):
        kit.directory.change_member(anywhere, acme, "reader", status="bogus")
    with pytest.raises(NotAMember):
        kit.directory.remove_member(anywhere, acme, "\ud800")
    for after in ("a\0", "\ud800"):
        with pytest.raises(InvalidValue):
            kit.directory.members(anywhere, acme, after=after)
    for user_id in ("", "x" * 201, "a\0", "\ud800"):
        with pytest.raises(InvalidValue):
            kit.directory.add_member(anywhere, acme, user_id, ["reader"])


def test_guests(kit, acme, anywhere):
    """A tenant has guests if its entry rules allow them."""
    assert kit.directory.add_member(anywhere, acme, "guest", ["reader"], guest=True).guest
    assert kit.directory.membership(anywhere, acme, "guest").guest
    anywhere.commit()
    bolt = sign_up(kit, "bolt")
    with pytest.raises(InvalidValue) as caught:
        kit.directory.add_member(anywhere, bolt, "guest", ["reader"], guest=True)
    assert "guest" == caught.value.field


def test_pages_of_members(kit, acme, anywhere):
    """By user id, each once, suspended ones included."""
    for name in ("ann", "bob", "cid"):
        kit.directory.add_member(anywhere, acme, name, ["reader"])
    kit.directory.change_member(anywhere, acme, "bob", status="suspended")
    found, after = [], None
    while True:
        page = kit.directory.members(anywhere, acme, after=after, limit=2)
        found += [(member.user_id, member.status) for member in page.items]
        if (after := page.after) is None:
            break
    assert ["ann", "bob", "cid", "reader", "writer"] == [name for name, _ in found]
    assert ("bob", "suspended") in found


def test_one_user_in_many_tenants(kit, acme, anywhere):
    """Each with its own roles; tenants where the membership is suspended are not among them."""
    bolt, carl = sign_up(kit, "bolt"), sign_up(kit, "carl")
    for tenant, roles in ((acme, ["reader"]), (bolt, ["writer"]), (carl, ["reader"])):
        kit.directory.add_member(anywhere, tenant, "ann", roles)
    kit.directory.change_member(anywhere, carl, "ann", status="suspended")
    found = kit.directory.tenants_of(anywhere, "ann")
    assert [(acme, {"reader"}), (bolt, {"writer"})] == [(tenant, member.roles) for tenant, member in found]
    assert [] == kit.directory.tenants_of(anywhere, "nobody")


# owners -------------------------------------------------------------------------------------------------------

LESS = {
    "removed": lambda kit, session, tenant, user: kit.directory.remove_member(session, tenant, user),
    "another role": lambda kit, session, tenant, user: kit.directory.change_member(
        session, tenant, user, roles=["reader"]
    ),
    "suspended": lambda kit, session, tenant, user: kit.directory.change_member(
        session, tenant, user, status="suspended"
    ),
}


@pytest.mark.parametrize("lessen", LESS.values(), ids=LESS)
def test_the_last_owner_stays(kit, acme, anywhere, lessen):
    """They are not removed, suspended or anything less, while there is no other owner who is active."""
    with pytest.raises(LastOwner) as caught:
        lessen(kit, anywhere, acme, "writer")
    assert 409 == caught.value.status
    assert {"writer"} == kit.directory.membership(anywhere, acme, "writer").roles
    kit.directory.add_member(anywhere, acme, "ann", ["writer"])
    kit.directory.change_member(anywhere, acme, "ann", status="suspended")
    with pytest.raises(LastOwner):
        lessen(kit, anywhere, acme, "writer")
    kit.directory.change_member(anywhere, acme, "ann", status="active")
    lessen(kit, anywhere, acme, "writer")
    with pytest.raises(LastOwner):
        lessen(kit, anywhere, acme, "ann")


@pytest.mark.parametrize("lessen", LESS.values(), ids=LESS)
def test_two_last_owners_do_not_both_leave(kit, acme, lessen):
    """Of two who leave at once one stays."""
    with kit.unscoped_session(reason="set up", actor="test") as session:
        kit.directory.add_member(session, acme, "ann", ["writer"])
        session.commit()
    barrier, outcomes = threading.Barrier(2), []

    def leave(user):
        with kit.unscoped_session(reason="leave", actor="test") as session:
            barrier.wait()
            try:
                lessen(kit, session, acme, user)
                session.commit()
                outcomes.append("left")
            except LastOwner:
                outcomes.append("stays")

    threads = [threading.Thread(target=leave, args=[user]) for user in ("ann", "writer")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["left", "stays"] == sorted(outcomes)


def test_other_tenants_owners_do_not_count(kit, acme, anywhere):
    """An owner elsewhere is none here."""
    sign_up(kit, "bolt")
    with pytest.raises(LastOwner):
        kit.directory.remove_member(anywhere, acme, "writer")


def test_an_owner_can_be_something_else_besides(kit, acme, anywhere):
    """What leaves the owner an owner is no loss."""
    assert {"writer", "reader"} == kit.directory.change_member(
        anywhere, acme, "writer", roles=["writer", "reader"]
    ).roles


def test_ownership_is_transferred(kit, acme, anywhere):
    """The heir owns, with the roles that they had; the giver has what is said, or leaves."""
    transfer = kit.directory.transfer_ownership
    transfer(anywhere, acme, to="reader", by="writer", keeps=["reader"])
    assert [{"reader", "writer"}, {"reader"}] == [
        kit.directory.membership(anywhere, acme, user).roles for user in ("reader", "writer")
    ]
    transfer(anywhere, acme, to="writer", by="reader")
    assert [{"reader"}, {"reader", "writer"}] == [
        kit.directory.membership(anywhere, acme, user).roles for user in ("reader", "writer")
    ]
    kit.directory.change_member(anywhere, acme, "writer", roles=["writer"])
    transfer(anywhere, acme, to="reader", by="writer")
    assert kit.directory.membership(anywhere, acme, "writer") is None


def test_transfers_that_are_refused(kit, acme, anywhere):
    """By who owns nothing, to oneself, to nobody, to a guest or a suspended member; nothing changes."""
    kit.directory.add_member(anywhere, acme, "guest", ["reader"], guest=True)
    kit.directory.add_member(anywhere, acme, "ill", ["reader"])
    kit.directory.change_member(anywhere, acme, "ill", status="suspended")
    for to, by, error in (
        ("writer", "reader", InvalidValue),
        ("writer", "writer", InvalidValue),
        ("nobody", "writer", NotAMember),
        ("guest", "writer", InvalidValue),
        ("ill", "writer", InvalidValue),
    ):
        with pytest.raises(error):
            kit.directory.transfer_ownership(anywhere, acme, to=to, by=by)
    assert {"writer"} == kit.directory.membership(anywhere, acme, "writer").roles


# invitations --------------------------------------------------------------------------------------------------


def invite(kit, tenant, email="Bob@Example.com", roles="reader", **options):
    """Invite somebody, committed."""
    with kit.scope(tenant, actor=Actor("ann")) as scope:
        made = kit.invitations.invite(kit.session(), tenant, email, roles, actor=scope.actor, **options)
        kit.session().commit()
    return made


def refused(kit, session, text, user="bob", **options):
    """Say whether an invitation is refused."""
    with pytest.raises(InvitationInvalid) as caught:
        kit.invitations.accept(session, text, user, **options)
    return 404 == caught.value.status


def test_an_invitation_makes_a_member(kit, acme, anywhere):
    """Who accepts is a member in the roles that were offered; it says who invited them."""
    made = invite(kit, acme)
    assert ("bob@example.com", {"reader"}, "ann") == (
        made.invitation.email,
        made.invitation.roles,
        made.invitation.invited_by,
    )
    assert made.invitation == kit.invitations.look(anywhere, made.text)
    member = kit.invitations.accept(anywhere, made.text, "bob")
    assert ("bob", {"reader"}, "ann", False) == (
        member.user_id,
        member.roles,
        member.invited_by,
        member.guest,
    )
    assert member == kit.directory.membership(anywhere, acme, "bob")
    assert [("member.invited", None), ("member.added", "bob")] == actions(kit, anywhere)


def test_an_invitation_to_a_role_that_is_gone(kit, acme, anywhere):
    """Whoever accepts it is told so, is no member, and has used nothing up: the role may come back."""
    with kit.scope(acme, actor=Actor("ann")):
        kit.access.define_role(Role("planner", (Rule("documents:read"),)))
        kit.session().commit()
    made = kit.invitations.invite(anywhere, acme, "bob@example.com", ["planner"])
    anywhere.commit()
    for change in (
        lambda: kit.access.remove_role("planner"),
        lambda: kit.access.define_role(Role("planner")),
    ):
        with kit.scope(acme, actor=Actor("ann")):
            change()
            kit.session().commit()
        if kit.access.store.rulebook(anywhere, acme.id).rules.roles:
            assert {"planner"} == kit.invitations.accept(anywhere, made.text, "bob").roles
        else:
            with pytest.raises(InvitationInvalid, match="a role that there is no more"):
                kit.invitations.accept(anywhere, made.text, "bob")
            assert kit.directory.membership(anywhere, acme, "bob") is None
        anywhere.commit()


def test_an_invitation_is_good_once(kit, acme, anywhere):
    """It is used up, for everybody."""
    made = invite(kit, acme)
    kit.invitations.accept(anywhere, made.text, "bob")
    assert refused(kit, anywhere, made.text, "cid")
    with pytest.raises(InvitationInvalid):
        kit.invitations.look(anywhere, made.text)
    assert [] == kit.invitations.list_of(anywhere, acme)


def test_of_many_who_accept_at_once_one_does(kit, acme):
    """And is a member; the others are told that there is none."""
    made, barrier, outcomes = invite(kit, acme), threading.Barrier(8), []

    def accept(user):
        with kit.unscoped_session(reason="accept", actor="test") as session:
            barrier.wait()
            try:
                kit.invitations.accept(session, made.text, user)
                session.commit()
                outcomes.append("in")
            except InvitationInvalid:
                outcomes.append("refused")

    threads = [threading.Thread(target=accept, args=[f"user{number}"]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["in"] + ["refused"] * 7 == sorted(outcomes)


def test_an_invitation_expires(kit, acme, anywhere, clock):
    """After seven days if nothing else is said; at that second it is refused, and can be sent anew."""
    made = invite(kit, acme)
    clock.move(7 * DAY)
    assert refused(kit, anywhere, made.text)
    again = kit.invitations.resend(anywhere, made.invitation.id, days=1)
    assert (made.invitation.id, 2) == (again.invitation.id, again.invitation.sent)
    clock.move(DAY - 1)
    assert kit.invitations.accept(anywhere, again.text, "bob")


def test_what_was_sent_before_is_void(kit, acme, anywhere):
    """Sent anew, and asked twice, the last text counts."""
    first = invite(kit, acme)
    second = kit.invitations.resend(anywhere, first.invitation.id)
    assert refused(kit, anywhere, first.text)
    anywhere.commit()
    third = invite(kit, acme, "bob@example.com", "writer")
    assert refused(kit, anywhere, second.text)
    assert [third.invitation.id] == [one.id for one in kit.invitations.list_of(anywhere, acme)]
    assert {"writer"} == kit.invitations.accept(anywhere, third.text, "bob").roles


def test_revoking(kit, acme, anywhere):
    """One that was revoked is refused and cannot be sent anew; another tenant's is none here."""
    made = invite(kit, acme)
    with kit.scope(sign_up(kit, "bolt")):
        assert not kit.invitations.revoke(kit.session(), made.invitation.id)
    assert [True, False] == [kit.invitations.revoke(anywhere, made.invitation.id) for _ in range(2)]
    assert refused(kit, anywhere, made.text)
    with pytest.raises(InvitationInvalid):
        kit.invitations.resend(anywhere, made.invitation.id)


def test_an_invitation_to_somebody_else(kit, acme, anywhere):
    """Where the application knows the address, it has to be the one; its case does not count."""
    made = invite(kit, acme)
    assert refused(kit, anywhere, made.text, email="cid@example.com")
    assert kit.invitations.accept(anywhere, made.text, "bob", email="BOB@example.com ")


def test_an_invitation_of_a_member_is_no_way_back(kit, acme, anywhere):
    """Who is one already stays as they are, and uses it up: removed later, they do not come back by it."""
    made = invite(kit, acme, roles="writer")
    assert {"reader"} == kit.invitations.accept(anywhere, made.text, "reader").roles
    kit.directory.remove_member(anywhere, acme, "reader")
    assert refused(kit, anywhere, made.text, "reader")


def test_what_is_no_invitation(kit, acme, anywhere):
    """A text that is none, and another kind of token."""
    for text in ("", "tki_", make_opaque("tki"), make_opaque("tks"), "\ud800", invite(kit, acme).text[:-1]):
        assert refused(kit, anywhere, text)


def test_no_invitation_is_kept(kit, acme, anywhere):
    """The table and the trail hold the digest at the most."""
    made = invite(kit, acme)
    kept = repr(anywhere.execute(kit.directory.tables.invitations.select()).all())
    assert made.text not in kept + repr(made) + repr(kit.audit.trail.latest(anywhere))


def test_pruning(kit, acme, anywhere, clock):
    """What expired 90 days ago is deleted, at most so many at once."""
    for number in range(3):
        invite(kit, acme, f"user{number}@example.com")
    clock.move(97 * DAY)
    assert 0 == kit.invitations.prune(anywhere)
    clock.move(1)
    assert [2, 1, 0] == [kit.invitations.prune(anywhere, limit=2) for _ in range(3)]


WRONG = {
    "no address": ({"email": "bob"}, InvalidValue),
    "no name": ({"email": "@example.com"}, InvalidValue),
    "no domain": ({"email": "bob@"}, InvalidValue),
    "a blank": ({"email": "bob smith@example.com"}, InvalidValue),
    "a line": ({"email": "bob@example.com\nBcc: all@example.com"}, InvalidValue),
    "an endless address": ({"email": "b" * 320 + "@example.com"}, InvalidValue),
    "no days": ({"days": 0}, InvalidValue),
    "91 days": ({"days": 91}, InvalidValue),
    "no role": ({"roles": []}, ConfigurationError),
    "an unknown role": ({"roles": "king"}, ConfigurationError),
}


@pytest.mark.parametrize(("options", "error"), WRONG.values(), ids=WRONG)
def test_invitations_that_cannot_be_made(kit, acme, options, error):
    """The error says what is wrong; nothing is kept."""
    with pytest.raises(error):
        invite(kit, acme, **options)
    with kit.scope("acme"):
        assert [] == kit.invitations.list_of(kit.session(), acme)


def test_guests_are_invited_where_they_may_come(kit, acme, anywhere):
    """As for adding them."""
    assert kit.invitations.accept(anywhere, invite(kit, acme, guest=True).text, "bob").guest
    anywhere.commit()
    with pytest.raises(InvalidValue):
        invite(kit, sign_up(kit, "bolt"), guest=True)
