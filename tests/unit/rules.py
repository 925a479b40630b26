"""Random matrices, members and resources, and what a naive reader of the documentation would answer."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from tenantkit import Actor, Scope, Tenant
from tenantkit.rbac import (
    AllOf,
    AnyOf,
    Attribute,
    Grant,
    Matrix,
    MemberRules,
    Not,
    Owner,
    Permission,
    Resource,
    Role,
    Rule,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = [START + timedelta(days=day) for day in range(4)]
NAMES = ["items:read", "items:write", "pages:read", "pages:write", "reports:run", "system:admin"]
PERMISSIONS = {name: Permission(name) for name in NAMES[:4]} | {
    "reports:run": Permission("reports:run", feature="reports"),
    "system:admin": Permission("system:admin", side="host"),
}
PATTERNS = [*NAMES[:5], "items:*", "pages:*", "*"]
PEOPLE = ["ann", "bob"]
ROLES = ["one", "two", "three", "four"]
ACME = Tenant(1, "acme")

leaves = st.one_of(
    st.builds(Owner, st.just("owner"), st.sampled_from([None, "pages:write"])),
    st.builds(
        Attribute, st.just("number"), st.sampled_from(["is", "is_not", "less", "at_least"]), st.integers(0, 3)
    ),
    st.builds(Attribute, st.just("number"), st.sampled_from(["in", "not_in"]), st.just((1, 2))),
    st.builds(Attribute, st.just("flag"), st.just("is"), st.booleans()),
    st.builds(Attribute, st.sampled_from(["owner", "number"]), st.sampled_from(["present", "missing"])),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner), st.builds(AllOf, inner, inner), st.builds(AnyOf, inner, inner)
    ),
    max_leaves=4,
)


@st.composite
def rules(draw, *, timed=True):
    """Make a rule."""
    since, until = None, None
    if timed and draw(st.booleans()):
        since, until = draw(
            st.sampled_from([(None, MOMENTS[2]), (MOMENTS[1], None), (MOMENTS[0], MOMENTS[3])])
        )
    return Rule(
        draw(st.sampled_from(PATTERNS)),
        draw(st.sampled_from(["allow", "allow", "allow", "deny"])),
        when=draw(st.none() | conditions),
        resource=draw(st.sampled_from([None, None, "items:1", "items:2", "pages:1"])),
        workspace=draw(st.sampled_from([None, None, "1", "2"])),
        since=since,
        until=until,
    )


@dataclass(frozen=True)
class Case:
    """Roles of the application and of the tenant, and a scope."""

    roles: tuple
    custom: tuple
    scope: Scope
    now: datetime

    @property
    def matrix(self):
        return Matrix(PERMISSIONS, {role.name: role for role in self.roles})

    def without(self, bases):
        """Return the same without what an answer rests on."""
        gone = {(basis.role, basis.rule) for basis in bases}
        grants = {basis.grant for basis in bases if basis.grant}
        given = {basis.rule.permission for basis in bases if basis.role is None and basis.grant is None}

        def left(role):
            return replace(role, rules=tuple(one for one in role.rules if (role.name, one) not in gone))

        custom = tuple(map(left, self.custom))
        kept = tuple(one for one in self.scope.rules.grants if one.id not in grants)
        scope = replace(
            self.scope,
            permissions=self.scope.permissions - given,
            rules=MemberRules({role.name: role for role in custom}, kept),
        )
        return Case(tuple(map(left, self.roles)), custom, scope, self.now)


@st.composite
def cases(draw):
    """Make a case; roles include those before them."""
    made = []
    for index, name in enumerate(ROLES):
        made.append(
            Role(
                name,
                tuple(draw(st.lists(rules(), max_size=3))),
                tuple(draw(st.sets(st.sampled_from(ROLES[:index])))) if index else (),
                tuple(draw(st.sets(st.sampled_from(PATTERNS[:6]), max_size=1))),
            )
        )
    several = draw(st.integers(1, len(made)))
    grants = [
        Grant(str(number), "ann", rule) for number, rule in enumerate(draw(st.lists(rules(), max_size=3)))
    ]
    custom = tuple(made[several:])
    scope = Scope(
        ACME,
        Actor("ann"),
        roles=frozenset(draw(st.sets(st.sampled_from([*ROLES, "unheard-of"])))),
        permissions=frozenset(draw(st.sets(st.sampled_from(NAMES), max_size=2))),
        limits=draw(st.none() | st.frozensets(st.sampled_from(NAMES))),
        dimensions=draw(st.sampled_from([{}, {"workspace": 1}, {"workspace": 2}])),
        rules=MemberRules({role.name: role for role in custom}, tuple(grants)),
    )
    return Case(tuple(made[:several]), custom, scope, draw(st.sampled_from(MOMENTS)))


resources = st.builds(
    Resource,
    st.sampled_from(["items", "pages"]),
    st.sampled_from(["1", "2", "3"]),
    st.fixed_dictionaries(
        {
            "owner": st.sampled_from([None, *PEOPLE]),
            "number": st.none() | st.integers(0, 3),
            "flag": st.none() | st.booleans(),
        }
    ),
)


def naive(case, permission, resource, features):
    """Answer as a reader of the documentation would: rule by rule, without compiling anything."""
    scope = case.scope
    if scope.limits is not None and permission not in scope.limits:
        return False
    if permission == "reports:run" and "reports" not in features:
        return False
    known = {role.name: role for role in case.custom} | {role.name: role for role in case.roles}
    counting = [rule for name in scope.roles if name in known for rule in _of_role(known, name, permission)]
    counting += [Rule(one) for one in scope.permissions if _names(one, permission)]
    counting += [grant.rule for grant in scope.rules.grants if _names(grant.rule.permission, permission)]
    workspace = scope.dimensions.get("workspace")
    counting = [
        rule
        for rule in counting
        if (rule.workspace is None or rule.workspace == str(workspace))
        and (rule.since is None or case.now >= rule.since)
        and (rule.until is None or case.now < rule.until)
    ]
    if any(rule.effect == "deny" and _true(case, rule, resource, features) is not False for rule in counting):
        return False
    return any(rule.effect == "allow" and _true(case, rule, resource, features) is True for rule in counting)


def _of_role(known, name, permission):
    role, found = known[name], []
    for other in role.includes:
        if other in known:
            found += _of_role(known, other, permission)
    found += [rule for rule in role.rules if _names(rule.permission, permission)]
    if any(_names(pattern, permission) for pattern in role.excluding):
        found = [rule for rule in found if rule.effect == "deny"]
    return found


def _names(pattern, permission):
    if permission == "system:admin":
        return False  # of the host's side: nobody in these cases is
    return pattern in ("*", permission) or (pattern.endswith(":*") and permission.startswith(pattern[:-1]))


def _true(case, rule, resource, features):
    if rule.resource is None and rule.when is None:
        return True
    if resource is None:
        return None
    if rule.resource not in (None, f"{resource.type}:{resource.id}"):
        return False
    return True if rule.when is None else _judged(case, rule.when.data, resource.properties, features)


def _judged(case, data, row, features):
    """Judge a condition by its data."""
    if "owner" in data:
        if "unless" in data and naive(case, data["unless"], None, features):
            return True
        return None if row[data["owner"]] is None else row[data["owner"]] == case.scope.actor.id
    if "attribute" in data:
        return _compared(row[data["attribute"]], *(one for one in data.items() if one[0] != "attribute"))
    inner = data.get("all") or data.get("any") or [data["not"]]
    answers = {_judged(case, one, row, features) for one in inner}
    if "not" in data:
        return {None: None, True: False, False: True}[answers.pop()]
    weakest = "all" not in data
    return weakest if weakest in answers else None if None in answers else not weakest


def _compared(found, comparison):
    operator, value = comparison
    if operator in ("missing", "present"):
        return (found is None) == (operator == "missing")
    if found is None:
        return None
    return {
        "is": lambda: found == value,
        "is_not": lambda: found != value,
        "in": lambda: found in value,
        "not_in": lambda: found not in value,
        "less": lambda: found < value,
        "at_least": lambda: found >= value,
    }[operator]()
