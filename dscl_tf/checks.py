"""Checks and field metadata that settings share."""

import dataclasses
import enum
from typing import Any

from dscl_tf import errors

# Metadata of a field added later: a config.json without it is accepted.
LATER = {"may_be_missing": True}
# Likewise, and at its default the field is not written: files then look as they did
# before it existed.
ABSENT = {**LATER, "is_left_out": True}
# Metadata of a field that holds the folder of another run, or None.
RUN = {"is_run": True}


def later(before: Any) -> dict[str, Any]:
    """LATER for a field that, when missing, means `before` instead of its default."""
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
    """Replaces values of enums, such as "gr", by the members themselves.

    Code compares by `is`, so the string "gr" would not match the member GR.

    Args:
      settings: a dataclass, frozen or not; the fields whose default is an enum member
        are converted.

    Raises:
      UserError: unknown value; the message names the field and the valid values.
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
