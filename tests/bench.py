"""What the server spends per act: CPU time of a gunicorn worker, from the system's own count.

Run by `make bench`. Each act is the whole of it: an enrolment from the introduction
to the end; a sign-in with its password and its code.
"""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from factors import diagnosis, totp
from tests import bench_crowd
from tests.live import Browser, Server, serve
from tests.person import PASSWORD, app_code, never_shown
from tests.test_races import Newcomer, Site

PEOPLE = 15
REAL = {"ONWARD_PASSWORD_MEMORY_KIB": "19456", "ONWARD_PASSWORD_TIME_COST": "2"}


def cpu_ms(parent: int) -> float:
    """Return the CPU time of the workers below `parent`, in milliseconds."""
    command = ["ps", "-A", "-o", "pid=,ppid=,time="]
    stat = Path("/proc/self/stat")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    workers = [row for row in rows if row[1] == str(parent)]
    if not stat.exists():  # macOS: ps counts hundredths of a second
        return sum(1000 * _seconds(row[2]) for row in workers)
    ticks = 0
    for pid, _, _ in workers:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")


def _seconds(shown: str) -> float:
    total = 0.0
    for part in re.split(r"[:-]", shown):
        total = total * 60 + float(part)
    return total


def measure(server: Server, acts: list[Callable[[], object]]) -> float:
    """Return the milliseconds of server CPU that one of the acts costs on average."""
    before = cpu_ms(server.pid)
    for act in acts:
        act()
    return (cpu_ms(server.pid) - before) / len(acts)


def second(someone: Newcomer, path: str, code: Callable[[], str]) -> Callable[[], object]:
    def act() -> None:
        browser = Browser(someone.site.server)
        browser.get("/signin")
        browser.keep(browser.press("/signin", email=someone.email, password=PASSWORD))
        browser.get("/signin/code")
        answer = browser.press(path, code=code())
        assert answer.status == 303, answer.heading

    return act


def bench(server: Server, instance: Path) -> list[tuple[str, float]]:
    site = Site(server, f"sqlite:///{instance}/onward.sqlite", instance)
    people = [site.newcomer() for _ in range(PEOPLE)]
    people[0].set_up()  # what is made at the first use is not the act's cost
    rows = [("enrolment", measure(server, [person.set_up for person in people[1:]]))]
    by_app = [second(p, "/signin/code", lambda p=p: app_code(p.key, steps=1)) for p in people[1:]]  # type: ignore[misc]  # bound here
    rows.append(("sign-in, app code", measure(server, by_app)))
    by_code = [second(p, "/signin/backup-code", lambda p=p: p.codes[0]) for p in people[1:]]  # type: ignore[misc]  # bound here
    rows.append(("sign-in, backup code", measure(server, by_code)))
    return [*rows, ("sign-in, emailed code", measure(server, [_by_email(p) for p in people[1:6]]))]


def _by_email(someone: Newcomer) -> Callable[[], object]:
    """Add a backup email outside of what is measured; the mails land as files."""
    browser = someone.browser
    browser.get("/setup/email")
    browser.press("/setup")
    browser.press("/setup", address=f"home-{someone.email}")
    browser.press("/setup", code=_newest(someone.site))

    def act() -> None:
        own = Browser(someone.site.server)
        own.get("/signin")
        own.press("/signin", email=someone.email, password=PASSWORD)
        own.get("/signin/backup-email")
        own.get(own.press("/signin/backup-email").location)
        answer = own.press("/signin/backup-email/code", code=_newest(someone.site))
        assert answer.status == 303, answer.heading

    return act


def _newest(site: Site) -> str:
    newest = sorted((site.instance / "outbox").glob("*.eml"))[-1].read_text()
    found = re.search(r"^(\d{6})\r?$", newest, re.M)
    assert found, newest
    return found.group(1)


def diagnosis_ms() -> float:
    """Return the CPU time of the widest diagnosis: a code that the app shows at no time."""
    record, best = diagnosis.Record("bench", totp.new_secret()), float("inf")
    code = never_shown(record.secret)
    for _ in range(7):
        begun = time.process_time()
        diagnosis.in_set_up(code, record, [], None, datetime.now(UTC))
        best = min(best, time.process_time() - begun)
    return best * 1000


def main() -> None:
    print(f"a wrong code looked for in 26 hours both ways: {diagnosis_ms():.1f} ms of CPU")
    for title, costs in (("cheap password hash", {}), ("real password hash", REAL)):
        with tempfile.TemporaryDirectory() as folder:
            instance = Path(folder) / "instance"
            with serve(instance, **costs) as server:
                print(f"\n{title}: server CPU, milliseconds per act")
                for name, cost in bench(server, instance):
                    print(f"  {name:<24}{cost:7.1f}")
    bench_crowd.main()


if __name__ == "__main__":
    main()
