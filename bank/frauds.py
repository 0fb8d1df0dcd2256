"""What a potential fraud leaves behind, for audits: its row, the alert to the owner, an account that is inactive.

A SELECT each of the rows (id, account) of which one of the three is missing; of alerts, whose account it is, since
there are few of them. Rows without an event are another service's, and owed no alert.
"""

from __future__ import annotations

from typing import Final

from bank.statuses import POTENTIAL_FRAUD

_FRAUDS: Final = f"t.id > {{after}} AND t.id <= {{through}} AND t.status = {POTENTIAL_FRAUD} AND t.event_id IS NOT NULL"
_ALERTS: Final = "f.id > {after} AND f.id <= {through}"
_SAME: Final = (
    "f.transfer_value = t.transfer_value AND f.time_stamp = t.time_stamp "
    "AND f.accounts_id = COALESCE(t.paying_account_id, f.accounts_id) "
    # The two tables may have different collations, which do not compare.
    "AND CONVERT(f.memo USING utf8mb4) COLLATE utf8mb4_bin = CONVERT(t.memo USING utf8mb4) COLLATE utf8mb4_bin"
)

WITHOUT_ALERT: Final = (
    "SELECT t.id, t.paying_account_id FROM card_transactions AS t LEFT JOIN fraud_alerts AS f "
    f"ON f.event_id = t.event_id AND {_SAME} WHERE {_FRAUDS} AND f.id IS NULL"
)
WITHOUT_FRAUD: Final = (
    "SELECT f.id, f.accounts_id FROM fraud_alerts AS f LEFT JOIN card_transactions AS t "
    f"ON t.event_id = f.event_id AND t.status = {POTENTIAL_FRAUD} "
    f"WHERE {_ALERTS} AND t.id IS NULL"
)
STILL_ACTIVE: Final = (
    "SELECT f.id, a.id FROM fraud_alerts AS f JOIN accounts AS a ON a.id = f.accounts_id "
    f"WHERE {_ALERTS} AND a.active <> 0"
)
