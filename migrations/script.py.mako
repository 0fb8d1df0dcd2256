"""${message}."""

from __future__ import annotations

from alembic import op

from migrations.steps import Steps

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    steps = Steps(op.get_bind())
