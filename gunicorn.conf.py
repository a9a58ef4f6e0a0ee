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
    is started again for ever. A process of its own does it: what the master imports once,
    a reload could not renew.
    """
    child = os.fork()
    if child == 0:
        os._exit(_status(server))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        if server.pidfile is not None:
            server.pidfile.unlink()
        sys.exit(status if status > 0 else 1)


def _status(server: Any) -> int:
    """Return the status with which the application ends instead of being made, or 0."""
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
