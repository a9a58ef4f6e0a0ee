"""What a power cut must not take back."""

import os
from pathlib import Path


def fix(path: Path) -> None:
    """Wait until the disk has a file, or the names that a folder holds."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
