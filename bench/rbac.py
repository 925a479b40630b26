"""
What it costs to ask whether somebody may, on the same policy, in one run.

``python -m bench.rbac [--quick]``. The policy is that of a document system: 16 permissions, five roles for every tenant
(`examples/roles/documents.toml`), and one role that each tenant made for itself. The contestants, where they are
installed (``pip install casbin cedarpy oso``):

- tenantkit, with 10 and with 10,000 tenants, each of which is asked in turn
- casbin, one enforcer for ten tenants (RBAC with domains), and one for each tenant
- cedarpy, with the policies of one tenant
- oso, with the rules of one tenant

Others are asked with ten tenants: that they grow is their users' complaint, and not measured here.
"""

import argparse
import itertools
import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from bench.contest import measure, print_bar, print_table
from tenantkit import Actor, Scope, Tenant
from tenantkit.rbac import Authorizer, Matrix, MemberRules, Role, Rule, owner_of

POLICY: Final = Path(__file__).parents[1] / "examples" / "roles" / "documents.toml"
FEW, MANY = 10, 10_000
CUSTOM: Final = [
    "documents:read",
    "documents:create",
    "documents:update",
    "users:read",
    "audit:read",
    "data:classify",
]
ALLOWED, REFUSED = "data:classify", "organization:billing"
Contestants = dict[str, Callable[[], object]]


def scopes_of(tenants: int) -> list[Scope]:
    """Return a scope in each of so many tenants, whose actor holds an editor's role and one that the tenant made."""
    made = []
    for number in range(tenants):
        role = Role("curator", tuple(Rule(one) for one in CUSTOM))
        rules = MemberRules({"curator": role}, tenant_id=number)
        scope = Scope(
            Tenant(number, f"t{number}"),
            Actor(f"ann-{number}"),
            roles=frozenset({"editor", "curator"}),
            rules=rules,
        )
        made.append(scope)
    return made


def ours(authorizer: Authorizer, scopes: list[Scope], permission: str) -> Callable[[], object]:
    """Return a question that is asked in one tenant after the other."""
    turn = itertools.cycle(scopes)

    def ask() -> object:
        return authorizer.check(next(turn), permission)

    return ask


def casbins(matrix: Matrix) -> Iterator[tuple[str, Callable[[str], bool], Callable[[], object]]]:
    """Give each way to use casbin: its name, its check of a permission, its list of what is allowed."""
    try:
        import casbin  # noqa: PLC0415 - may be missing
    except ImportError:
        return
    model = """
        [request_definition]
        r = sub, dom, act
        [policy_definition]
        p = sub, dom, act
        [role_definition]
        g = _, _, _
        [policy_effect]
        e = some(where (p.eft == allow))
        [matchers]
        m = g(r.sub, p.sub, r.dom) && (p.dom == "*" || r.dom == p.dom) && r.act == p.act
    """
    for name, tenants in (("casbin, one enforcer", FEW), ("casbin, one per tenant", 1)):
        enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=model))
        enforcer.add_policies([[role, "*", one] for role in matrix.roles for one in matrix.granted([role])])
        for number in range(tenants):
            enforcer.add_policies([["curator", f"t{number}", one] for one in CUSTOM])
            enforcer.add_grouping_policies(
                [[f"ann-{number}", role, f"t{number}"] for role in ("editor", "curator")]
            )

        def check(permission: str, enforcer: Any = enforcer) -> bool:
            return bool(enforcer.enforce("ann-0", "t0", permission))

        def listed(enforcer: Any = enforcer) -> object:
            return enforcer.get_implicit_permissions_for_user("ann-0", "t0")

        yield name, check, listed


def cedars(matrix: Matrix) -> Iterator[tuple[str, Callable[[str], bool], Callable[[], object]]]:
    """Give cedarpy."""
    try:
        import cedarpy  # noqa: PLC0415 - may be missing
    except ImportError:
        return
    granted = {role: matrix.granted([role]) for role in matrix.roles} | {"curator": frozenset(CUSTOM)}
    policies = "\n".join(
        f'permit(principal in Role::"{role}", action in [{_actions(names)}], resource);'
        for role, names in granted.items()
    )
    entities = json.dumps(
        [
            {
                "uid": {"type": "User", "id": "ann"},
                "attrs": {},
                "parents": [{"type": "Role", "id": role} for role in ("editor", "curator")],
            },
            *({"uid": {"type": "Role", "id": role}, "attrs": {}, "parents": []} for role in granted),
        ]
    )

    def request(permission: str) -> dict[str, Any]:
        return {
            "principal": 'User::"ann"',
            "action": f'Action::"{permission}"',
            "resource": 'Tenant::"t0"',
            "context": {},
        }

    def check(permission: str) -> bool:
        return bool(cedarpy.is_authorized(request(permission), policies, entities).allowed)

    everything = [request(one) for one in matrix.permissions]

    def listed() -> object:
        return [one.allowed for one in cedarpy.is_authorized_batch(everything, policies, entities)]

    yield "cedarpy", check, listed


def _actions(names: Iterable[str]) -> str:
    return ", ".join(f'Action::"{name}"' for name in sorted(names))


class Person:
    """Somebody, for oso."""

    def __init__(self, roles: list[str]) -> None:
        self.roles = roles


def osos(matrix: Matrix) -> Iterator[tuple[str, Callable[[str], bool], Callable[[], object]]]:
    """Give oso."""
    try:
        from oso import Oso  # noqa: PLC0415 - may be missing
    except ImportError:
        return
    granted = {role: matrix.granted([role]) for role in matrix.roles} | {"curator": frozenset(CUSTOM)}
    rules = [f'grants("{role}", "{one}");' for role, names in granted.items() for one in sorted(names)]
    rules.append("allow(person: Person, action, _resource) if role in person.roles and grants(role, action);")
    oso = Oso()
    oso.register_class(Person)
    oso.load_str("\n".join(rules))
    person = Person(["editor", "curator"])

    def check(permission: str) -> bool:
        return bool(oso.is_allowed(person, permission, "t0"))

    def listed() -> object:
        return oso.authorized_actions(person, "t0")

    yield "oso", check, listed


def contest(
    title: str, ours: Contestants, peers: Contestants, *, rounds: int, repeats: int
) -> dict[str, float]:
    """Measure us, then peers against the first of ours, and return the medians in microseconds."""
    reference = next(iter(ours))
    results = measure(ours, reference=reference, rounds=rounds, repeats=repeats)
    if peers:
        together = {reference: ours[reference], **peers}
        results += measure(together, reference=reference, rounds=rounds, repeats=max(1, repeats // 1000))[1:]
    print_table(title, results)
    return {one.name: one.median * 1e6 for one in results}


def memory(matrix: Matrix, tenants: int) -> float:
    """Return the bytes that a tenant with a role of its own costs, once it was asked."""
    authorizer = Authorizer(matrix)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    scopes = scopes_of(tenants)
    for scope in scopes:
        authorizer.check(scope, ALLOWED)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / tenants


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds, repeats = (8, 20_000) if parser.parse_args().quick else (40, 40_000)
    matrix = Matrix.read(POLICY)
    authorizer = Authorizer(matrix)
    few, many = scopes_of(FEW), scopes_of(MANY)
    for scope in [*few, *many]:
        authorizer.check(scope, ALLOWED)
    peers = [*casbins(matrix), *cedars(matrix), *osos(matrix)]
    for name, check, _ in peers:
        if not check(ALLOWED) or check(REFUSED):
            raise SystemExit(f"{name} decides otherwise, which is no contest")
    few_name, many_name = f"tenantkit, {FEW} tenants", f"tenantkit, {MANY} tenants"
    for words, permission in (("allowed", ALLOWED), ("refused", REFUSED)):
        took = contest(
            f"A check that is {words}",
            {few_name: ours(authorizer, few, permission), many_name: ours(authorizer, many, permission)},
            {name: (lambda check=check: check(permission)) for name, check, _ in peers},  # noqa: B023 - asked at once
            rounds=rounds,
            repeats=repeats,
        )
        print_bar(f"rbac/check {words}", took[few_name], 1, "us")
        print_bar(f"rbac/check {words}, growth to {MANY} tenants", took[many_name] / took[few_name], 2)
    turn = itertools.cycle(few)
    took = contest(
        "The list of what is allowed",
        {few_name: lambda: authorizer.allowed_actions(next(turn))},
        {name: listed for name, _, listed in peers},
        rounds=rounds,
        repeats=repeats,
    )
    print_bar("rbac/list of allowed actions", took[few_name], 1.5, "us")
    conditional(rounds, repeats)
    print(
        f"\nA tenant with a role of its own, of {len(CUSTOM)} permissions: {memory(matrix, 2000):.0f} bytes"
    )


def conditional(rounds: int, repeats: int) -> None:
    """Show what a condition costs: an own document among others."""
    matrix = Matrix({"documents:read": ""}, {"member": [Rule("documents:read", when=owner_of("created_by"))]})
    authorizer = Authorizer(matrix)
    scope = Scope(Tenant(1, "acme"), Actor("ann"), roles=frozenset({"member"}))
    own = {"created_by": "ann"}
    contest(
        "A check of one's own document, and why",
        {
            "check": lambda: authorizer.check(scope, "documents:read", own),
            "explain": lambda: authorizer.explain(scope, "documents:read", own),
        },
        {},
        rounds=rounds,
        repeats=repeats // 10,
    )


if __name__ == "__main__":
    main()
