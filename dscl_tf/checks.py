"""Checks that settings share."""

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
