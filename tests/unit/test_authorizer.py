"""What an authorizer answers, and says: in single cases that are easily read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace

import pytest

from tenantkit import Actor, Scope, Tenant
from tenantkit.exceptions import ConfigurationError, PermissionDenied, RoleRequired
from tenantkit.rbac import (
    AllOf,
    Attribute,
    Authorizer,
    FromScope,
    Grant,
    Matrix,
    MemberRules,
    Not,
    Permission,
    Related,
    Resource,
    Role,
    Rule,
    condition_from,
    owner_of,
    role_from,
    rule_from,
)
from tests.unit.clocks import FixedClock

ACME = Tenant(1, "acme", plan="small")
MATRIX = Matrix(
    {
        "documents:read": "See",
        "documents:update": "Change",
        "documents:export": Permission("documents:export", feature="exports"),
        "tenants:suspend": Permission("tenants:suspend", side="host"),
    },
    {
        "owner": ["*"],
        "viewer": ["documents:read"],
        "member": Role("member", (Rule("documents:update", when=owner_of("author")),), ("viewer",)),
        "careful": Role("careful", (Rule("*"),), excluding=("documents:export",)),
        "barred": Role("barred", (Rule("documents:update", "deny"),)),
        "staff": Role("staff", (Rule("*"),), side="host"),
    },
)


def authorizer(*features, matrix=MATRIX, clock=None, **options):
    """Return one of tenants that have features."""
    known = SimpleNamespace(has_feature=lambda tenant, feature: tenant == ACME and feature in features)
    return Authorizer(matrix, clock, features=known, **options)


def test_roles_in_a_long_row():
    """However many roles include each other in a row, the first one grants what the last one does; circles end."""
    row = {f"r{n}": Role(f"r{n}", includes=(f"r{n + 1}",)) for n in range(2000)}
    row["r2000"] = Role("r2000", (Rule("documents:read"),))
    assert authorizer().check(scope("r0", rules=MemberRules(row)), "documents:read")
    row["r2000"] = Role("r2000", (Rule("documents:read"),), includes=("r0",))
    assert authorizer().check(scope("r1000", rules=MemberRules(row)), "documents:read")


def test_a_dropped_permission_stands_in_for_nothing():
    """A rule whose condition asks for a permission that is not declared any more counts as if nobody had it."""
    when = owner_of("author", unless="system:admin")
    before = MemberRules({"editor": Role("editor", (Rule("documents:update", when=when),))})
    asked, who = authorizer(), scope("editor", "owner", rules=before)
    denied = scope(
        "owner", rules=MemberRules({}, (Grant("1", "ann", Rule("documents:update", "deny", when=when)),))
    )
    for author, answers in (("ann", [True, False]), ("bob", [True, True])):
        resource = {"author": author}
        assert answers == [asked.check(one, "documents:update", resource) for one in (who, denied)]
    assert not asked.check(scope("editor", rules=before), "documents:update", {"author": "bob"})


def test_credentials_for_some_permissions_stand_for_no_role():
    """Who asks for a role is not satisfied by a key that is good for a permission alone, whatever roles it has."""
    asked = authorizer()
    asked.require_role(scope("owner"), "owner")
    for limits in ([], ["documents:read"], list(MATRIX.permissions)):
        with pytest.raises(RoleRequired, match="good for some permissions alone"):
            asked.require_role(scope("owner", limits=frozenset(limits)), "owner")


def test_values_of_another_kind_are_another_condition():
    """Python takes 1 for True; who may give the one cannot give the other."""
    values = (1, True, 1.0, Decimal(1))
    assert 4 == len({Attribute("size", "is", one) for one in values})
    assert Attribute("size", "in", [1]) != Attribute("size", "in", [True])
    assert Attribute("size", "in", [1]) == Attribute("size", "in", (1,))


def deep(word, depth):
    """Return the data of a condition that is made of so many others, each within the next."""
    data = {"owner": "author"}
    for _ in range(depth):
        data = {word: data}
    return data


def scope(*roles, **more):
    """Return a scope of Ann's."""
    return Scope(ACME, Actor("ann"), roles=frozenset(roles), **more)


def told(asked, who, permission, resource=None):
    """Return reason and words of an explanation."""
    found = asked.explain(who, permission, resource)
    return found.reason, found.words


def test_reasons_in_words():
    """Each reason says what decided, and what to do next."""
    asked = authorizer()
    ask = " Ask an administrator of the tenant."
    for who, permission, resource, expected in (
        (scope("viewer"), "documents:read", None, ("allowed", "The role 'viewer' allows 'documents:read'.")),
        (
            scope("member"),
            "documents:read",
            None,
            ("allowed", "The role 'viewer', which your role 'member' includes, allows 'documents:read'."),
        ),
        (
            scope("viewer"),
            "documents:update",
            None,
            (
                "not granted",
                f"None of your roles here (viewer) grants it; careful or member or owner or staff would.{ask}",
            ),
        ),
        (scope(), "tenants:suspend", None, ("not granted", f"No role grants it; staff would.{ask}")),
        (
            scope("member"),
            "documents:update",
            None,
            (
                "not granted",
                f"The role 'member' allows 'documents:update' where author is the actor, which is not everywhere.{ask}",
            ),
        ),
        (
            scope("owner", "barred"),
            "documents:update",
            None,
            ("denied", "The role 'barred' denies 'documents:update'."),
        ),
        (
            scope("owner", limits=frozenset()),
            "documents:read",
            None,
            (
                "credentials",
                "Your credentials are not good for it. Use others, or have them made for it.",
            ),
        ),
        (
            scope("owner"),
            "documents:export",
            None,
            ("feature", "The plan 'small' of your tenant lacks the feature 'exports'."),
        ),
        (
            scope(permissions=frozenset({"documents:update"})),
            "documents:update",
            None,
            ("allowed", "A grant of your own allows 'documents:update'."),
        ),
    ):
        assert expected == told(asked, who, permission, resource)


def test_an_explanation_is_an_answer():
    """It is true where it allows."""
    asked = authorizer()
    assert asked.explain(scope("viewer"), "documents:read")
    assert not asked.explain(scope("viewer"), "documents:update")


def test_refusals_carry_facts():
    """What is required, what is held, and who grants it, also as attributes and details."""
    asked = authorizer()
    with pytest.raises(PermissionDenied) as caught:
        asked.require(scope("viewer"), "documents:update")
    error = caught.value
    assert ("documents:update", ["viewer"], ["careful", "member", "owner", "staff"]) == (
        error.permission,
        error.roles,
        error.granted_by,
    )
    with pytest.raises(RoleRequired) as caught:
        asked.require_role(scope("viewer"), "owner", "member")
    assert (["member", "owner"], ["viewer"]) == (caught.value.required, caught.value.roles)
    assert "This is for owner or member, and you are viewer here." in caught.value.message


def test_excluding_is_no_denial():
    """What a role excludes another role still grants; what one denies none does."""
    asked = authorizer("exports")
    assert not asked.check(scope("careful"), "documents:export")
    assert asked.check(scope("careful", "owner"), "documents:export")
    assert not asked.check(scope("barred", "owner"), "documents:update")


def test_the_hosts_side():
    """No wildcard in a tenant's role reaches it, no member holds a role of it, and who comes from there does."""
    asked = authorizer("exports")
    staff = Scope(ACME, roles=frozenset({"staff"}), impersonator=Actor("sue"))
    assert [False, False, True] == [
        asked.check(who, "tenants:suspend") for who in (scope("owner"), scope("staff"), staff)
    ]
    assert frozenset() == asked.allowed_actions(scope("staff"))
    with pytest.raises(RoleRequired):
        asked.require_role(scope("staff"), "staff")
    assert asked.require_role(staff, "staff") is None
    assert not asked.check(scope(permissions=frozenset({"tenants:suspend"})), "tenants:suspend")


def test_features_are_asked_each_time():
    """A plan that changes counts at once; what is remembered of a scope says nothing of it."""
    features = set()
    known = SimpleNamespace(has_feature=lambda _tenant, feature: feature in features)
    asked, who = Authorizer(MATRIX, features=known), scope("owner")
    before = asked.check(who, "documents:export"), asked.check_some(who, "documents:export")
    features.add("exports")
    after = asked.check(who, "documents:export"), asked.check_some(who, "documents:export")
    assert ((False, False), (True, True)) == (before, after)
    assert {"exports"} == asked.features_of(ACME)
    assert "documents:export" in asked.allowed_actions(who)


def test_features_need_somebody_who_knows():
    """Without one a permission that asks for a feature ends the start."""
    with pytest.raises(ConfigurationError, match="'documents:export' asks for a feature"):
        Authorizer(MATRIX)


def test_times_count_by_the_clock():
    """What is remembered of a scope ends with the next moment that changes it."""
    clock = FixedClock()
    now = clock.now()
    given = [
        Rule("documents:update", since=now + timedelta(seconds=1), until=now + timedelta(seconds=3)),
        Rule(
            "documents:update", "deny", since=now + timedelta(seconds=2), until=now + timedelta(seconds=2.5)
        ),
    ]
    grants = tuple(Grant(str(number), "ann", rule) for number, rule in enumerate(given))
    asked, who = authorizer(clock=clock), scope(rules=MemberRules(grants=grants))
    found = []
    for _ in range(8):
        found.append(asked.check(who, "documents:update"))
        clock.move(0.5)
    assert [False, False, True, True, False, True, False, False] == found


def test_what_is_remembered_is_bounded():
    """The oldest is forgotten, and compiled anew when it is asked about."""
    asked = authorizer(size=2)
    scopes = [scope("viewer", rules=MemberRules()) for _ in range(5)]
    assert [True] * 10 == [asked.check(one, "documents:read") for one in scopes * 2]
    assert 2 == len(asked._compiled)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("all", [True, False, True]), ("until_denied", [True, False]), ("until_allowed", [True])],
)
def test_several_questions(mode, expected):
    """All are answered, or those up to the first that is denied, or allowed."""
    questions = [
        ("documents:read", None),
        ("documents:update", None),
        ("documents:update", {"author": "ann"}),
    ]
    assert expected == authorizer().check_many(scope("member"), questions, mode)


def test_a_mode_that_there_is_not():
    """It is an error, and not all."""
    with pytest.raises(ConfigurationError, match="'until_denied'"):
        authorizer().check_many(scope("member"), [], "some")


def test_requiring_one_of_several():
    """One is enough; without any the first is named; one that is not declared is an error, though another is held."""
    asked = authorizer()
    assert asked.require_any(scope("viewer"), ["documents:update", "documents:read"]) is None
    with pytest.raises(PermissionDenied, match="documents:update"):
        asked.require_any(scope("viewer"), ["documents:update", "tenants:suspend"])
    with pytest.raises(ConfigurationError, match="is not declared"):
        asked.require_any(scope("viewer"), ["documents:read", "documents:wirte"])


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("documents:7", True),
        ("documents:8", False),
        ("pages:7", False),
        (Resource("documents", "7"), True),
        (Resource("documents", "8"), False),
        ({"id": 7}, False),  # which one is not known
        (SimpleNamespace(id=7), False),
        (None, False),
    ],
    ids=str,
)
def test_one_resource(resource, expected):
    """A grant of one resource is of no other, however it is named."""
    grant = Grant("1", "ann", Rule("documents:update", resource="documents:7"))
    who = scope(rules=MemberRules(grants=(grant,)))
    assert expected == authorizer().check(who, "documents:update", resource)


def test_one_workspace():
    """A rule of one workspace counts there alone."""
    grant = Grant("1", "ann", Rule("documents:update", workspace="7"))
    found = [
        authorizer().check(scope(rules=MemberRules(grants=(grant,)), dimensions=one), "documents:update")
        for one in ({"workspace": 7}, {"workspace": "7"}, {"workspace": 8}, {})
    ]
    assert [True, True, False, False] == found


def test_workspaces_that_python_thinks_are_equal():
    """1, 1.0 and True are different workspaces, also of one authorizer that remembers."""
    rules = MemberRules(grants=(Grant("1", "ann", Rule("documents:update", workspace="1")),))
    asked = authorizer()
    for places in ((1, 1.0, True, "1"), ("1", True, 1.0, 1)):
        found = {
            repr(one): asked.check(scope(rules=rules, dimensions={"workspace": one}), "documents:update")
            for one in places
        }
        assert {"1": True, "1.0": False, "True": False, "'1'": True} == found


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Matrix({"a:b": ""}, {"x": Role("y")}), "Role 'x' is called 'y' inside"),
        (lambda: Matrix({"a:b": Permission("a:c")}, {}), "Permission 'a:b' is called 'a:c' inside"),
        (lambda: Matrix({"a:b": Permission("a:b", side="both")}, {}), "side 'tenant' or 'host', not 'both'"),
        (lambda: Matrix({"a:b": ""}, {}, separator="-"), "The separator"),
        (lambda: Matrix({"a:b": ""}, {" x": []}), "needs a name that is seen, without spaces"),
        (
            lambda: Matrix({"a:b": ""}, {"x": [Rule("a:b", when=owner_of("author", unless="a:c"))]}),
            "has a condition that asks for 'a:c', which is not declared",
        ),
        (
            lambda: Matrix(
                {"a:b": ""},
                {
                    "x": [
                        Rule(
                            "a:b",
                            since=datetime(2026, 2, 1, tzinfo=UTC),
                            until=datetime(2026, 1, 1, tzinfo=UTC),
                        )
                    ]
                },
            ),
            "ends after it begins|ends later, and not at",
        ),
        (
            lambda: Matrix({"a:b": ""}, {"x": [Rule("a:b", until=datetime(2026, 1, 1))]}),
            "has a time zone; .* has none",
        ),
        (lambda: Rule("a:b", "Allow"), "'allow' or 'deny', not 'Allow'"),
        (lambda: Rule(7), "names a permission"),
        (lambda: Rule("a:b", when="own"), "is a condition, not 'own'"),
        (lambda: Rule("a:b", resource="7"), "named <table>:<key>, as in 'documents:42', and not '7'"),
        (lambda: Role("x", ("a:b",)), "a tuple of"),
        (lambda: Role("x", includes="reader"), "a tuple of texts, not 'reader'"),
        (lambda: Role("x", description=5), "of the role 'x' is a text, not 5"),
        (lambda: Attribute("size", "less", 10**30), "numbers of up to 64 bits"),
        (lambda: Attribute("size", "less", float("inf")), "numbers of up to 64 bits"),
        (lambda: Attribute("size", "is", float("nan")), "numbers of up to 64 bits"),
        (lambda: Attribute("size", "in", [1, Decimal("NaN")]), "numbers of up to 64 bits"),
        (
            lambda: Attribute("at", "less", datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))),
            "in UTC",
        ),
        (lambda: Rule("a:b", until=datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))), "in UTC"),
        (lambda: Rule("a:b", until="2030-01-01"), "is a moment, not '2030-01-01'"),
        (lambda: condition_from(deep("not", 41)), "up to 40 deep"),
        (lambda: condition_from(deep("not", 5000)), "up to 40 deep"),
        (lambda: Role("x", side="hosts"), "'tenant' or 'host', not 'x' and 'hosts'"),
        (
            lambda: rule_from({"permission": "a:b", "efect": "deny"}),
            "no 'efect' of a rule. Did you mean 'effect'",
        ),
        (lambda: rule_from({"permission": "a:b", "effect": "deni"}), "'allow' or 'deny', not 'deni'"),
        (lambda: rule_from({"permission": "a:b", "until": "soon"}), "ISO 8601"),
        (lambda: rule_from([]), "it has to say 'permission'"),
        (
            lambda: role_from("x", {"rules": [], "excludng": []}),
            "no 'excludng' of the role 'x'. Did you mean",
        ),
        (lambda: role_from("x", {"rules": {}}), "is a list"),
        (lambda: authorizer().check(scope("member"), "documents:update", 3), "3 is no resource"),
        (lambda: authorizer().check(scope("member"), "documents:update", "7"), "'7' is no resource"),
        (lambda: authorizer().check(scope("owner"), "documents:update", "7"), "'7' is no resource"),
        (lambda: authorizer().check(scope("viewer"), "documents:update", "7"), "'7' is no resource"),
        (lambda: authorizer().check(scope("member"), "documents:update", []), "is no resource"),
        (lambda: authorizer().require_any(scope("member"), []), "name one at least"),
        (lambda: authorizer().require_role(scope("member")), "name one at least"),
        (lambda: authorizer().check(scope("owner"), authorizer), "A permission is a text"),
        (lambda: Attribute("a", "like", "x"), "not compared by 'like'"),
        (lambda: Attribute("a", "in", []), "'in' needs a list of values that is not empty"),
        (lambda: Attribute("a", "in", "text"), "needs a list"),
        (lambda: Attribute("a", "less", "text"), "'less' needs a number or a moment"),
        (lambda: Attribute("a", "less", value=True), "'less' needs a number or a moment"),
        (lambda: Attribute("a", "is", None), "'is' needs a value"),
        (lambda: Attribute("a", "is", []), "'is' needs a value"),
        (lambda: Attribute("a", "missing", 1), "'missing' takes no value"),
        (AllOf, "needs a condition at least"),
        (lambda: condition_from({"owner": "a", "more": 1}), "is no condition"),
        (lambda: condition_from({"all": []}), "is no condition"),
        (lambda: condition_from("own"), "is no condition"),
        (lambda: condition_from({"attribute": "a", "missing": False}), "is true, or is left out"),
        (lambda: Attribute("a", "is", datetime(2026, 1, 1, tzinfo=UTC)).data, "cannot be kept as data"),
        (lambda: authorizer().check(scope("owner"), "documents:raed"), "Did you mean 'documents:read'"),
        (lambda: authorizer().check_some(scope("owner"), "documents:raed"), "Did you mean 'documents:read'"),
    ],
)
def test_what_is_wrong_is_said(make, why):
    """A mistake is an error where it is made, with what is wrong about it."""
    with pytest.raises(ConfigurationError, match=why):
        make()


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (owner_of("author", unless="system:admin"), "author is the actor, or the actor has 'system:admin'"),
        (Attribute("status", "is_not", "draft"), "status is not 'draft'"),
        (Attribute("status", "in", ["a", "b"]), "status is one of 'a', 'b'"),
        (Attribute("pages", "at_most", 7), "pages is at most 7"),
        (Attribute("deleted_at", "missing"), "deleted_at is missing"),
        (Attribute("workspace_id", "is", FromScope("workspace")), "workspace_id is the scope's workspace"),
        (Related("folder", owner_of("owner")), "of its folder, owner is the actor"),
        (Not(AllOf(owner_of("a"), owner_of("b"))), "not ((a is the actor) and (b is the actor))"),
    ],
    ids=str,
)
def test_conditions_in_words_and_as_data(condition, words):
    """A condition says what it asks, and is read back from its data."""
    assert (words, condition) == (str(condition), condition_from(condition.data))


def test_an_override_asks_for_a_permission_everywhere():
    """Who stands in for the owner needs the permission on every resource, by whatever role."""
    rule = Rule("documents:update", when=owner_of("author", unless="documents:read"))
    matrix = Matrix(
        {"documents:read": "", "documents:update": ""}, {"member": [rule], "viewer": ["documents:read"]}
    )
    asked, foreign = Authorizer(matrix), {"author": "bob"}
    assert [False, True] == [
        asked.check(scope(*roles), "documents:update", foreign)
        for roles in (["member"], ["member", "viewer"])
    ]
    limited = replace(scope("member", "viewer"), limits=frozenset({"documents:update"}))
    assert not asked.check(limited, "documents:update", foreign)


def test_the_scope_knows_its_tenant():
    """A condition can compare with the tenant's id."""
    rule = Rule("documents:update", when=Attribute("of", "is", FromScope("tenant")))
    asked = Authorizer(Matrix({"documents:update": ""}, {"member": [rule]}))
    assert [True, False] == [asked.check(scope("member"), "documents:update", {"of": one}) for one in (1, 2)]


def test_related_in_data():
    """What data says nothing of is unknown; what is there is asked, the one or the many."""
    rule = Rule("documents:update", when=Related("folders", owner_of("owner")))
    asked = Authorizer(Matrix({"documents:update": ""}, {"member": [rule]}))
    for resource, expected in (
        ({}, False),
        ({"folders": {"owner": "ann"}}, True),
        ({"folders": [{"owner": "bob"}, {"owner": "ann"}]}, True),
        (Resource("documents", "1", {"folders": [{"owner": "bob"}]}), False),
        (SimpleNamespace(folders=None), False),
    ):
        assert expected == asked.check(scope("member"), "documents:update", resource)
