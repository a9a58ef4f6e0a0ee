"""The proxies of the guide, as their files stand in deploy/: real nginx, real Caddy, real TLS."""

import http.client
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.live import ROOT, free_port, serve

NAME = "sign-in.example.org"
THREADS = "4"
SLOW = 16
"""Clients that send half a form and then nothing: four times the threads."""
NOTED = "SELECT address FROM events UNION SELECT network FROM refusal_counts"


@dataclass(frozen=True)
class Proxy:
    """One that runs, and how to speak to it."""

    port: int
    trust: ssl.SSLContext
    instance: Path

    def line(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.trust.wrap_socket(plain, server_hostname=NAME)

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request as a browser at the installation's own name does."""
        connection = http.client.HTTPConnection(NAME)
        connection.sock = self.line()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, text


def _nginx(folder: Path, port: int, upstream: int, cert: Path, key: Path) -> list[str]:
    """Wrap the site of the guide into a server that any user may run."""
    site = (ROOT / "deploy" / "nginx.conf").read_text()
    site = site.split("\nserver {\n    listen 80;")[0]
    site = site.replace("listen 443", f"listen 127.0.0.1:{port}").replace(":8000", f":{upstream}")
    site = site.replace("/etc/ssl/sign-in.example.org.pem", str(cert))
    site = site.replace("/etc/ssl/private/sign-in.example.org.key", str(key))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}{site}}}\n"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return [program, "-c", str(file), "-e", f"{folder}/error.log"]


def _caddy(folder: Path, port: int, upstream: int, cert: Path, key: Path) -> list[str]:
    site = (ROOT / "deploy" / "Caddyfile").read_text()
    site = site.replace(f"{NAME} {{", f"{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {cert} {key}", 1)
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    file = folder / "Caddyfile"
    file.write_text(options + site.replace(":8000", f":{upstream}"))
    return ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]


def _certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            for _ in range(300):
                assert process.poll() is None, log.read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="module", params=[_nginx, _caddy], ids=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    make: Callable[..., list[str]] = request.param
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    cert, key = _certificate(folder)
    own = {"ONWARD_BASE_URL": f"https://{NAME}", "ONWARD_PROXY_HOPS": "1"}
    instance = folder / "instance"
    with ExitStack() as both:
        site = both.enter_context(serve(instance, threads=THREADS, **own))
        command = make(folder, port, site.port, cert, key)
        both.enter_context(_running(command, port, folder / "proxy.log"))
        yield Proxy(port, ssl.create_default_context(cafile=str(cert)), instance)


def test_a_page_comes_through_whole(proxy: Proxy) -> None:
    answer, text = proxy.ask("/signin", Accept_Encoding="gzip")

    assert answer.status == 200
    assert b"<h1" in text
    assert answer.getheader("Content-Encoding") is None, "a page with secrets is not compressed"
    assert answer.getheader("Strict-Transport-Security", "").startswith("max-age=31536000")
    cookie = answer.getheader("Set-Cookie", "")
    assert cookie.startswith("__Host-onward=")
    assert "Secure" in cookie


def test_static_files_come_compressed(proxy: Proxy) -> None:
    answer, _ = proxy.ask("/static/onward.css", Accept_Encoding="gzip")
    assert (answer.status, answer.getheader("Content-Encoding")) == (200, "gzip")


def test_the_address_of_the_visitor_is_noted_and_not_what_the_visitor_claims(proxy: Proxy) -> None:
    page, text = proxy.ask("/signin")
    cookie = str(page.getheader("Set-Cookie")).partition(";")[0]
    value = text.decode().partition('name="csrf_token" value="')[2].partition('"')[0]
    form = urlencode({"csrf_token": value, "email": "nobody@example.com", "password": "wrong"})
    answer, _ = proxy.ask(
        "/signin",
        "POST",
        form,
        Cookie=cookie,
        Origin=f"https://{NAME}",
        Referer=f"https://{NAME}/signin",
        Content_Type="application/x-www-form-urlencoded",
        X_Forwarded_For="203.0.113.7",
    )
    assert answer.status == 422
    with sqlite3.connect(proxy.instance / "onward.sqlite") as database:
        noted = {row[0] for row in database.execute(NOTED)}
    assert "127.0.0.1" in noted
    assert "203.0.113.7" not in noted


def test_slow_clients_hold_no_thread(proxy: Proxy) -> None:
    """Everybody else is answered while all of them have sent half a form."""
    with ExitStack() as lines:
        for _ in range(SLOW):
            line = lines.enter_context(proxy.line())
            head = f"POST /signin HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000\r\n"
            line.sendall(
                f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\na=".encode()
            )
        assert proxy.ask("/signin")[0].status == 200
        assert proxy.ask("/health")[0].status == 200


# What systemd says of the units


if sys.platform == "linux":
    UNITS = sorted((ROOT / "deploy").glob("*.service"))

    def systemd(*words: str) -> str:
        done = subprocess.run(
            ["systemd-analyze", *words], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    @pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
    def test_a_unit_is_understood_and_hardened(unit: Path) -> None:
        told = systemd("verify", str(unit)).splitlines()
        # The program lies there on a machine that followed the guide only.
        faults = [line for line in told if "is not executable: No such file" not in line]
        assert faults == []
        level = systemd("security", "--offline=yes", str(unit)).splitlines()[-1]
        assert float(level.partition(".service: ")[2].split()[0]) < 3, level

    def test_the_timers_run_what_there_is() -> None:
        timers = sorted((ROOT / "deploy").glob("*.timer"))
        assert [timer.stem for timer in timers] == ["onward-deliver", "onward-remind"]
        assert {timer.with_suffix(".service") for timer in timers} <= set(UNITS)
        for timer in timers:
            assert systemd("verify", str(timer)).count("\n") <= 1
