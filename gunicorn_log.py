"""gunicorn's own log in the form that ONWARD_LOG asks for: --logger-class gunicorn_log.Logger."""

import os
from pathlib import Path

from gunicorn.config import Config
from gunicorn.glogging import Logger as Plain

import logs
import settings


class Logger(Plain):  # type: ignore[misc]  # gunicorn ships no types
    """Writes what the server itself has to say."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        instance = Path(os.environ.get("ONWARD_INSTANCE") or Path(__file__).parent / "instance")
        try:
            form = settings.load(instance)["LOG"]
        except settings.SettingError:
            return  # the application says so in a moment
        if form == logs.JSON:
            for handler in self.error_log.handlers:
                handler.setFormatter(logs.Json())
