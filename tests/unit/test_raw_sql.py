"""Where raw SQL can hide, and what of it is harmless."""

from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.sql import quoted_name

from tenantkit.exceptions import StatementRefused
from tenantkit.isolation import raw_sql

NOTHING = ["", " ", "\n"]
INJECTIONS = [
    "(SELECT max(id) FROM documents)",
    "1; DROP TABLE documents",
    "1 UNION SELECT id FROM documents",
    "x -- rest",
    "x /* rest */",
    "documents.id",
    "id\n",
    "1\n",
]


def refused(check, *arguments):
    """Return the message with which a piece is refused."""
    with pytest.raises(StatementRefused) as caught:
        check(*arguments)
    return caught.value.message


@pytest.mark.parametrize("text", ["*", "0", "1", "42", "''", "'a'", "'a b, (SELECT 1) -- '", "'%'"])
def test_harmless_literals(text):
    """`*`, a number and one quoted text are what SQLAlchemy itself writes as literal columns."""
    assert raw_sql.check_literal(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *NOTHING,
        *INJECTIONS,
        "-1",
        "1.5",
        "NULL",
        "now()",
        "'a' || (SELECT name FROM documents)",
        "'a''b'",
        r"'a\' || name || '",
        "'a",
        '"name"',
        "$$a$$",
        "E'\\x41'",
        "\u0661 ",
        "**",
    ],
)
def test_other_literals_are_refused(text):
    """Any other literal column is refused and shown, with what to use instead."""
    message = refused(raw_sql.check_literal, text)
    assert "literal_column(" in message
    assert "Use literal() for values, or vouch(literal_column(...), reason)." in message


@pytest.mark.parametrize(
    "text", ["+", "||", "->>", "@>", "<@", "&&", "~*", "!~", "=", "<=>", "@@", "?|", "#>>", "%", "^"]
)
def test_operators_of_symbols(text):
    """A custom operator of symbols alone is harmless."""
    assert raw_sql.check_operator(SimpleNamespace(opstring=text)) is None


@pytest.mark.parametrize(
    "text",
    [
        *NOTHING,
        *INJECTIONS,
        "--",
        "/*",
        "*/",
        "+--",
        "=/*",
        "IN",
        "= ANY",
        "OVERLAPS",
        "= (SELECT 1) +",
        "a",
        "=\n",
        ";",
        "=;",
        "(",
        "=''",
    ],
)
def test_other_operators_are_refused(text):
    """A custom operator with a word, a bracket or a comment in it is refused."""
    assert "operators are made of symbols only" in refused(
        raw_sql.check_operator, SimpleNamespace(opstring=text)
    )


@pytest.mark.parametrize("word", ["year", "MONTH", "epoch", "iso_week", "dow"])
def test_fields_of_extract(word):
    """The field of an EXTRACT is a word."""
    assert raw_sql.check_keyword(word) is None


@pytest.mark.parametrize(
    "word", [*NOTHING, *INJECTIONS, "year FROM now()) + (SELECT 1", "'year'", "1year", "a b"]
)
def test_other_fields_are_refused(word):
    """Anything but one word as the field of an EXTRACT is refused."""
    assert "Name one field" in refused(raw_sql.check_keyword, word)


@pytest.mark.parametrize("name", ["plain", "_x1", "MixedCase", "größe"])
def test_unquoted_identifiers(name):
    """A name that asks not to be quoted may be a plain identifier."""
    assert raw_sql.check_identifier(quoted_name(name, quote=False)) is None


@pytest.mark.parametrize("name", [*NOTHING, *INJECTIONS, "a b", "a.b", '"a"', "1a", "a;", "a)"])
def test_other_unquoted_names_are_refused(name):
    """A name that asks not to be quoted and is more than an identifier is refused; quoted it is harmless."""
    assert "Let SQLAlchemy quote it." in refused(raw_sql.check_identifier, quoted_name(name, quote=False))
    for harmless in (name, quoted_name(name, quote=True), quoted_name(name, quote=None)):
        assert raw_sql.check_identifier(harmless) is None


TYPES = [
    "INTEGER",
    "NUMERIC(10, 2)",
    "VARCHAR(20)",
    "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP(3) WITHOUT TIME ZONE",
    "DOUBLE PRECISION",
    "INTEGER[]",
    'VARCHAR(20) COLLATE "de_DE"',
    "public.mood",
    "ENUM('a', 'b-c')",
    "INTERVAL DAY TO SECOND",
    "JSONB",
]


@pytest.mark.parametrize("text", TYPES)
def test_types(text):
    """The name of a type with its sizes and collation is harmless."""
    assert raw_sql.check_type(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "INTEGER) + (SELECT 1",
        "INTEGER; DROP TABLE documents",
        "INTEGER -- x",
        "INTEGER /* x */",
        "VARCHAR(20",
        "a = b",
        "a || b",
        "INTEGER\0",
        "INTEGER\\",
        "$1",
    ],
)
def test_other_types_are_refused(text):
    """A type that holds more than a name, sizes and a collation is refused."""
    assert "Use a type of SQLAlchemy with plain arguments." in refused(raw_sql.check_type, text)


CLOSED_EARLY = [
    "INTEGER) OR (1",
    "INTEGER)) OR ((1",
    "INTEGER), max(name",
    "INTEGER), (SELECT name FROM documents",
    "(SELECT 1)",
]


@pytest.mark.parametrize("text", CLOSED_EARLY)
def test_types_do_not_close_the_cast(text):
    """A type whose brackets are even in number but close the CAST around it early is refused."""
    refused(raw_sql.check_type, text)


def test_functions_by_their_full_name():
    """A function is allowed by its name in any case; one in a schema by both."""
    allowed = frozenset({"lower", "app.score"})
    assert raw_sql.check_function("LOWER", (), allowed) is None
    assert raw_sql.check_function("Score", ("app",), allowed) is None
    for name, packages in (
        ("upper", ()),
        ("score", ()),
        ("lower", ("app",)),
        ("lower", ("pg_catalog",)),
        ("", ()),
    ):
        assert "scope_engine(..., functions=[" in refused(raw_sql.check_function, name, packages, allowed)


def test_an_exchanged_schema_is_named():
    """What SQLAlchemy writes for an exchanged schema is refused by the name of the option that the caller knows."""
    assert "schema_translate_map" in refused(
        raw_sql.check_identifier, quoted_name("__[SCHEMA_own]", quote=False)
    )


def test_refusals_do_not_repeat_everything():
    """The refusal of a long piece shows its first 80 characters on one line."""
    assert len(raw_sql.text_refused("SELECT\n" * 10_000).message) < 300
    assert "\n" not in raw_sql.text_refused("SELECT\n1").message
    assert len(refused(raw_sql.check_literal, "x" * 10_000)) < 300


@example("''")
@given(st.text(max_size=40))
def test_harmless_pieces_hold_no_statement(text):
    """Whatever the text: what passes as literal, operator, field or name cannot hold a subquery or a comment."""
    checks = {
        raw_sql.check_literal: (text,),
        raw_sql.check_operator: (SimpleNamespace(opstring=text),),
        raw_sql.check_keyword: (text,),
        raw_sql.check_identifier: (quoted_name(text, quote=False),),
    }
    for check, arguments in checks.items():
        try:
            check(*arguments)
        except StatementRefused:
            continue
        is_literal = len(text) > 1 and text[0] == text[-1] == "'"
        inside, bare = (text[1:-1], "") if is_literal else ("", text)
        assert not set(bare) & set("();\n'\"")
        assert "'" not in inside
