"""What kind of web address it is that an operator or a provider gives."""

from urllib.parse import urlsplit


def is_secure(url: object) -> bool:
    """Tell whether `url` is https, or plain http on this machine, and nothing odd."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = bool(host) and parts.username is None and not parts.fragment
    return is_plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))


def is_loopback(base_url: str) -> bool:
    """Tell whether only this machine can open `base_url`."""
    host = urlsplit(base_url).hostname or ""
    return host in {"127.0.0.1", "::1", "localhost"} or host.endswith(".localhost")
