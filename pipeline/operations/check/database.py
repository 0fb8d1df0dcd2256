"""What the database has to be and to allow: tried, not parsed, in transactions that are rolled back."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Final

from pipeline.applying.domain import EventTable
from pipeline.console.finding import Finding, fail, looked, ok, warn
from pipeline.mysql.database import Transaction, translated
from pipeline.mysql.session import CONNECTOR
from pipeline.mysql.session_settings import changed_at_the_server
from pipeline.mysql.table_growth import growth
from pipeline.operations.check.packets import check_packets
from pipeline.operations.description import Attempt
from pipeline.operations.workbench import Workbench
from pipeline.runtime.errors import PipelineError

OLDEST: Final = {"MariaDB": (10, 6), "MySQL": (8, 0)}
SHORT_DAYS, FEW_DAYS = 90, 7
OWN_CONNECTIONS = 3
"""Of the driver: the sender of mails, a check at the start, and this command."""

_REMEDIES: Final = {
    "1044": "GRANT the user its rights on the schema that MYSQL_LOC names",
    "1045": "set MYSQL_USER and MYSQL_PASS to what the server knows, and look from which hosts the user may come",
    "1049": "MYSQL_LOC names a schema that is not there: create it, then run `python -m migrations`",
    "2003": "is it running, and do MYSQL_LOC's host and port lead to it from here (security groups)?",
    "2005": "MYSQL_LOC's host has no address: mend the name or the DNS",
    "2026": "TLS failed: MYSQL_SSL_CA has to hold the server's authority, sslMode has to be one that the server speaks",
    "2061": "set sslMode=VERIFY_IDENTITY in MYSQL_LOC: MySQL takes no password in clear but what it knows already",
    "C extension": "make the image, or the virtual environment, anew from requirements.txt",
    "encrypted": "turn TLS on at the server, or choose another sslMode in MYSQL_LOC if its network is your own",
}


def check_ca(bench: Workbench) -> Iterator[Finding]:
    """The file that MYSQL_SSL_CA names, if it does."""
    path = bench.settings.mysql_ssl_ca
    if path is None:
        return
    try:
        found = ssl.create_default_context(cafile=path).get_ca_certs()
    except OSError as error:
        problem = error.strerror or type(error).__name__
        yield fail("certificates", f"{path}: {problem}", "let MYSQL_SSL_CA be a PEM file that this user may read")
    else:
        yield ok("certificates", f"{len(found)} authorities in {path}")


def check_database(bench: Workbench, tasks: int) -> Iterator[Finding]:
    """Everything about the database; `tasks`: how many the executors run at once. One failure if it does not answer."""
    try:
        bench.database.connect().close()
    except PipelineError as error:
        remedy = next((remedy for sign, remedy in _REMEDIES.items() if sign in str(error)), "see the server's own log")
        yield fail("database", str(error), remedy)
        return
    yield ok("connector", f"{CONNECTOR} with its C extension")
    yield from looked("database", lambda: bench.work(lambda t: list(_server(bench, t))), "run this again")
    yield from looked("session variables", lambda: _variables(bench), "run this again")
    yield from looked("schema", lambda: _schema(bench), "run `python -m migrations` as a user who may change tables")
    tables = {domain.table for domain in bench.bank.routes.values()}
    packets = partial(check_packets, tables=tables, chunk_size=bench.settings.chunk_size)
    yield from looked("packets", lambda: bench.work(lambda t: list(packets(t))), "run this again")
    for attempt in (*bench.bank.attempts, *_written(bench)):
        yield _tried(bench, attempt)
    for table in bench.bank.tables:
        yield from looked(f"ids of {table}", partial(_ids, bench, table), "run `python -m migrations`")
    yield from looked("connections", lambda: _connections(bench, tasks), "run this again")


def _server(bench: Workbench, transaction: Transaction) -> Iterator[Finding]:
    ((version, read_only, mode),) = transaction.query("SELECT VERSION(), @@GLOBAL.read_only, @@SESSION.sql_mode")
    kind = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    number = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    oldest = ".".join(map(str, OLDEST[kind]))
    if number < OLDEST[kind]:
        yield fail("database", f"{kind} {version}", f"upgrade it to {oldest} or newer")
    else:
        strict = "strict" if "STRICT" in mode else "not strict"
        yield ok("database", f"{kind} {version}, READ COMMITTED and {strict}, as every connection sets it")
    if read_only not in (0, "OFF"):
        yield fail("writable", "the server is read-only", "let MYSQL_LOC lead to the writer, not to a replica")
    ((_, cipher),) = transaction.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    mode_name = bench.settings.mysql.tls
    if cipher:
        verified = "verified" if bench.settings.mysql.verifies else "not verified"
        yield ok("encryption", f"{cipher}, the server's certificate is {verified} ({mode_name})")
    else:
        remedy = "turn TLS on at the server and set sslMode=VERIFY_IDENTITY in MYSQL_LOC"
        yield warn("encryption", f"none ({mode_name}): passwords and payments can be read on the way", remedy)


def _variables(bench: Workbench) -> Iterator[Finding]:
    with closing(bench.database.connect()) as connection, translated(), closing(connection.cursor()) as cursor:
        changed = changed_at_the_server(cursor)
    if changed:
        named = ", ".join(f"{name}={value}" for name, value in sorted(changed.items()))
        remedy = "set the server's defaults back: this service keeps its own on every connection, others inherit these"
        yield warn("session variables", f"changed at the server: {named}", remedy)
    else:
        yield ok("session variables", "set and read back on every connection; the server's defaults do no harm either")


def _schema(bench: Workbench) -> Iterator[Finding]:
    yield ok("schema", f"{bench.database.schema} at revision {bench.check_schema()}")


def _written(bench: Workbench) -> Iterator[Attempt]:
    """An INSERT of no row, which needs the index of the event ids as well, for every table that ends a message."""
    tables: dict[str, EventTable] = {domain.table.name: domain.table for domain in bench.bank.routes.values()}
    for name, table in sorted(tables.items()):
        columns = ", ".join(f"`{column}`" for column in table.written)
        source = f"SELECT {columns} FROM `{name}` FORCE INDEX (`{table.event_key}`) WHERE event_id = ''"
        yield Attempt(name, "SELECT, INSERT", f"INSERT INTO `{name}` ({columns}) {source}")


def _tried(bench: Workbench, attempt: Attempt) -> Finding:
    def once(transaction: Transaction) -> None:
        if attempt.sql.startswith("SELECT"):
            transaction.query(attempt.sql, attempt.parameters)
        else:
            transaction.execute(attempt.sql, attempt.parameters)

    what = f"rights on {attempt.table}"
    remedy = f"GRANT {attempt.rights} ON {bench.database.schema}.{attempt.table}, or bring the schema up to date"
    try:
        bench.work(once)
    except PipelineError as error:
        if attempt.operators:
            return warn(what, f"{error}: this user cannot redrive, replay, audit, scrub", f"for operators: {remedy}")
        return fail(what, str(error), remedy)
    return ok(what, attempt.rights)


def _ids(bench: Workbench, table: str) -> Iterator[Finding]:
    found = bench.work(lambda transaction: growth(transaction, table))
    what, remedy = f"ids of {table}", f"widen {table}.id (BIGINT) in time: the service stops where they end"
    if found is None:
        yield fail(what, "there is no AUTO_INCREMENT column", f"let {table}.id be one: rows are written without an id")
        return
    left, days = found.ids.left, found.days
    text = f"{left:,} left" + ("" if days is None else f", {days:,.0f} days at the last day's {found.last_day:,}")
    if left == 0 or (days is not None and days < FEW_DAYS):
        yield fail(what, text, remedy)
    elif (days is not None and days < SHORT_DAYS) or found.ids.share_left < 0.1:
        yield warn(what, text, remedy)
    else:
        yield ok(what, text)


def _connections(bench: Workbench, tasks: int) -> Iterator[Finding]:
    needed = tasks * bench.settings.max_threads + OWN_CONNECTIONS
    ((most, users),) = bench.query("SELECT @@GLOBAL.max_connections, @@SESSION.max_user_connections")
    ((_, open_now),) = bench.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
    limit = min(int(most), int(users) or int(most))
    text = (
        f"{needed} needed ({tasks} tasks at once × MAX_THREADS {bench.settings.max_threads}, and {OWN_CONNECTIONS}), "
        f"{limit} allowed, {open_now} open now"
    )
    remedy = "raise max_connections (or the user's limit), or lower MAX_THREADS, executors or their cores"
    if needed > limit:
        yield fail("connections", text, remedy)
    elif needed > 0.8 * limit:
        yield warn("connections", text, remedy)
    else:
        yield ok("connections", text)
