"""The answers of an authorizer against a naive reader's, over random matrices and members."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from tenantkit.rbac import Authorizer, condition_from
from tests.unit import rules

features = st.sampled_from([(), ("reports",)])


def authorizer(case, features):
    """Return one at the moment of a case."""
    return Authorizer(
        case.matrix,
        SimpleNamespace(now=lambda: case.now),
        features=SimpleNamespace(has_feature=lambda _tenant, feature: feature in features),
    )


@given(rules.cases(), st.none() | rules.resources, features)
def test_answers_are_a_naive_readers(case, resource, features):
    """`check` is what the rules say one by one: roles, includes, exclusions, grants, denies, places, times, limits."""
    asked = authorizer(case, features)
    for permission in rules.NAMES:
        expected = rules.naive(case, permission, resource, features)
        assert expected == asked.check(case.scope, permission, resource)
        assert expected == (permission in asked.allowed_actions(case.scope, resource))


@given(rules.cases(), st.lists(rules.resources, max_size=5), features)
def test_everything_something_nothing(case, resources, features):
    """Allowed without a resource is allowed on each, and allowed on one is allowed on some."""
    asked = authorizer(case, features)
    for permission in rules.NAMES:
        answers = [asked.check(case.scope, permission, one) for one in resources]
        if asked.check(case.scope, permission):
            assert all(answers)
        if any(answers):
            assert asked.check_some(case.scope, permission)


@given(rules.cases(), st.none() | rules.resources, features)
def test_reasons_decide(case, resource, features):
    """Without the rules that an explanation names, the answer is the other one."""
    asked = authorizer(case, features)
    for permission in rules.NAMES:
        told = asked.explain(case.scope, permission, resource)
        assert told.allowed == asked.check(case.scope, permission, resource)
        assert bool(told.bases) == (told.reason in ("allowed", "denied"))
        if told.bases:
            without = case.without(told.bases)
            assert told.allowed != authorizer(without, features).check(without.scope, permission, resource)


@given(rules.conditions)
def test_conditions_survive_as_data(condition):
    """What a condition is as data is that condition again."""
    assert condition == condition_from(condition.data)


@given(rules.cases(), rules.cases(), rules.resources, st.sampled_from([None, *rules.MOMENTS]))
def test_nobody_gives_what_they_lack(case, other, resource, until):
    """Where nothing is lacked, what another scope may do this one may, too: in each workspace, until the gift ends."""
    theirs = rules.replace(other.scope, rules=case.scope.rules)
    if authorizer(case, ("reports",)).lacked(case.scope, theirs, until=until) is not None:
        return
    for now in (one for one in rules.MOMENTS if one >= case.now and (until is None or one < until)):
        asked = authorizer(rules.replace(case, now=now), ("reports",))
        for dimensions in ({}, {"workspace": 1}, {"workspace": 2}):
            mine = rules.replace(case.scope, dimensions=dimensions)
            would = rules.replace(theirs, dimensions=dimensions)
            assert asked.allowed_actions(would, resource) <= asked.allowed_actions(mine, resource)
