"""The command that audits: the stream, rows, letters and balances against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from pipeline.console.command_line import run
from pipeline.console.options import MOMENTS, Json, Who, shown
from pipeline.console.output import WrongUsage, answer, progress, table

if TYPE_CHECKING:
    from pipeline.mysql.database import Transaction
    from pipeline.operations.audit.declared import Ids
    from pipeline.operations.audit.findings import Findings
    from pipeline.operations.audit.log_mark import LogMark
    from pipeline.operations.audit.marks import Marks
    from pipeline.operations.workbench import Workbench


def audit(
    context: typer.Context,
    begin: Annotated[
        datetime | None, typer.Option("--from", formats=MOMENTS, help="Arrived from then on (UTC).")
    ] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=MOMENTS, help="Arrived before (UTC).")] = None,
    accounts: Annotated[
        str | None,
        typer.Option(envvar="AUDITED_ACCOUNTS", help="Accounts that only this service writes, as 1-5000,7001."),
    ] = None,
    loans: Annotated[
        str | None, typer.Option(envvar="AUDITED_LOANS", help="Loans that only this service writes, as 1-5000,7001.")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Go on from here next time, whatever was found.")] = False,
    examples: Annotated[int, typer.Option(min=0, help="How many findings to show one by one.")] = 20,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Whether every message has its one outcome, every row its message, every balance its rows. 1: something has not.

    And every potential fraud its alert, and an account that is inactive.

    Goes on where the last audit that held had ended; the first only notes where it begins. What it reads again is what
    came since, so run it daily. One that is interrupted goes on from there. The service may run meanwhile. With --from
    and --to it looks for the outcomes of that span only, and notes nothing. Mend what it finds (`replay` applies what
    has no outcome), or --accept it.

        python -m pipeline audit --accounts 1-5000 --loans 1-900

        python -m pipeline audit --from 2026-05-04T08:00:00 --to 2026-05-04T09:00:00
    """
    declared = {"account": accounts, "loan": loans}
    run(context, lambda bench: _audit(bench, (begin, end), declared, accept, examples, who, as_json))


@dataclass
class _Audit:
    """One run. `last` None: the first. `row`: the one of `audits` that it goes on from.

    `declared`: holder of balances → those that nobody else writes. `log`: of the log of operations, as the audit before
    left it; `log_now`: as it was before the marks were taken.
    """

    bench: Workbench
    declared: Mapping[str, Sequence[Ids]]
    last: Marks | None
    row: int
    now: Marks
    findings: Findings
    counts: Counter[str]
    began: datetime
    who: str
    log: LogMark
    log_now: LogMark


def _audit(
    bench: Workbench,
    span: tuple[datetime | None, datetime | None],
    given: Mapping[str, str | None],
    accept: bool,
    examples: int,
    who: str | None,
    as_json: bool,
) -> int:
    from pipeline.operations.audit import marks as audit_marks
    from pipeline.operations.audit.declared import read_ids
    from pipeline.operations.audit.findings import Findings
    from pipeline.operations.audit.log_mark import log_mark
    from pipeline.operations.journal import operator

    begin, end = span
    if (begin is None) != (end is None) or (begin is not None and accept):
        raise WrongUsage("--from and --to go together, and without --accept: they note nothing")
    bench.check_schema()
    began = datetime.now(UTC).replace(tzinfo=None)
    declared = {holder: read_ids(text, f"{holder}s") for holder, text in given.items() if text}
    row, last = audit_marks.last(bench)
    log = audit_marks.log_of(bench, last)
    log_now = log_mark(bench, log)
    now = audit_marks.take(bench)
    run = _Audit(bench, declared, last, row, now, Findings(examples), Counter(), began, operator(who), log, log_now)
    if begin is not None and end is not None:
        _span(run, begin, end)
    else:
        _since_last(run)
        run.findings, run.counts = bench.work(lambda transaction: _closed(run, transaction, accept))
    _answer(run, begin is not None, as_json)
    return int(bool(run.findings.counts))


def _span(run: _Audit, begin: datetime, end: datetime) -> None:
    from pipeline.operations.audit.messages import Matched, StreamAudit
    from pipeline.operations.replay import span_of

    span = span_of(begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    stream = StreamAudit(run.bench, run.findings, Matched({}, run.now.rows))
    with progress("messages audited") as advance:
        stream.within(span, run.now, advance)
    run.counts.update(stream.counts)


def _since_last(run: _Audit) -> None:
    from pipeline.operations.audit.mendings import Mendings
    from pipeline.operations.audit.messages import Matched, StreamAudit
    from pipeline.operations.audit.progress import AuditCheckpoint
    from pipeline.operations.audit.rows import find_invented

    if run.last is None:
        return
    matched = Matched(run.last.rows, run.now.rows)
    stream = StreamAudit(run.bench, run.findings, matched)
    reached = AuditCheckpoint(run.bench, run.last, run.now, matched.has, partial(_note_progress, run))
    with progress("messages audited") as advance:
        stream.since(run.last, run.now, advance, reached)
    run.counts.update(stream.counts)
    mendings = Mendings(run.bench, run.log)
    with progress("rows audited") as advance:
        run.counts.update(find_invented(run.bench, matched, mendings, run.findings, advance))
    mendings.tell_unended(run.log_now, run.findings)
    run.log = mendings.settled(run.log_now)


def _note_progress(run: _Audit, marks: Marks) -> None:
    from pipeline.operations.audit.marks import note_progress

    def write(transaction: Transaction) -> int | None:
        row = note_progress(transaction, run.began, run.who, marks, run.row)
        transaction.commit()
        return row

    run.row = run.bench.work(write) or run.row


def _closed(run: _Audit, transaction: Transaction, accept: bool) -> tuple[Findings, Counter[str]]:
    """Proofs and balances, and what it all came to, noted together.

    May be tried again: it changes nothing that it is given.
    """
    from pipeline.operations.audit import marks as audit_marks
    from pipeline.operations.audit.balances import BalanceAudit, begin_snapshot
    from pipeline.operations.audit.proofs import prove

    findings, counts, bank = run.findings.copy(), run.counts.copy(), run.bench.bank
    begin_snapshot(transaction)
    balances = [
        BalanceAudit(transaction, books, run.declared[books.holder])
        for books in bank.books
        if books.holder in run.declared
    ]
    proved = run.now.proved
    if run.last is not None:
        accounts = run.declared.get("account", ())
        with progress("proofs looked at") as advance:
            looked = prove(transaction, bank.proofs, run.last.proved, accounts, findings, advance)
        with progress("balances audited") as advance:
            for one in balances:
                counts["balances"] += one.check(run.last, findings, advance)
        proved = looked if accept else proved
    goes_on = accept or not findings.counts
    if goes_on:
        for one in balances:
            one.note(run.now)
    marks = msgspec.structs.replace(run.now, log=run.log, proved=proved) if goes_on else None
    total = {**counts, **findings.counts}
    audit_marks.note(transaction, audit_marks.Result(run.began, run.who, accept, findings.counts.total(), total, marks))
    transaction.commit()
    return findings, counts


def _answer(run: _Audit, spanned: bool, as_json: bool) -> None:
    findings = run.findings
    since = None if spanned or run.last is None else run.last.at.replace(tzinfo=UTC)
    data = {
        "since": since,
        "counts": dict(run.counts),
        "findings": dict(findings.counts),
        "examples": [one._asdict() for one in findings.examples],
    }
    if not (spanned or run.last):
        answer(as_json, data, "the first audit: nothing to look at yet, noted where the next one begins")
        return
    counts = table("", "", whole=1, show_header=False)
    for name, number in {**run.counts, **findings.counts}.items():
        counts.add_row(name, shown(number))
    found = table("finding", "where", "", whole=1)
    for one in findings.examples:
        found.add_row(*one)
    verdict = f"{findings.counts.total():,} findings" if findings.counts else "all holds"
    answer(as_json, data, "audited", counts, "", verdict, *([found] if findings.examples else []))
