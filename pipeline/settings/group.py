"""What settings are made of: groups of environment variables, of which a service's settings are composed.

A group is a pydantic model with what belongs together; a service's settings are a class that inherits the groups it
needs and adds its own. Who needs one group takes any settings composed with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.settings.errors import SettingsError, described

Count = Annotated[int, Field(ge=1)]


def setting(what: str, example: str, unit: str = "", **kwargs: Any) -> Any:
    """A field with everything that the documentation and an error say of it."""
    return Field(description=what, examples=[example], json_schema_extra={"unit": unit}, **kwargs)


class SettingsGroup(BaseModel):
    """A field is an environment variable, in capitals. Frozen, picklable; shows no secret.

    What one variable says in another's place is filled in by a validator of the mode "before", in the group that both
    are of; it must raise nothing, and change nothing that it was given.
    """

    model_config = ConfigDict(
        frozen=True, alias_generator=str.upper, str_strip_whitespace=True, hide_input_in_errors=True
    )

    title: ClassVar[str]
    """The group's heading on the page of settings; of a composition, the service's name."""
    stand_ins: ClassVar[frozenset[str]] = frozenset()
    """Variables that are no fields, but may be given in the place of one."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """The settings in `environ`; an empty variable is absent. Raises `SettingsError`, naming all problems."""
        given = {name: value for name, value in environ.items() if value.strip()}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            others = frozenset().union(*(group.stand_ins for group in cls.groups()))
            raise SettingsError(described(problems, cls.model_fields, others, environ)) from None

    @classmethod
    def groups(cls) -> list[type[SettingsGroup]]:
        """The groups that these settings are composed of, themselves first, and no group without fields."""
        made = [group for group in cls.__mro__ if issubclass(group, SettingsGroup) and group is not SettingsGroup]
        return [group for group in made if group.own_fields()]

    @classmethod
    def own_fields(cls) -> list[str]:
        """The names of the fields that this class adds to those of its bases, or defines anew."""
        return [name for name in inspect.get_annotations(cls) if name in cls.model_fields]
