"""The nouns of authorization."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, get_args

from tenantkit.core.tenant import TenantId
from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.conditions import Condition

__all__ = [
    "Basis",
    "Change",
    "Decision",
    "Drift",
    "Effect",
    "Grant",
    "MemberRules",
    "Permission",
    "Reason",
    "Role",
    "Rule",
    "Rulebook",
    "Side",
]

Effect = Literal["allow", "deny"]
Side = Literal["tenant", "host"]
Reason = Literal["allowed", "denied", "not granted", "credentials", "feature"]


@dataclass(frozen=True, slots=True)
class Permission:
    """
    Something that may be done.

    Args:
        name: its name, ``documents:read``.
        description: what it lets one do, for people.
        side: ``"host"`` for what only your own people may do: no role of a tenant grants it, and no wildcard in one.
        feature: the feature that a tenant's plan has to have besides.

    .. versionadded:: 0.1
    """

    name: str
    description: str = ""
    side: Side = "tenant"
    feature: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """
    What is allowed or denied, on what, where and when.

    Args:
        permission: a permission, all that begin alike (``documents:*``), or all (``*``).
        effect: ``"allow"``, or ``"deny"``, which wins over whatever allows.
        when: holds for resources of which this is true; for all by default.
        resource: holds for this one alone, spelled ``<table>:<key>``.
        workspace: holds in this workspace alone, spelled as text.
        since: holds from this moment on; with a time zone, and kept in UTC.
        until: holds before this moment; likewise.

    Raises:
        ConfigurationError: a part is not as it should be.

    .. versionadded:: 0.1
    """

    permission: str
    effect: Effect = "allow"
    when: Condition | None = None
    resource: str | None = None
    workspace: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.permission, str) or self.effect not in get_args(Effect):
            raise ConfigurationError(
                f"A rule names a permission, and its effect is 'allow' or 'deny', not {self.effect!r} of "
                f"{self.permission!r}."
            )
        if self.when is not None and not isinstance(self.when, Condition):
            raise ConfigurationError(f"What a rule holds for is a condition, not {self.when!r}.")
        if not isinstance(self.workspace, str | None):
            raise ConfigurationError(
                f"A rule spells its workspace as text, as in '7', and not as {self.workspace!r}."
            )
        if self.resource is not None and (not isinstance(self.resource, str) or ":" not in self.resource):
            raise ConfigurationError(
                f"A resource is named <table>:<key>, as in 'documents:42', and not {self.resource!r}."
            )
        for name in ("since", "until"):
            object.__setattr__(self, name, _in_utc(name, getattr(self, name)))
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ConfigurationError(
                f"A rule ends after it begins, and not at {self.until}, if it begins at {self.since}."
            )

    @property
    def is_partial(self) -> bool:
        """Whether it holds for some resources, and not for others."""
        return self.when is not None or self.resource is not None

    @property
    def everywhere(self) -> "Rule":
        """The same rule, in every workspace and at all times."""
        return replace(self, workspace=None, since=None, until=None)

    @property
    def is_plain(self) -> bool:
        """Whether it allows everywhere and always."""
        return self.effect == "allow" and not self.is_partial and self == self.everywhere

    @property
    def bounds(self) -> str:
        """On what, where and when it holds, in words; the empty text where it always does."""
        words = []
        if self.resource is not None:
            words.append(f"on {self.resource!r}")
        if self.workspace is not None:
            words.append(f"in workspace {self.workspace!r}")
        if self.when is not None:
            words.append(f"where {self.when}")
        if self.since is not None:
            words.append(f"from {self.since.isoformat()}")
        if self.until is not None:
            words.append(f"until {self.until.isoformat()}")
        return " ".join(words)

    def __str__(self) -> str:
        verb = "allows" if self.effect == "allow" else "denies"
        return f"{verb} {self.permission!r} {self.bounds}".rstrip()


def _in_utc(name: str, moment: datetime | None) -> datetime | None:
    """Return a moment of a rule in UTC, as it is kept and compared."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise ConfigurationError(f"`{name}` of a rule is a moment, not {moment!r}.")
    if moment.tzinfo is None:
        raise ConfigurationError(f"`{name}` of a rule has a time zone; {moment} has none.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ConfigurationError(
            f"`{name}` of a rule is a moment that there is in UTC, not {moment}."
        ) from None


@dataclass(frozen=True, slots=True)
class Role:
    """
    What somebody may do who holds it.

    Args:
        name: its name.
        rules: what it allows and denies.
        includes: other roles, all of whose rules it has.
        excluding: permissions that it does not allow, whatever its rules and those of included roles say. Unlike a rule
            that denies, this leaves alone what other roles of the same person allow.
        description: what it is for, for people.
        side: ``"host"`` for your own people, who may be allowed permissions of the host's side.

    Raises:
        ConfigurationError: a part is not as it should be.

    .. versionadded:: 0.1
    """

    name: str
    rules: tuple[Rule, ...] = ()
    includes: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()
    description: str = ""
    side: Side = "tenant"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.side not in get_args(Side):
            raise ConfigurationError(
                f"A role has a text for a name, and a side: 'tenant' or 'host', not {self.name!r} and {self.side!r}."
            )
        if not isinstance(self.description, str):
            raise ConfigurationError(
                f"The description of the role {self.name!r} is a text, not {self.description!r}."
            )
        if not isinstance(self.rules, tuple) or not all(isinstance(one, Rule) for one in self.rules):
            raise ConfigurationError(
                f"The rules of the role {self.name!r} are a tuple of Rule, not {self.rules!r}."
            )
        for several in (self.includes, self.excluding):
            if not isinstance(several, tuple) or not all(isinstance(one, str) for one in several):
                raise ConfigurationError(
                    f"What the role {self.name!r} includes or excludes is a tuple of texts, not {several!r}."
                )


@dataclass(frozen=True, slots=True)
class Grant:
    """
    A rule that was given to one member.

    Args:
        id: its id, as text.
        user_id: to whom.
        rule: the rule.
        given_by: by whom; None where that is not known.
        delegated: whether it is lent: it counts only while whoever gave it has the permission.
        given_at: when.

    .. versionadded:: 0.1
    """

    id: str
    user_id: str
    rule: Rule
    given_by: str | None = None
    delegated: bool = False
    given_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MemberRules:
    """
    What counts for a member beside the matrix: two are equal only if they are the same.

    Args:
        roles: the roles that the tenant made, by name.
        grants: what was given to the member.
        tenant_id: whose they are.

    .. versionadded:: 0.1
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    tenant_id: TenantId | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rulebook:
    """
    What a tenant has of rules beside the matrix.

    Args:
        tenant_id: the tenant.
        version: how often they were changed; 0 if never.
        rules: its roles, which count for each of its members.
        has_grants: whether anything was ever granted to single members.

    .. versionadded:: 0.1
    """

    tenant_id: TenantId
    version: int
    rules: MemberRules
    has_grants: bool


@dataclass(frozen=True, slots=True)
class Change:
    """
    What was defined or granted, and until when it counted.

    Args:
        what: the role, or the grant.
        at: from when on.
        by: who did it.
        ended_at: when it was ended, or defined anew; None while it was not. A grant may be over by its own time.
        ended_by: who did that.

    .. versionadded:: 0.1
    """

    what: Role | Grant
    at: datetime
    by: str | None
    ended_at: datetime | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """
    Something that is kept and does not go with the application's matrix any more.

    Args:
        tenant_id: whose it is.
        subject: what.
        why: what is wrong with it.

    .. versionadded:: 0.1
    """

    tenant_id: TenantId
    subject: str
    why: str

    def __str__(self) -> str:
        return f"tenant {self.tenant_id}: {self.subject}: {self.why}"


@dataclass(frozen=True, slots=True)
class Basis:
    """
    A rule, and why it counts for somebody.

    Args:
        rule: the rule.
        role: the role in which it is written; None for a grant of the member's own.
        held: the role that the member holds, which is or includes that one.
        grant: the grant's id, where it is one that is kept in the data.
        lent: whether it is a grant that was lent, so that it is not the member's to give.

    .. versionadded:: 0.1
    """

    rule: Rule
    role: str | None = None
    held: str | None = None
    grant: str | None = None
    lent: bool = False

    def __str__(self) -> str:
        if self.role is None:
            return f"a grant of your own {self.rule}"
        through = "" if self.held in (None, self.role) else f", which your role {self.held!r} includes,"
        return f"the role {self.role!r}{through} {self.rule}"


@dataclass(frozen=True, slots=True)
class Decision:
    """
    An answer, and what it rests on.

    Args:
        allowed: the answer.
        permission: what was asked for.
        reason: why: a rule allows it, a rule denies it, no rule allows it, the credentials are not good for it, or the
            tenant's plan lacks the feature.
        bases: the rules that decided. Without all of them the answer would be the other one; without one, perhaps not.
        words: the same, for people.

    .. versionadded:: 0.1
    """

    allowed: bool
    permission: str
    reason: Reason
    bases: tuple[Basis, ...]
    words: str

    def __bool__(self) -> bool:
        return self.allowed
