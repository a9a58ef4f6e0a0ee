"""Administrators at work: people with a role, and what they do over HTTP."""

import csv
import io
import re
from html import unescape

from flask import Flask

from tests.person import PASSWORD, Page, Person, app_code


def add(app: Flask, name: str, organisation: str, role: str = "member") -> Person:
    """Add somebody by the command that an operator uses."""
    arguments = ["account", "add", f"{name}@example.com", "--name", name.title()]
    added = app.test_cli_runner().invoke(
        args=[*arguments, "--organisation", organisation, "--role", role], input=PASSWORD + "\n"
    )
    assert added.exit_code == 0, added.output
    return Person(app, f"{name}@example.com")


def administrator(
    app: Flask, name: str = "dora", organisation: str = "Hartley & Sons", role: str = "owner"
) -> Person:
    """Return an administrator with two-factor on, just signed in."""
    person = add(app, name, organisation, role)
    person.sign_in()
    person.set_up()
    return person


def press(person: Person, button: str, **fields: str) -> Page:
    """Press a button by its name: send the form that it stands in, with its hidden fields."""
    page = person.page.response.text
    for form in re.findall(r"<form .*?</form>", page, re.S):
        if re.search(rf"<button[^>]*>\s*{re.escape(button)}\s*</button>", unescape(form)):
            break
    else:
        raise AssertionError(f"no button {button!r} on {person.page.heading!r}")
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    values = {name: unescape(value) for name, value in hidden} | fields
    action = re.search(r'action="([^"]+)"', form)
    assert action is not None
    path = unescape(action[1])
    if 'method="get"' in form:
        return person.show(person.client.get(path, query_string=values))
    return person.show(person.client.post(path, data=values, buffered=True))


def prove(person: Person, steps: int = 1) -> Page:
    """Answer the page that asks for a proof."""
    assert person.page.heading == "Confirm it is you", person.page.heading
    return person.press("/signin/confirm", code=app_code(person.key, steps=steps))


def table(page: Page) -> list[list[str]]:
    """Return the cells of the page's first table, row by row."""
    body = re.search(r"<tbody[^>]*>(.*?)</tbody>", page.text, re.S)
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body[1] if body else "", re.S)
    return [
        [
            " ".join(re.sub(r"<[^>]+>", " ", cell).split())
            for cell in re.split(r"</t[hd]>", row)[:-1]
        ]
        for row in rows
    ]


def lines(page: Page) -> list[list[str]]:
    """Return the lines of a file that was downloaded."""
    assert page.response.mimetype == "text/csv", page.text
    return list(csv.reader(io.StringIO(page.response.text)))
