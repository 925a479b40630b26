"""Who acts."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Actor", "ActorKind"]

ActorKind = Literal["user", "system", "key", "link"]


@dataclass(frozen=True, slots=True)
class Actor:
    """
    Who acts; the id of a person is opaque and owned by the host's identity provider.

    Args:
        id: who.
        kind: ``"user"`` is a person, ``"system"`` a program of the application, ``"key"`` a program of somebody else
            with an API key, ``"link"`` whoever holds a share link.

    .. versionadded:: 0.1
    """

    id: str
    kind: ActorKind = "user"

    @classmethod
    def system(cls, name: str) -> "Actor":
        """
        The program that acts by itself under a name: a scheduler, a migration, a command.

        .. versionadded:: 0.1
        """
        return cls(id=name, kind="system")
