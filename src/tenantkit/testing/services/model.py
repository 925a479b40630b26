"""Nouns of the test servers: a login, and a database with its two roles."""

from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

__all__ = ["Database", "Login"]


@dataclass(frozen=True, slots=True)
class Login:
    """
    Who connects to where: the parts of a database URL, whatever the driver.

    Attributes:
        user: Name of the role.
        password: Its password, empty for none; never shown by ``repr``.
        host: Host name or address, empty when a socket is named in ``options``.
        port: TCP port, or None for the driver's default.
        database: Name of the database, empty for the driver's default.
        options: Further parameters, in the order of the URL.

    .. versionadded:: 0.1
    """

    user: str
    password: str = field(default="", repr=False)
    host: str = ""
    port: int | None = None
    database: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Read a database URL; the scheme is not looked at.

        Args:
            url: Such as ``postgresql+psycopg://user:password@host:5432/name``.

        Returns:
            The login.

        Raises:
            ValueError: The URL has no scheme, or a port that is no number.

        .. versionadded:: 0.1
        """
        parts = urlsplit(url)
        if not parts.scheme or "://" not in url:
            raise ValueError("not a database URL: it has no scheme")
        return cls(
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            host=parts.hostname or "",
            port=parts.port,
            database=unquote(parts.path.lstrip("/")),
            options=tuple(parse_qsl(parts.query)),
        )

    def url(self, scheme: str) -> str:
        """
        Write the login as a URL.

        Args:
            scheme: Dialect and driver, such as ``postgresql+psycopg``.

        Returns:
            A URL that SQLAlchemy, or :meth:`parse`, reads back into the same parts.

        .. versionadded:: 0.1
        """
        password = f":{quote(self.password, safe='')}" if self.password else ""
        who = f"{quote(self.user, safe='')}{password}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        query = f"?{urlencode(self.options, safe='/')}" if self.options else ""
        return f"{scheme}://{who}{host}{port}/{quote(self.database, safe='')}{query}"

    @property
    def place(self) -> str:
        """
        The address alone, for messages.

        .. versionadded:: 0.1
        """
        named = dict(self.options)
        host = self.host or named.get("host") or named.get("unix_socket") or "localhost"
        return f"{host}:{self.port}" if self.port else host

    def parameters(self) -> dict[str, str | int]:
        """
        Give the login as keywords of libpq.

        Returns:
            Only what is set: an empty password is left to the driver's own sources.

        .. versionadded:: 0.1
        """
        named = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
        }
        return {name: value for name, value in named.items() if value} | dict(self.options)


@dataclass(frozen=True, slots=True)
class Database:
    """
    A fresh database, with the role that owns it and the role that an application would use.

    Attributes:
        name: Random name of the database.
        owner: Login that owns the database and creates tables.
        app: Login that reads and writes rows, and may do nothing else.
        dialect: SQLAlchemy's name for the kind of database.
        driver: SQLAlchemy's name for the driver in the URLs.

    .. versionadded:: 0.1
    """

    name: str
    owner: Login
    app: Login
    dialect: str = "postgresql"
    driver: str = "psycopg"

    @property
    def owner_url(self) -> str:
        """
        SQLAlchemy URL of the owner.

        .. versionadded:: 0.1
        """
        return self.owner.url(f"{self.dialect}+{self.driver}")

    @property
    def app_url(self) -> str:
        """
        SQLAlchemy URL of the application's role.

        .. versionadded:: 0.1
        """
        return self.app.url(f"{self.dialect}+{self.driver}")

    def using(self, driver: str) -> Self:
        """
        Give the same database with URLs for another driver.

        Args:
            driver: Such as ``asyncpg``.

        Returns:
            A new value; the database itself is the same one.

        .. versionadded:: 0.1
        """
        return replace(self, driver=driver)
