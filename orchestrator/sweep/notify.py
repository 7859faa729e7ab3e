"""Target of a sweep's notifications: a webhook or a command."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gan.errors import UserError

HIDDEN_PATH = "/***"
"""What is shown in place of the path of a URL."""
HIDDEN_WORDS = "..."
"""What is shown in place of the words of a command after its name."""


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
        """Scheme and host of a URL, or name of a command: all the rest may be secret."""
        if not self.is_webhook:
            # Of ``HOOK=https://...; curl $HOOK`` only HOOK.
            name = re.sub(r"[^\w./~+-].*", "", self.text, flags=re.DOTALL)
            return name if name == self.text else f"{name} {HIDDEN_WORDS}".strip()
        url = urlsplit(self.text)
        port = "" if url.port is None else f":{url.port}"
        return f"{url.scheme}://{url.hostname}{port}{HIDDEN_PATH}"


def notify_target(value: object, where: str) -> NotifyTarget | None:
    """Check the value of ``notify``; return None for none.

    Raises:
        UserError: it is no text, no URL of a host, or a target as shown, without its secret part;
            the message begins with ``where``.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UserError(f"{where}: must be a URL (https://...) or a command")
    target = NotifyTarget(value.strip())
    other = not target.is_webhook and re.match(r"[A-Za-z][\w+.-]*://", target.text)
    if other or (target.is_webhook and not _has_host(target.text)):
        raise UserError(f"{where}: is no URL of a webhook; valid: https://HOST/PATH")
    if target.is_webhook and target.text.endswith(HIDDEN_PATH):
        raise UserError(f"{where}: {HIDDEN_PATH} stands for a hidden path; give the whole URL")
    if not target.is_webhook and target.text.split()[-1] == HIDDEN_WORDS:
        raise UserError(f"{where}: {HIDDEN_WORDS} stands for hidden words; give the whole command")
    return target


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading a port that is none raises an error, too.
        return bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        return False
