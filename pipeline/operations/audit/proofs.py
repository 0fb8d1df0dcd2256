"""What rows owe besides themselves (an alert, an account that is inactive): those since the last audit, page by page.

To be looked at within one snapshot. A page begins behind what an audit before looked at and knew to be settled, so a
row whose transaction was open then is looked at as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.console.output import Advance
from pipeline.mysql.database import Transaction
from pipeline.operations.audit.declared import Ids, among
from pipeline.operations.audit.findings import Findings
from pipeline.operations.description import Proof

PAGE: Final = 10_000


def prove(
    transaction: Transaction,
    proofs: Sequence[Proof],
    after: Mapping[str, int],
    accounts: Sequence[Ids],
    findings: Findings,
    advance: Advance,
) -> dict[str, int]:
    """Tell the rows behind `after` that owe something; table → how far was looked. `accounts`: those declared.

    A table that `after` does not name is left to the next audit.
    """
    ends = {table: _last_id(transaction, table) for table in {proof.table for proof in proofs}}
    for proof in proofs:
        end = ends[proof.table]
        for start in range(after.get(proof.table, end), end, PAGE):
            page = transaction.query(proof.broken.format(after=start, through=min(start + PAGE, end)))
            for row, account in page:
                if not proof.declared or among(account, accounts):
                    findings.add(proof.finding, f"row {row} of {proof.table}", proof.told)
            advance(len(page))
    return ends


def _last_id(transaction: Transaction, table: str) -> int:
    ((last,),) = transaction.query(f"SELECT COALESCE(MAX(id), 0) FROM `{table}`")
    return int(last)
