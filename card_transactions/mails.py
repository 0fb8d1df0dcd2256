"""What a fraud mail says. Nothing from a message reaches a header: the subject is always the same."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from html import escape

from pipeline.messages import redaction

SUBJECT = "Suspected fraud on your Utopia Financial account"

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_TEXT = """\
Dear {name},

we have refused a card payment that looks like fraud, and deactivated the account.

Account: {account}
Amount:  {amount}
Date:    {date}
Memo:    {memo}

Please call us or visit a branch, whether the payment was yours or not. We never ask for your PIN or CVC.

Utopia Financial
"""
_HTML = """\
<!DOCTYPE html>
<html lang="en"><body>
<p>Dear {name},</p>
<p>we have refused a card payment that looks like fraud, and deactivated the account.</p>
<table>
<tr><th align="left">Account</th><td>{account}</td></tr>
<tr><th align="left">Amount</th><td>{amount}</td></tr>
<tr><th align="left">Date</th><td>{date}</td></tr>
<tr><th align="left">Memo</th><td>{memo}</td></tr>
</table>
<p>Please call us or visit a branch, whether the payment was yours or not. We never ask for your PIN or CVC.</p>
<p>Utopia Financial</p>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """Subject and both bodies."""

    subject: str
    text: str
    html: str


def fraud_mail(first_name: str, account: int, amount: Decimal, time_stamp: datetime, memo: str) -> Mail:
    """The mail to the owner of `account` about a payment of `amount` dollars at `time_stamp` (UTC).

    Of a card number in the memo it tells the last four digits.
    """
    values = {
        "name": one_line(first_name) or "customer",
        "account": str(account),
        "amount": f"${amount:,.2f}",
        "date": f"{time_stamp:%Y-%m-%d %H:%M:%S} UTC",
        "memo": redaction.text(one_line(memo)) or "",
    }
    return Mail(SUBJECT, _TEXT.format(**values), _HTML.format(**{name: escape(v) for name, v in values.items()}))


def one_line(text: str) -> str:
    """`text` with line breaks, controls, direction marks and unassigned characters as blanks: it stays in its line."""
    return "".join(" " if unicodedata.category(char) in _UNSEEN else char for char in text).strip()
