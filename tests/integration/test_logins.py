"""Logins: pairs of tokens that follow from one another, on databases."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from tenantkit import new_id
from tenantkit.cli.commands import app
from tenantkit.core.opaque import make_opaque
from tenantkit.core.scope import RequestFacts
from tenantkit.exceptions import ConfigurationError, RefreshTokenReplayed, TokenInvalid
from tenantkit.kit import RequestCredentials, Trust
from tenantkit.tokens import Replay
from tests.integration.office import central_events, make_kit, sign_up
from tests.unit.clocks import FixedClock

LIFETIME, IDLE, GRACE, LAG = 30 * 86_400, 7 * 86_400, 10, 10
CLIENTS = 32
PHONE = RequestFacts(client="192.0.2.1", user_agent="Phone/1.0")


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def kit(database, clock):
    """Give the kit of one process."""
    kit = make_kit(database, clock=clock)
    yield kit
    kit.dispose()


@pytest.fixture
def other(kit, database, clock):
    """Give the kit of another process."""
    other = make_kit(database, clock=clock)
    yield other
    other.dispose()


@pytest.fixture
def acme(kit):
    """Give a tenant with a writer and a reader."""
    return sign_up(kit, "acme")


def request_of(pair, host=None):
    """Return what a request with a pair's access token says of itself."""
    return RequestCredentials(host, pair.access_token, RequestFacts())


def refused(kit, token):
    """Return the message with which a refresh token is refused."""
    with pytest.raises(TokenInvalid) as caught:
        kit.logins.refresh(token)
    return caught.value.message


def rows(kit, name="refresh_tokens"):
    """Return how many rows there are of refresh tokens, or of logins."""
    with Session(kit.owner_engine) as session:
        return session.scalar(select(func.count()).select_from(getattr(kit.logins.store.tables, name)))


# signing in ---------------------------------------------------------------------------------------------------


def test_a_login_gives_a_pair(kit, acme):
    """The access token opens the tenant, says which login it is of, and carries what the application adds."""
    pair = kit.logins.sign_in("writer", acme, claims={"workspace": 7})
    assert acme == kit.identify(request_of(pair, "acme.localhost")).tenant
    claims = kit.tokens.verify(pair.access_token).claims
    assert (str(pair.login_id), 7) == (claims["sid"], claims["workspace"])
    assert 900 == pair.expires_in == claims["exp"] - claims["iat"]


def test_a_login_of_no_tenant(kit):
    """Its tokens open central routes, and stay without a tenant."""
    pair = kit.logins.sign_in("ann")
    assert "org" not in kit.tokens.verify(kit.logins.refresh(pair.refresh_token).access_token).claims
    assert "ann" == kit.authenticate(request_of(pair)).id


def test_no_token_is_kept(kit, acme):
    """The tables hold digests: with what is in them nobody can refresh anything."""
    pair = kit.logins.refresh(kit.logins.sign_in("writer", acme).refresh_token)
    tables = kit.logins.store.tables
    with Session(kit.owner_engine) as session:
        kept = repr(
            [session.execute(select(table)).all() for table in (tables.logins, tables.refresh_tokens)]
        )
    for token in (pair.refresh_token, pair.access_token):
        assert token not in kept
        assert token.split(".")[-1] not in kept
        assert token not in repr(pair)


def test_claims_of_the_kits_own_cannot_be_given(kit, acme):
    """It is an error, and nothing is kept."""
    with pytest.raises(ConfigurationError, match="exp"):
        kit.logins.sign_in("writer", acme, claims={"exp": 1})
    assert 0 == rows(kit, "logins")


def test_texts_of_strangers_are_kept(kit):
    """A device is named by a client; whatever it writes, the database can hold the beginning of it."""
    kit.logins.sign_in("ann", device="my\0phone\ud800" + "x" * 300, request=RequestFacts(client="c" * 100))
    (login,) = kit.logins.list_of("ann")
    assert ("my\\0phone\\ud800xxx", 200, 64) == (login.device[:18], len(login.device), len(login.client))


# refreshing ---------------------------------------------------------------------------------------------------


def test_a_pair_is_exchanged_for_the_next(kit, acme, clock):
    """Each refresh token is good once, and leads to the next; the login is one."""
    pair = first = kit.logins.sign_in("writer", acme)
    for _ in range(5):
        clock.move(900)
        following = kit.logins.refresh(pair.refresh_token)
        assert 2 == len({pair.refresh_token, following.refresh_token})
        assert acme == kit.identify(request_of(following)).tenant
        pair = following
    assert first.login_id == pair.login_id
    assert 6 == rows(kit)


def test_32_clients_with_one_token_get_one_pair(kit, acme):
    """Of many at once the first exchanges, and all get its pair; there is one new token in the table."""
    pair = kit.logins.sign_in("writer", acme)
    barrier, found = threading.Barrier(CLIENTS), []

    def refresh():
        barrier.wait()
        found.append(kit.logins.refresh(pair.refresh_token))

    threads = [threading.Thread(target=refresh) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert CLIENTS == len(found)
    assert 1 == len({(each.access_token, each.refresh_token, each.expires_in) for each in found})
    assert 2 == rows(kit)
    assert kit.logins.refresh(found[0].refresh_token)


def test_a_repetition_gets_the_same_answer_within_the_grace(kit, acme, clock):
    """A lost answer is asked for again; until the last second it is the same, at that second it is a replay."""
    pair = kit.logins.sign_in("writer", acme)
    first = kit.logins.refresh(pair.refresh_token)
    clock.move(GRACE - 1)
    assert first == kit.logins.refresh(pair.refresh_token)
    clock.move(1)
    with pytest.raises(RefreshTokenReplayed):
        kit.logins.refresh(pair.refresh_token)


def test_a_repetition_is_a_replay_once_the_next_token_was_used(kit, acme):
    """Whoever comes with the old token then is late, or a thief; the grace is for answers that were lost."""
    pair = kit.logins.sign_in("writer", acme)
    kit.logins.refresh(kit.logins.refresh(pair.refresh_token).refresh_token)
    with pytest.raises(RefreshTokenReplayed):
        kit.logins.refresh(pair.refresh_token)


def test_a_replay_ends_the_login(kit, acme, clock):
    """Who has the copy and who has the token are both out: every token of the login is refused from then on."""
    stolen = kit.logins.sign_in("writer", acme).refresh_token
    second = kit.logins.refresh(stolen)
    third = kit.logins.refresh(second.refresh_token)
    untouched = kit.logins.sign_in("writer", acme)
    clock.move(GRACE)
    with pytest.raises(RefreshTokenReplayed):
        kit.logins.refresh(stolen)
    for token in (stolen, second.refresh_token, third.refresh_token):
        assert "ended (replayed)" in refused(kit, token)
    with pytest.raises(TokenInvalid, match="revoked"):
        kit.identify(request_of(third))
    assert kit.identify(request_of(untouched))
    assert kit.logins.refresh(untouched.refresh_token)


def test_a_replay_is_recorded(kit, acme, clock):
    """In the trail of the tenant, or in the central one for a login of no tenant."""
    for tenant in (acme, None):
        token = kit.logins.sign_in("writer", tenant).refresh_token
        kit.logins.refresh(token)
        clock.move(GRACE)
        with pytest.raises(RefreshTokenReplayed):
            kit.logins.refresh(token, request=RequestFacts(request_id="r-1"))
    with kit.scope("acme"):
        (event,) = [event for event in kit.audit.latest() if event.action == "login.replayed"]
    assert ("writer", "refused", "r-1") == (event.actor, event.outcome, event.request_id)
    assert 1 == len(central_events(kit, "login.replayed"))


def test_what_is_no_refresh_token(kit, acme):
    """A text that is none, a token that nobody was given, and an access token are refused alike."""
    pair = kit.logins.sign_in("writer", acme)
    for text in ("", "tkr_", pair.access_token, pair.refresh_token + "x", "tkr_" + "0" * 49, "\ud800"):
        assert "no refresh token" in refused(kit, text)
    assert "not known" in refused(kit, make_opaque("tkr"))


def test_a_refresh_token_opens_no_request(kit, acme):
    """It is no access token."""
    with pytest.raises(TokenInvalid):
        kit.identify(
            RequestCredentials(None, kit.logins.sign_in("writer", acme).refresh_token, RequestFacts())
        )


def test_a_login_that_is_not_used_ends(kit, acme, clock):
    """One second before the idle lifetime is over it goes on for another; at the second it has ended."""
    pair = kit.logins.sign_in("writer", acme)
    clock.move(IDLE - 1)
    pair = kit.logins.refresh(pair.refresh_token)
    clock.move(IDLE)
    assert "has expired" in refused(kit, pair.refresh_token)


def test_a_login_ends_however_much_it_is_used(kit, acme, clock):
    """At its lifetime it has ended; its last access token does not outlive it."""
    pair = kit.logins.sign_in("writer", acme)
    for _ in range(4):
        clock.move(IDLE - 1)
        pair = kit.logins.refresh(pair.refresh_token)
    clock.move(LIFETIME - 4 * (IDLE - 1) - 60)
    pair = kit.logins.refresh(pair.refresh_token)
    assert 60 == pair.expires_in
    clock.move(60)
    assert "has expired" in refused(kit, pair.refresh_token)
    with pytest.raises(TokenInvalid, match="expired"):
        kit.identify(request_of(pair))


def test_the_callers_transaction_decides(kit, acme):
    """Rolled back, an exchange did not happen: the token is as good as before, and leads elsewhere."""
    pair = kit.logins.sign_in("writer", acme)
    with Session(kit.owner_engine) as session:
        undone = kit.logins.store.refresh(session, pair.refresh_token)
        session.rollback()
    following = kit.logins.refresh(pair.refresh_token)
    assert undone.refresh_token != following.refresh_token
    assert "not known" in refused(kit, undone.refresh_token)


def test_the_store_returns_a_replay(kit, acme, clock):
    """It is returned and not raised, so that the caller's commit keeps that the login was ended."""
    pair = kit.logins.sign_in("writer", acme)
    kit.logins.refresh(pair.refresh_token)
    clock.move(GRACE)
    with Session(kit.owner_engine) as session, session.begin():
        found = kit.logins.store.refresh(session, pair.refresh_token)
    assert isinstance(found, Replay)
    assert pair.login_id == found.login.id
    assert [] == kit.logins.list_of("writer")


# seeing and ending --------------------------------------------------------------------------------------------


def test_a_user_sees_their_logins(kit, acme, clock):
    """Newest first, with device and address as they were last; what has ended is not among them."""
    gone = kit.logins.sign_in("writer", acme)
    phone = kit.logins.sign_in("writer", acme, device="phone", request=PHONE)
    laptop = kit.logins.sign_in("writer", device="laptop")
    kit.logins.sign_in("reader", acme)
    kit.logins.sign_out("writer", gone.login_id)
    clock.move(60)
    kit.logins.refresh(phone.refresh_token, request=RequestFacts(client="192.0.2.2"))
    found = kit.logins.list_of("writer")
    assert [laptop.login_id, phone.login_id] == [login.id for login in found]
    assert ("phone", "192.0.2.2", "Phone/1.0", clock.now()) == (
        found[1].device,
        found[1].client,
        found[1].user_agent,
        found[1].last_used_at,
    )
    assert clock.now() + timedelta(seconds=IDLE) == found[1].idle_until


def test_a_scope_sees_and_ends_its_own_logins(kit, acme):
    """Whoever administers a tenant ends logins of its members there, and not their logins elsewhere."""
    bolt = sign_up(kit, "bolt")
    here, there = kit.logins.sign_in("writer", acme), kit.logins.sign_in("writer", bolt)
    with kit.scope("acme"):
        session, logins = kit.session(), kit.logins.store
        assert [here.login_id] == [login.id for login in logins.list_of(session, "writer")]
        assert not logins.revoke(session, there.login_id)
        kit.identify(request_of(here))
        assert 1 == logins.revoke_all(session, "writer", because="left the company")
        session.commit()
    with pytest.raises(TokenInvalid, match="revoked"):
        kit.identify(request_of(here))
    assert "left the company" in refused(kit, here.refresh_token)
    assert kit.logins.refresh(there.refresh_token)


def test_signing_out(kit, acme):
    """It ends one login, once; its tokens are refused from that moment in this process."""
    pair, stays = kit.logins.sign_in("writer", acme), kit.logins.sign_in("writer", acme)
    kit.identify(request_of(pair))
    assert [True, False] == [kit.logins.sign_out("writer", pair.login_id) for _ in range(2)]
    assert "signed out" in refused(kit, pair.refresh_token)
    with pytest.raises(TokenInvalid, match="revoked"):
        kit.identify(request_of(pair))
    assert kit.identify(request_of(stays))


def test_nobody_signs_somebody_else_out(kit, acme):
    """The id of a login is in its tokens and is no secret; it ends only its owner's."""
    pair = kit.logins.sign_in("writer", acme)
    assert not kit.logins.sign_out("reader", pair.login_id)
    assert not kit.logins.sign_out("writer", new_id())
    assert kit.logins.refresh(pair.refresh_token)


def test_signing_out_everywhere(kit, acme):
    """It ends all logins of a user, or all but the one that asks."""
    pairs = [kit.logins.sign_in("writer", acme) for _ in range(3)]
    others = kit.logins.sign_in("reader", acme)
    assert 2 == kit.logins.sign_out_everywhere("writer", keep=pairs[0].login_id)
    assert kit.identify(request_of(pairs[0]))
    for pair in pairs[1:]:
        with pytest.raises(TokenInvalid, match="revoked"):
            kit.identify(request_of(pair))
    assert 1 == kit.logins.sign_out_everywhere("writer")
    assert kit.identify(request_of(others))


# in other processes -------------------------------------------------------------------------------------------


def test_another_process_knows_within_the_lag(kit, other, acme, clock):
    """What one process ended the other refuses when the lag is over, at the latest."""
    pair = kit.logins.sign_in("writer", acme)
    assert other.identify(request_of(pair))
    kit.logins.sign_out("writer", pair.login_id)
    clock.move(LAG)
    with pytest.raises(TokenInvalid, match="revoked"):
        other.identify(request_of(pair))


def test_an_event_loop_asks_no_database(kit, acme, clock):
    """Within the lag a token of a login is recalled without waiting; when it is over, somebody has to ask."""
    pair = kit.logins.sign_in("writer", acme)
    request = request_of(pair)
    assert kit.recall(request) is None
    kit.identify(request)
    assert acme == kit.recall(request).tenant
    clock.move(LAG)
    assert kit.recall(request) is None
    kit.identify(request)
    kit.logins.sign_out("writer", pair.login_id)
    assert kit.recall(request) is None
    with pytest.raises(TokenInvalid, match="revoked"):
        kit.identify(request)
    with pytest.raises(TokenInvalid, match="revoked"):
        kit.recall(request)


def test_tokens_without_a_login_ask_nobody(kit, acme, monkeypatch):
    """An application without logins pays nothing for them."""
    monkeypatch.setattr(kit, "_revoked_since", None)
    kit.logins.revoked._read = None
    token = kit.tokens.issue("writer", acme)
    assert acme == kit.identify(RequestCredentials(None, token, RequestFacts())).tenant


def test_what_was_ended_long_ago_is_not_read(kit, acme, clock):
    """Only logins whose access tokens may still be in time are looked for."""
    for _ in range(3):
        kit.logins.sign_out("writer", kit.logins.sign_in("writer", acme).login_id)
        clock.move(900)
    read = []
    kit.logins.revoked._read = lambda moment: read.append(moment) or kit._revoked_since(moment)
    kit.logins.revoked.forget()
    kit.identify(request_of(kit.logins.sign_in("writer", acme)))
    assert [clock.now() - timedelta(seconds=900 + LAG)] == read
    assert 1 == len(kit.logins.revoked._known)


# pruning ------------------------------------------------------------------------------------------------------


def test_pruning_deletes_what_no_token_is_good_for(kit, acme, clock):
    """Batch by batch; refresh tokens go with their login; what is alive stays."""
    ended = [kit.logins.sign_in("writer", acme) for _ in range(5)]
    for pair in ended:
        kit.logins.refresh(pair.refresh_token)
        kit.logins.sign_out("writer", pair.login_id)
    assert 0 == kit.logins.prune()
    clock.move(901)
    alive = kit.logins.sign_in("writer", acme)
    assert 5 == kit.logins.prune(batch=2)
    assert (1, 1) == (rows(kit, "logins"), rows(kit))
    assert kit.logins.refresh(alive.refresh_token)
    clock.move(IDLE + 901)
    assert 1 == kit.logins.prune()
    assert (0, 0) == (rows(kit, "logins"), rows(kit))


def test_logins_of_a_tenant_with_policies(kit, acme):
    """A row of a login belongs to its tenant: a scope moves it nowhere and reads no other's."""
    pair = kit.logins.sign_in("writer", acme)
    bolt = sign_up(kit, "bolt")
    logins = kit.logins.store.tables.logins
    with kit.scope(bolt):
        session = kit.session()
        assert [] == session.execute(select(logins)).all()
        session.execute(update(logins).values(revoked_because="bolt was here"))
        session.commit()
    assert isinstance(pair.login_id, UUID)
    assert kit.logins.refresh(pair.refresh_token)


# configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"login_idle_lifetime": 899},
        {"login_lifetime": IDLE - 1},
        {"refresh_grace": -1},
        {"refresh_grace": IDLE + 1},
        {"revocation_lag": -1},
        {"login_lifetime": float("inf")},
    ],
    ids=str,
)
def test_times_that_do_not_fit_are_refused_at_the_start(database, settings):
    """A login lives longer than its access tokens, and no time is negative or infinite."""
    with pytest.raises(ConfigurationError):
        make_kit(database, **settings)


@pytest.mark.anyio
async def test_the_twins(kit, acme):
    """The twins do the same, in a thread."""
    pair = await kit.logins.asign_in("writer", acme)
    pair = await kit.logins.arefresh(pair.refresh_token)
    assert [pair.login_id] == [login.id for login in await kit.logins.alist_of("writer")]
    assert await kit.logins.asign_out("writer", pair.login_id)
    assert 0 == await kit.logins.asign_out_everywhere("writer")


def test_the_command(kit, acme, clock, monkeypatch):
    """`tenantkit tokens prune` deletes the same, and says how much; what is no kit is an error that says so."""
    monkeypatch.setattr("tests.integration.office.kit", kit, raising=False)
    kit.logins.sign_in("writer", acme)
    clock.move(LIFETIME + 901)
    told = CliRunner().invoke(app, ["tokens", "prune", "tests.integration.office:kit"])
    assert (0, True) == (told.exit_code, told.output.startswith("Deleted 1 logins, 0 share links"))
    told = CliRunner().invoke(app, ["tokens", "prune", "tests.integration.office:Base"])
    assert (2, True) == (told.exit_code, "no TenantKit" in told.output)


def test_a_savepoint_does_not_use_up_what_is_told_at_the_commit(kit, acme):
    """A login that is ended beside other work in one transaction is refused once that is committed."""
    pair = kit.logins.sign_in("writer", acme)
    request = RequestCredentials(None, pair.access_token, RequestFacts())
    kit.identify(request)
    with kit.unscoped_session(reason="leave", actor="test") as session:
        kit.logins.store.revoke_all(session, "writer")
        with session.begin_nested():
            session.execute(select(1))
        kit.identify(request)  # of before, and remembered
        session.commit()
    with pytest.raises(TokenInvalid):
        kit.identify(request)


def test_who_is_recognized_by_a_login_that_ended(kit, acme):
    """An application's own session may be tied to a login: it ends with it."""
    pair = kit.logins.sign_in("writer", acme)
    kit.trust = Trust(recognize=lambda _request: {"sub": "writer", "sid": str(pair.login_id)})
    nobody = RequestCredentials("acme.localhost", None, RequestFacts())
    assert "writer" == kit.authenticate(nobody).id
    assert kit.logins.sign_out("writer", pair.login_id)
    with pytest.raises(TokenInvalid):
        kit.authenticate(nobody)
