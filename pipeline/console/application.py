"""How every command line of the services looks."""

from __future__ import annotations

import typer


def application(text: str) -> typer.Typer:
    """A command line without commands yet. `text`: its help, in Markdown."""
    return typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=text,
    )
