"""The command line: `python -m loan_scoring`. Models, and what has become of their scores."""

from __future__ import annotations

from loan_scoring.commands.models import card, evaluate, promote, train, versions
from loan_scoring.commands.tables import report, table, takeover
from pipeline.console.application import application

PROGRAM = "python -m loan_scoring"
HELP = """\
Models of loan scoring, and what has become of their scores.

Begin with `train --promote`, then start `python stream_analytics.py loan-scoring`; `report` tells whether the model
still fits the people whom it scores. Settings are environment variables (docs/settings.md): MODELS for all of them,
LAKE_URI and LAKE_CATALOG for those that look into the table. Exit codes: 0 all is well; 1 something is wrong; 2 wrong
settings or usage.
"""
COMMANDS = {"Models": (train, evaluate, versions, card, promote), "Scores": (report, table, takeover)}

app = application(HELP)
for heading, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=heading)(command)

if __name__ == "__main__":
    app(prog_name=PROGRAM)
