"""Who acts."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Actor", "ActorKind"]

ActorKind = Literal["user", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """
    A person or a program that acts; its id is opaque and owned by the host's identity provider.

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
