"""What gunicorn does beside serving. It finds this file in the folder that it is started in."""

import os
import sys
import traceback
from typing import Any

timeout = 90
"""Seconds without a sign of life after which a worker is ended: one may wait for the database."""


def on_starting(server: Any) -> None:
    """Check once what every worker would check, and end with the same status.

    Workers that refuse together end gunicorn in a traceback, and a worker that ends with 75
    is started again for ever.
    """
    status = _status(server)
    if status != 0:
        if server.pidfile is not None:
            server.pidfile.unlink()
        sys.exit(status)
    _check_before_reloads(server)


def _check_before_reloads(server: Any) -> None:
    """Let a reload that would end in a refusal change nothing: who serves goes on serving."""
    reload = server.handle_hup

    def checked() -> None:
        if _status(server) == 0:
            reload()
        else:
            server.log.error("Not reloaded: the workers of before go on.")

    server.handle_hup = checked


def _status(server: Any) -> int:
    """Return the status with which the application ends instead of being made, or 0.

    A process of its own makes it: what the master imports once, a reload could not renew.
    """
    child = os.fork()
    if child == 0:
        os._exit(_made(server))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 1


def _made(server: Any) -> int:
    status = 0
    try:
        server.app.wsgi()
    except SystemExit as refused:
        status = refused.code if isinstance(refused.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 3
    sys.stdout.flush()
    sys.stderr.flush()
    return status
