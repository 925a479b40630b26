"""Plans and their limits."""

import pytest

from tenantkit.exceptions import ConfigurationError
from tenantkit.quotas import Plan, Plans


def read(tmp_path, text):
    """Return the plans that a file of this text holds."""
    path = tmp_path / "plans.toml"
    path.write_text(text, encoding="utf-8")
    return Plans.read(path)


def test_plans_are_read_from_toml(tmp_path):
    """A table per plan holds its limits and its link; both may be left out."""
    plans = read(
        tmp_path,
        '[plans.trial]\nupgrade_url = "https://x.example/buy"\n[plans.trial.limits]\ndocuments = 3\nusers = 0\n'
        "[plans.team]\n",
    )
    assert Plan("trial", {"documents": 3, "users": 0}, "https://x.example/buy") == plans.of("trial")
    assert Plan("team", {}, None) == plans.of("team")


BAD_LIMITS = {
    "below zero": "-1",
    "a fraction": "2.5",
    "a whole float": "3.0",
    "a boolean": "true",
    "a text": '"3"',
    "infinite": "inf",
    "no number": "nan",
    "a list": "[3]",
    "a table": "{ of = 3 }",
    "a date": "2026-01-01",
}


@pytest.mark.parametrize("limit", BAD_LIMITS.values(), ids=BAD_LIMITS)
def test_limits_are_whole_numbers(tmp_path, limit):
    """A limit that is no whole number from 0 up is refused when it is read, with plan and meter."""
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, f"[plans.trial.limits]\ndocuments = {limit}\n")
    message = caught.value.message
    assert "Plan 'trial' limits 'documents' to" in message
    assert "a whole number from 0 up. Leave the meter out for no limit." in message


BAD_LINKS = {
    "another scheme": "javascript:alert(1)",
    "no scheme": "x.example/buy",
    "a path": "/buy",
    "empty": "",
    "a file": "file:///etc/passwd",
}


@pytest.mark.parametrize("link", BAD_LINKS.values(), ids=BAD_LINKS)
def test_links_are_urls(tmp_path, link):
    """A link that clients cannot follow is refused with its plan."""
    with pytest.raises(ConfigurationError, match="Plan 'trial': upgrade_url"):
        read(tmp_path, f'[plans.trial]\nupgrade_url = "{link}"\n')


@pytest.mark.parametrize("link", ['"http://"', '"https:///buy"', '"http://["', "5"])
def test_broken_links_are_refused(tmp_path, link):
    """A link without a host, or that is no URL at all, is refused as a wrong configuration."""
    with pytest.raises(ConfigurationError, match="Plan 'trial'"):
        read(tmp_path, f"[plans.trial]\nupgrade_url = {link}\n")


MALFORMED = {
    "no TOML": ("[plans", "is not TOML"),
    "no plans": ("", r"exactly the tables \[plans\]; it holds nothing"),
    "another table": ("[plans]\n[roles]", "it holds plans, roles"),
    "an unknown key": (
        "[plans.trial]\nlimit = 3",
        r"\[plans.trial\] holds limit; known are limits and upgrade_url",
    ),
    "a plan of a number": ("[plans]\ntrial = 3", r"\[plans.trial\] holds 3"),
    "a plan of a text": ('[plans]\ntrial = "free"', r"\[plans.trial\] holds free"),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_files_are_refused(tmp_path, text, message):
    """A file of another shape is refused, in a message that says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize("limits", ["5", '"many"', "[3]", "true"])
def test_limits_are_a_table(tmp_path, limits):
    """Limits that are no table are refused as a wrong configuration."""
    with pytest.raises(ConfigurationError, match="trial"):
        read(tmp_path, f"[plans.trial]\nlimits = {limits}\n")


def test_an_unknown_plan_is_no_plan_without_limits():
    """A tenant whose plan does not exist is refused, with the plans that do: it never means "no limit"."""
    with pytest.raises(ConfigurationError, match="no plan 'gold'; known are team, trial"):
        Plans(Plan("trial"), Plan("team")).of("gold")
    with pytest.raises(ConfigurationError, match="known are none"):
        Plans().of("default")


def test_a_plan_can_be_made_in_python():
    """The same checks hold without a file."""
    with pytest.raises(ConfigurationError, match="limits 'documents' to -1"):
        Plan("trial", {"documents": -1})
    with pytest.raises(ConfigurationError, match="limits 'documents' to True"):
        Plan("trial", {"documents": True})
