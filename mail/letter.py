"""A mail as it is sent: headers and both parts, by the standard library.

EmailMessage refuses a line break in any header (S-080).
"""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from flask import current_app

from mail.message import Message, domain


def letter(message: Message, recipient: str, number: str, at: datetime) -> EmailMessage:
    """Return the mail to one address; `number` makes its Message-ID, the same at every try."""
    message, config, made = message.to(recipient), current_app.config, EmailMessage()
    made["From"] = config["MAIL_DEFAULT_SENDER"]
    made["To"] = recipient
    made["Reply-To"] = config["MAIL_REPLY_TO"] or config["MAIL_DEFAULT_SENDER"]
    made["Subject"] = message.subject
    made["Date"] = format_datetime(at)
    made["Message-ID"] = f"<onward.{number}@{domain()}>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    if message.unsubscribe:
        made["List-Unsubscribe"] = f"<{message.unsubscribe}>"
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    made.set_content(message.text)
    made.add_alternative(message.html, subtype="html")
    return made
