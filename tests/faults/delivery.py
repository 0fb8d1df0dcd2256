"""What must have become of the messages: I4, I10, I11, I14."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pipeline.messages.identity import letter_key
from tests.faults.facts import Facts, Sighting, table_of
from tests.model.outcome import POTENTIAL_FRAUD
from tests.model.reading import Message
from tests.model.replay import Applied, replay

SECRET_COLUMNS = ("pin", "cvc1", "cvc2")
_MAIL = re.compile(r"^Account: (\d+)\nAmount:  \$([\d,.]+)\nDate:    ([\d :-]+) UTC$", re.MULTILINE)


def one_outcome_each(facts: Facts) -> Iterator[str]:
    """I4. Every event has one row, or no row and a letter; nothing else has either. A row outranks its letter."""
    for event, sightings in facts.events.items():
        rows = facts.rows_of.get(event, [])
        if not rows and facts.letter_of(event) is None:
            yield f"{sightings[0].name} has no outcome"
        elif len(rows) > 1:
            yield f"{sightings[0].name} has {len(rows)} rows"
        elif rows and rows[0][0] != table_of(sightings[0]):
            yield f"{sightings[0].name} has its row in {rows[0][0]}"
    for event, rows in facts.rows_of.items():
        if event not in facts.events:
            yield f"{len(rows)} rows in {rows[0][0]} of {event.hex() if event else 'no event'}, which was not put"
    keys = facts.run.letters.keys() - {letter_key(event) for event in facts.events.keys() | facts.settled}
    if keys:
        yield f"{len(keys)} letters of events that were not put, as {min(keys)}"


def one_mail_each(facts: Facts) -> Iterator[str]:
    """I10. Every fraud is mailed once, a crash between sending and noting aside, and nothing else is mailed."""
    if facts.run.mails is None:
        return
    tables, noted, due = facts.run.final, Counter[_Fraud](), Counter[_Fraud]()
    for _, row in facts.new_rows(tables):
        if row["status"] == POTENTIAL_FRAUD:
            fraud = str(facts.card_account(row)), f"{row['transfer_value']:,.2f}", str(row["time_stamp"])
            due[fraud] += 1
            noted[fraud] += row["event_id"] in tables.mailed
    mails = Counter(_fraud_of(mail) for mail in facts.run.mails)
    for fraud in mails.keys() | noted.keys():
        if mails[fraud] < noted[fraud]:
            yield f"{noted[fraud]} mails on account {fraud[0]} are noted as sent, SES took {mails[fraud]}"
        if mails[fraud] and fraud not in due:
            yield f"{mails[fraud]} mails on account {fraud[0]} tell of no fraud"
    if (repeated := (mails - noted).total()) > facts.run.may_repeat:
        yield f"{repeated} mails too many, at most {facts.run.may_repeat} crashes may have repeated one"
    if tables.untried:
        yield f"{len(tables.untried)} mails were never tried"


def no_secret_anywhere(facts: Facts) -> Iterator[str]:
    """I11. No marked secret is in any text, file or letter, and the three columns of new rows hold NULL."""
    run = facts.run
    for table, row in facts.new_rows(run.final):
        if table == "card_transactions" and any(row[column] is not None for column in SECRET_COLUMNS):
            yield f"row {row['id']} of card_transactions holds a PIN or a code"
    places: dict[str, str | bytes] = {**run.texts, **{f"letter {key}": repr(row) for key, row in run.letters.items()}}
    for name, text in places.items():
        yield from _secrets_in(facts, name, text.encode() if isinstance(text, str) else text)
    for path in run.files:
        yield from _secrets_in(facts, str(path), path.read_bytes())


def the_model_agrees(facts: Facts) -> Iterator[str]:
    """I14. Replayed in the order of application, the model gives every row, every balance and every letter alike."""
    rows = [(table, row) for table, row in facts.new_rows(facts.run.final) if row["event_id"] in facts.events]
    rows.sort(key=lambda row: (row[1]["applied_at"], row[1]["id"]))
    applied = []
    for table, row in rows:
        origin = _origin(facts.events[row["event_id"]], row).record
        applied.append(Applied(table, row, row["event_id"], origin.data, origin.arrived))
    rowless = [
        sighting.record.data
        for event, sightings in facts.events.items()
        if event not in facts.rows_of
        for sighting in sightings
        if not sighting.record.flaw
    ]
    run = facts.run
    for violation in replay(run.opening.bank, applied, rowless, run.final.bank, run.sampled, run.settings):
        yield violation.text


_Fraud = tuple[str, str, str]
"""(account, amount, date) as the mail writes them."""


def _fraud_of(mail: str) -> _Fraud:
    found = _MAIL.search(mail)
    return (found[1], found[2], found[3]) if found else ("?", "?", "?")


def _secrets_in(facts: Facts, name: str, content: bytes) -> Iterator[str]:
    for number, secret in enumerate(facts.run.secrets):
        if secret.encode() in content:
            yield f"{name} holds the marked secret {number}"


def _origin(sightings: list[Sighting], row: dict[str, object]) -> Sighting:
    """The message that the row was made of: of several with one id, the first that says what the row says."""
    for sighting in sightings:
        if isinstance(sighting.said, Message):
            changed = {*SECRET_COLUMNS, "high", "low"}
            said = {name: value for name, value in sighting.said.values.items() if name not in changed}
            if all(row.get(name) == value for name, value in said.items()):
                return sighting
    return sightings[0]
