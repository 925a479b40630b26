"""
Decisions for others to ask for: the Authorization API 1.0 of OpenID AuthZEN, without a framework.

Each function takes what a request's body says and returns what the answer's says. They work in the scope of who asks,
so that everything is about the tenant of that scope.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from tenantkit.core.scope import Scope, current
from tenantkit.exceptions import ConfigurationError, InvalidValue, NotAMember, QuestionMalformed
from tenantkit.rbac import Mode, Resource
from tenantkit.rbac.resources import mapper_of
from tenantkit.sql.spelling import read_key

if TYPE_CHECKING:
    from tenantkit.kit.root import TenantKit

__all__ = ["AuthZen"]

Document = Mapping[str, Any]
_USER: Final = "user"
_MOST: Final = 1000  # results of a page, and evaluations of a request
_USUAL: Final = 100
_MODES: Final[Mapping[str, Mode]] = {
    "execute_all": "all",
    "deny_on_first_deny": "until_denied",
    "permit_on_first_permit": "until_allowed",
}


@dataclass(frozen=True, slots=True)
class AuthZen:
    """
    What is decided for others, and by whom it may be asked.

    A subject is a member of the tenant (``type`` ``"user"``), an action a permission: by its name, or by what stands
    behind the separator where the resource's type is what stands before it. A resource of a type that is given here is
    a row of the tenant: it is looked up, and what the question says of its properties is not believed. Of other types
    the properties are believed.

    Args:
        url: where this is reached from outside, without a slash at its end; for the metadata. ``{tenant}`` in it stands
            for a tenant's slug: then each tenant has a document of its own.
        permission: whoever has it may ask about all members; others about themselves.
        resources: mapped classes of one primary key column, by the type that questions name.

    Raises:
        ConfigurationError: a class is not mapped so.

    .. versionadded:: 0.1
    """

    url: str
    permission: str
    resources: Mapping[str, type[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, model in self.resources.items():
            if len(mapper_of(model).primary_key) != 1:
                raise ConfigurationError(
                    f"The resource {name!r}: {model.__name__} has {len(mapper_of(model).primary_key)} primary key "
                    "columns, and an id can spell one."
                )

    def check(self, kit: "TenantKit") -> None:
        """
        Refuse where a kit does not know what this needs.

        Raises:
            ConfigurationError: the permission is not declared.
        """
        kit.roles.check_declared(self.permission)

    def metadata(self, kit: "TenantKit", tenant: str | None = None) -> dict[str, Any]:
        """Return the metadata of this decision point, or of one tenant's; see :attr:`is_by_tenant`."""
        url = self.url.rstrip("/").replace("{tenant}", tenant or "")
        offered = {
            "access_evaluation_endpoint": "evaluation",
            "access_evaluations_endpoint": "evaluations",
            "search_resource_endpoint": "search/resource",
            "search_action_endpoint": "search/action",
        }
        if _knows_members(kit):
            offered["search_subject_endpoint"] = "search/subject"
        found = {name: f"{url}/access/v1/{path}" for name, path in offered.items()}
        return {"policy_decision_point": url, **found}

    @property
    def is_by_tenant(self) -> bool:
        """Whether each tenant has a document of its own."""
        return "{tenant}" in self.url

    def evaluation(self, kit: "TenantKit", asked: Document) -> dict[str, Any]:
        """
        Decide one question.

        Costs a statement for a resource that is looked up, and what :meth:`TenantKit.member_scope` costs.

        Raises:
            QuestionMalformed: it is no question.
            PermissionDenied: it is about somebody else.
        """
        return self._decided(kit, asked)

    def evaluations(self, kit: "TenantKit", asked: Document) -> dict[str, Any]:
        """
        Decide several questions, which share what stands at the top; in one of three ways.

        ``options.evaluations_semantic`` is ``execute_all``, ``deny_on_first_deny`` or ``permit_on_first_permit``: the
        latter two end with the first such answer. Without questions below, the top is one.

        Raises:
            QuestionMalformed: one is no question, there are more than 1000, or there is no such way.
            PermissionDenied: one is about somebody else.
        """
        several = asked.get("evaluations") or []
        if not several:
            return self._decided(kit, asked)
        if (
            not isinstance(several, list)
            or len(several) > _MOST
            or not all(isinstance(one, dict) for one in several)
        ):
            raise QuestionMalformed(f"`evaluations` is a list of up to {_MOST} objects.")
        options = _part(asked, "options", needed=False)
        mode = _MODES.get(str(options.get("evaluations_semantic", "execute_all")))
        if mode is None:
            raise QuestionMalformed(f"`options.evaluations_semantic` is one of {', '.join(_MODES)}.")
        shared = {key: asked[key] for key in ("subject", "action", "resource", "context") if key in asked}
        answers: list[dict[str, Any]] = []
        for one in several:
            answers.append(self._decided(kit, {**shared, **one}))
            if mode != "all" and answers[-1]["decision"] == (mode == "until_allowed"):
                break
        return {"evaluations": answers}

    def search_subject(self, kit: "TenantKit", asked: Document) -> dict[str, Any]:
        """
        Return a page of the members who may do something to a resource.

        Looks at as many members as a page has results; the last page has no token. Costs a statement, and what the
        cache does not know of each member.

        Raises:
            QuestionMalformed: it is no question, or the application has a directory of its own.
            PermissionDenied: the actor may not ask about others.
        """
        self._require(kit)
        if not _knows_members(kit):
            raise QuestionMalformed("Members are not searched here. Ask about each of them.")
        if _text(_part(asked, "subject"), "type") != _USER:
            raise QuestionMalformed(f"Subjects here are of the type {_USER!r}.")
        permission, resource = self._permission(kit, asked), self._resource(kit, asked)
        token, limit = _page(asked)
        if resource is None:
            return _results([], None)
        try:
            found = kit.access.list_subjects(
                permission, resource, after=token, limit=limit, dimensions=_dimensions(asked)
            )
        except InvalidValue:
            raise QuestionMalformed("`page.token` is none that was given out.") from None
        return _results([{"type": _USER, "id": one} for one in found.items], found.after)

    def search_resource(self, kit: "TenantKit", asked: Document) -> dict[str, Any]:
        """
        Return a page of the rows on which a member may do something, by their keys. Costs one statement.

        Raises:
            QuestionMalformed: it is no question, or the type is none of those that are given.
            PermissionDenied: it is about somebody else.
        """
        scope, said = self._subject(kit, asked), _part(asked, "resource")
        kind = _text(said, "type")
        if kind not in self.resources:
            raise QuestionMalformed(f"There are no resources of the type {kind!r} to be searched.")
        permission = self._permission(kit, asked)
        token, limit = _page(asked)
        if scope is None:
            return _results([], None)
        model = self.resources[kind]
        column = mapper_of(model).primary_key[0]
        key = getattr(model, mapper_of(model).get_property_by_column(column).key)
        rows = kit.access.authorizer.filter(scope, select(key).order_by(key), permission, model=model)
        if token is not None:
            after = read_key(column.type, token)
            if after is None:
                raise QuestionMalformed("`page.token` is none that was given out.")
            rows = rows.where(key > after)
        found = [str(one) for one in kit.session().scalars(rows.limit(limit + 1))]
        return _results(
            [{"type": kind, "id": one} for one in found[:limit]],
            found[limit - 1] if len(found) > limit else None,
        )

    def search_action(self, kit: "TenantKit", asked: Document) -> dict[str, Any]:
        """
        Return the permissions that a member has on a resource; one page.

        Raises:
            QuestionMalformed: it is no question.
            PermissionDenied: it is about somebody else.
        """
        scope, resource = self._subject(kit, asked), self._resource(kit, asked)
        if scope is None or resource is None:
            return _results([], None)
        found = kit.access.authorizer.allowed_actions(scope, resource)
        return _results([{"name": one} for one in sorted(found)], None)

    def _decided(self, kit: "TenantKit", asked: Document) -> dict[str, Any]:
        scope, permission = self._subject(kit, asked), self._permission(kit, asked)
        resource = self._resource(kit, asked)
        if scope is None:
            return {"decision": False, "context": {"reason": "The subject is no active member."}}
        if resource is None:
            return {"decision": False, "context": {"reason": "There is no such resource."}}
        told = kit.access.authorizer.explain(scope, permission, resource)
        return {"decision": told.allowed, "context": {"reason": told.words}}

    def _require(self, kit: "TenantKit") -> None:
        kit.access.require(self.permission)

    def _subject(self, kit: "TenantKit", asked: Document) -> Scope | None:
        """Return the scope of whom a question is about, or None where they are no member."""
        said, scope = _part(asked, "subject"), current()
        kind, user_id = _text(said, "type"), _text(said, "id")
        is_own = scope.actor is not None and scope.actor.kind == "user" and scope.actor.id == user_id
        if kind != _USER or not is_own or scope.limits is not None:
            self._require(kit)
        if kind != _USER:
            return None
        try:
            return kit.member_scope(scope.tenant, user_id, dimensions=_dimensions(asked))
        except NotAMember:
            return None

    def _permission(self, kit: "TenantKit", asked: Document) -> str:
        name, kind = _text(_part(asked, "action"), "name"), _part(asked, "resource").get("type")
        matrix = kit.roles
        for spelled in (name, f"{kind}{matrix.separator}{name}"):
            if spelled in matrix.permissions:
                return spelled
        spelled = f"{str(kind)[:80]}{matrix.separator}{name[:80]}"
        raise QuestionMalformed(f"There is no permission {name[:80]!r}, and none {spelled!r}.")

    def _resource(self, kit: "TenantKit", asked: Document) -> Any:
        """Return what a question is about: a row of the tenant, None where it has none, or what the question says."""
        said = _part(asked, "resource")
        kind, key = _text(said, "type"), _text(said, "id")
        by_table = {
            str(getattr(table, "name", "")): model
            for model in self.resources.values()
            for table in (mapper_of(model).base_mapper.local_table, mapper_of(model).local_table)
        }
        model = self.resources.get(kind) or by_table.get(kind)  # which are believed by neither name
        if model is None:
            return Resource(kind, key, _part(said, "properties", needed=False))
        identity = read_key(mapper_of(model).primary_key[0].type, key)
        return None if identity is None else kit.session().get(model, identity)


def _knows_members(kit: "TenantKit") -> bool:
    return kit.organizations == kit.directory.on


def _part(asked: Document, name: str, *, needed: bool = True) -> Document:
    found = asked.get(name)
    if found is None and not needed:
        return {}
    if not isinstance(found, dict):
        raise QuestionMalformed(
            f"`{name}` is an object, and has to be there." if needed else f"`{name}` is an object."
        )
    return found


def _text(part: Document, name: str) -> str:
    found = part.get(name)
    if not isinstance(found, str) or not found or "\0" in found:
        raise QuestionMalformed(f"`{name}` is a text, and has to be there.")
    return found


def _page(asked: Document) -> tuple[str | None, int]:
    page = _part(asked, "page", needed=False)
    token, limit = page.get("token"), page.get("limit", _USUAL)
    if (
        not isinstance(token, str | None)
        or isinstance(limit, bool)
        or not isinstance(limit, int)
        or limit < 1
    ):
        raise QuestionMalformed("`page.token` is a text that was given out, `page.limit` a number from 1 up.")
    return token or None, min(limit, _MOST)


def _dimensions(asked: Document) -> dict[str, Any]:
    """Return the workspace that a question is asked in, if its context names one."""
    workspace = _part(asked, "context", needed=False).get("workspace")
    if not isinstance(workspace, str | int | None) or isinstance(workspace, bool):
        raise QuestionMalformed("`context.workspace` is a text or a number.")
    return {} if workspace is None else {"workspace": workspace}


def _results(found: list[dict[str, str]], after: str | None) -> dict[str, Any]:
    return {"results": found, "page": {"next_token": after or ""}}
