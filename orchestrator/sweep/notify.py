"""Target of a sweep's notifications: a webhook or a command."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from gan.errors import UserError
from gan.plain_text import masked


@dataclass(frozen=True)
class NotifyTarget:
    """Webhook or command that is told how a launch goes."""

    text: str
    """URL of a webhook (http:// or https://), or a command line for the shell."""

    @property
    def is_webhook(self) -> bool:
        """Whether it is a URL."""
        return self.text.lower().startswith(("http://", "https://"))

    @property
    def shown(self) -> str:
        """Target without credentials; of a URL only the host: paths of webhooks are secret."""
        if not self.is_webhook:
            return masked(self.text)
        url = urlsplit(self.text)
        port = "" if url.port is None else f":{url.port}"
        return f"{url.scheme}://{url.hostname}{port}/***"


def notify_target(value: object, where: str) -> NotifyTarget | None:
    """Check the value of ``notify``; return None for none.

    Raises:
        UserError: it is no text, or no URL of a host; the message begins with ``where``.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UserError(f"{where}: must be a URL (https://...) or a command")
    target = NotifyTarget(value.strip())
    if target.is_webhook and not _has_host(target.text):
        raise UserError(f"{where}: is no URL of a webhook; valid: https://HOST/PATH")
    return target


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading a port that is none raises an error, too.
        return bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        return False
