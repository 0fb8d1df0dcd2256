"""What is wrong with the environment, told to the person who can mend it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pipeline.runtime.errors import PipelineError


class SettingsError(PipelineError):
    """The environment is wrong: a line per problem, never the value of a variable. The exit code is 2."""


def described(
    problems: Sequence[ErrorDetails],
    fields: Mapping[str, FieldInfo],
    stand_ins: Collection[str],
    environ: Mapping[str, str],
) -> str:
    """A line per problem: the variable, what is wrong with it, and what a right one looks like.

    Where a required variable is missing, variables of `environ` that look like a misspelt one, or like one of the
    `stand_ins` that may be given in the place of a field, are named as well.
    """
    by_name = {str(field.alias): field for field in fields.values()}
    lines = [_line(problem, by_name) for problem in problems]
    if any(problem["type"] == "missing" for problem in problems):
        lines += _near_misses({*by_name, *stand_ins}, environ)
    return "\n".join(["the settings are wrong:", *(f"  {line}" for line in lines)])


def _line(problem: ErrorDetails, by_name: Mapping[str, FieldInfo]) -> str:
    name = str(problem["loc"][0]).upper()  # a default that was refused comes under its field's own name
    field = by_name[name]
    example = f"for example {(field.examples or [''])[0]}"
    if problem["type"] == "missing":
        return f"{name} is missing: {field.description}; {example}"
    if problem["type"] == "value_error":
        return f"{name} {problem['ctx']['error']}; {example}"
    return f"{name}: {problem['msg'].replace('Input', 'it').replace('String', 'it')}; {example}"


def _near_misses(known: Collection[str], environ: Mapping[str, str]) -> list[str]:
    absent = sorted(set(known) - set(environ))
    strangers = sorted(name for name in environ if name not in known and not name.startswith("AWS_ENDPOINT_URL"))
    near = {name: difflib.get_close_matches(name.upper(), absent, n=2, cutoff=0.75) for name in strangers}
    return [f"{name} is set, but is no setting: {' or '.join(meant)}?" for name, meant in near.items() if meant]
