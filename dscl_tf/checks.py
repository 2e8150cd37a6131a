"""Checks that settings share."""

import dataclasses
import enum
from typing import Any

from dscl_tf import errors

# Of a field that the config.json of an earlier version may lack.
LATER = {"may_be_missing": True}
# Likewise, and it is not written where it has its default: as before there was one.
ABSENT = {**LATER, "is_left_out": True}
# Of a field that is the folder of another run; None: of none.
RUN = {"is_run": True}


def later(before: Any) -> dict[str, Any]:
    """As LATER, where what earlier versions did is not the default: `before`."""
    return {**LATER, "before": before}


def require(condition: bool, field: str, found: Any, expected: str) -> None:
    """Raises UserError unless the condition holds, naming field, found and expected."""
    if not condition:
        raise errors.UserError(f"{field} must be {expected}, found {found}.")


def at_least(settings: Any, least: int, *fields: str) -> None:
    """Raises UserError unless each of the fields is `least` or more."""
    for field in fields:
        found = getattr(settings, field)
        require(found >= least, field, found, f"at least {least}")


def ordered(settings: Any, least: float, *fields: str) -> None:
    """Raises UserError unless each field is two numbers, `least` <= low <= high."""
    for field in fields:
        found = low, high = getattr(settings, field)
        require(least <= low <= high, field, found, f"ordered, at least {least:g}")


def make_members(settings: Any) -> None:
    """Replaces values by the members of enums that they are of, such as "gr".

    Where code asks whether a strategy *is* a member, its value would be another one.

    Args:
      settings: a dataclass, perhaps frozen, whose fields have members as defaults.

    Raises:
      UserError: naming the field and the values that there are.
    """
    for field in dataclasses.fields(settings):
        if not isinstance(field.default, enum.Enum):
            continue
        kind, found = type(field.default), getattr(settings, field.name)
        values = [member.value for member in kind]
        is_known = isinstance(found, kind) or found in values
        expected = f"one of {', '.join(values)}"
        require(is_known, field.name, repr(found), expected)
        object.__setattr__(settings, field.name, kind(found))
