"""Where keys come from: files in `instance/keys/`, or the environment.

Each purpose has one key or more, by number: `seal-1.key`, `seal-2.key`, or ONWARD_KEY_SEAL
and ONWARD_KEY_SEAL_2, each 64 hexadecimal digits; ONWARD_KEY_SEAL may hold all of them as
JSON, {"1": "…", "2": "…"}. The first pepper and signing keys have names without a number.
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PURPOSES = ("seal", "pepper", "signing")
NAMES = ("seal-1", "pepper", "signing")
"""The keys of a new installation."""
KEY_BYTES = 32
RETIRED = "retired"
"""The folder, within that of the keys, of those that only old copies need."""
UNREAD = "unread: "
"""How the text of a key begins whose file can't be read; why follows."""
_NAME = re.compile(r"(seal|pepper|signing)(?:-([1-9][0-9]{0,5}))?")


class KeysMissing(RuntimeError):
    """A key is missing or short; the text says which and what to do."""


def name_of(purpose: str, number: int) -> str:
    """Return the name of a key, which is also that of its file."""
    return purpose if number == 1 and purpose != "seal" else f"{purpose}-{number}"


def parts(name: str) -> tuple[str, int]:
    """Return purpose and number of a key. Raises ValueError if no key has such a name."""
    if (found := _NAME.fullmatch(name)) is None:
        raise ValueError(f"{name} is not the name of a key")
    return found[1], int(found[2] or 1)


def order(name: str) -> tuple[int, int]:
    """Return what puts keys into the order in which they are told."""
    purpose, number = parts(name)
    return PURPOSES.index(purpose), number


def stored(folder: Path, environ: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Return every key by its name; raise KeysMissing unless each purpose has one."""
    texts = _texts(folder, environ)
    for name in _without(texts):
        texts[name] = ""
    return {name: _parse(name, text) for name, text in texts.items()}


def missing(folder: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of the keys that are missing or can't be used."""
    texts = _texts(folder, environ)
    bad = [name for name, text in texts.items() if not _is_usable(text)]
    return sorted(bad + _without(texts), key=order)


def retired(folder: Path) -> dict[str, bytes]:
    """Return the keys that were put aside: they open old copies, nothing is made with them."""
    texts = _of_files(folder / RETIRED)
    return {name: _parse(name, text) for name, text in texts.items() if _is_usable(text)}


def of_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the texts of the keys that come from variables, by the keys' names."""
    environ = os.environ if environ is None else environ
    texts = {}
    for purpose in PURPOSES:
        variable = f"ONWARD_KEY_{purpose.upper()}"
        texts.update(_listed(purpose, environ.get(variable, "").strip()))
        for other, text in environ.items():
            if found := re.fullmatch(variable + "_([1-9][0-9]{0,5})", other):
                texts[name_of(purpose, int(found[1]))] = text
    return {name: text for name, text in texts.items() if text}


def _listed(purpose: str, text: str) -> dict[str, str]:
    """Return the keys of one variable: a key, or several by their numbers as JSON."""
    if not text.startswith("{"):
        return {name_of(purpose, 1): text}
    try:
        keys = {name_of(purpose, int(number)): str(key) for number, key in json.loads(text).items()}
        for name in keys:
            parts(name)
        return keys
    except (ValueError, AttributeError):  # no JSON, no object, or a number that no key has
        return {name_of(purpose, 1): "not JSON"}


def _texts(folder: Path, environ: Mapping[str, str] | None) -> dict[str, str]:
    return _of_files(folder) | of_environment(environ)


def _of_files(folder: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for file in sorted(files_of(folder), reverse=True):  # pepper.key wins over pepper-1.key
        with suppress(ValueError):
            texts[name_of(*parts(file.stem))] = _text_of(file)
    return texts


def _text_of(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace")
    except FileNotFoundError:  # retired between two looks
        raise ValueError from None
    except OSError as error:
        return f"{UNREAD}{error.strerror}"


def _without(texts: Mapping[str, str]) -> list[str]:
    """Return the first names of the purposes that have no key at all."""
    held = {parts(name)[0] for name in texts}
    return [first for purpose, first in zip(PURPOSES, NAMES, strict=True) if purpose not in held]


def _is_usable(text: str) -> bool:
    with suppress(ValueError):
        return len(bytes.fromhex(text.strip())) >= KEY_BYTES
    return False


def _parse(name: str, text: str) -> bytes:
    if text.startswith(UNREAD):
        raise KeysMissing(f"The key {name!r} can't be read: {text.removeprefix(UNREAD)}.")
    if not _is_usable(text):
        raise KeysMissing(
            f"The key {name!r} is missing, short or not hexadecimal. "
            "Restore the folder of keys from your backup. "
            "Only for a new installation: flask --app app init makes new ones."
        )
    return bytes.fromhex(text.strip())


def files_of(folder: Path) -> list[Path]:
    """Return the files of keys, whatever is in them; raise KeysMissing for a closed folder."""
    try:
        files = [folder / name for name in os.listdir(folder)]  # a glob would find none in it
    except FileNotFoundError:
        return []
    except OSError as error:
        raise KeysMissing(f"The folder {folder} can't be read: {error.strerror}.") from None
    return [file for file in files if file.suffix == ".key" and _NAME.fullmatch(file.stem)]
