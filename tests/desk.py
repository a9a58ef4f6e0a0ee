"""Everything that an owner looks at, as acts that can be counted and timed one by one."""

from collections.abc import Callable
from dataclasses import dataclass

from admin.standing import LABELS
from tests.crowd import FIRST
from tests.person import Person


@dataclass(frozen=True)
class Act:
    """One page or file; `run` returns how many bytes came, without keeping them."""

    name: str
    run: Callable[[], int]


def acts(person: Person, member: int, after: int) -> list[Act]:
    """Return the acts of an administrator of the crowd's first organisation.

    `member` is somebody of it, `after` whom the next page follows.
    """
    token = person.visit("/admin/people").hidden()

    def get(path: str) -> Callable[[], int]:
        return lambda: _read(person, path)

    def post(path: str, **fields: str) -> Callable[[], int]:
        return lambda: _read(person, path, token | fields)

    states = [Act(f"People, {state}", get(f"/admin/people?state={state}")) for state in LABELS]
    search, audit = "/admin/people/search", "/admin/audit/search"
    return [
        Act("People", get("/admin/people")),
        Act("People, next page", get(f"/admin/people?after={after}")),
        *states,
        Act("People, search that finds many", post(search, search="ada")),
        Act("People, search that finds one", post(search, search=f"person{member - FIRST}@")),
        Act("People, search that finds nobody", post(search, search="nobody like this")),
        Act("One person", get(f"/admin/people/{member}")),
        Act("Enforcement, whom it concerns", post("/admin/enforcement", level="hard")),
        Act("Progress", get("/admin/progress")),
        Act("Send reminder", get("/admin/people/remind")),
        Act("People, CSV", post("/admin/people.csv")),
        Act("People, CSV of one state", post("/admin/people.csv", state="must")),
        Act("Audit log", get("/admin/audit")),
        Act("Audit log, one kind", get("/admin/audit?kind=proof")),
        Act("Audit log, a rare kind", get("/admin/audit?kind=two-factor reset")),
        Act("Audit log, no such kind", get("/admin/audit?kind=none")),
        Act("Audit log, one person", get(f"/admin/audit?person={member}")),
        Act("Audit log, search for one", post(audit, search=f"person{member - FIRST}@")),
        Act("Audit log, search that finds many", post(audit, search="ada")),
        Act("Audit log, an old day", post(audit, until="2001-01-01")),
        Act("Audit log, CSV", post("/admin/audit.csv")),
    ]


def _read(person: Person, path: str, form: dict[str, str] | None = None) -> int:
    """Ask for a page or file and read it piece by piece."""
    kind = "GET" if form is None else "POST"
    answer = person.client.open(path, method=kind, data=form, buffered=False)
    assert answer.status_code == 200, (path, answer.status_code)
    try:
        return sum(len(piece) for piece in answer.response)
    finally:
        answer.close()
