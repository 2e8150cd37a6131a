"""The form that a JSON document must have, declared as data and checked when read.

A form is
- a type or a tuple of types, such as `(int, float, type(None))`;
- a dict: an object with a form for each field, where "name?" may be missing;
- a list of one form: a list of such items;
- `Each(form)`: an object whose fields all have this form, whatever their names;
- `Word(text)`: this text and no other;
- `Either(forms)`: one of some forms.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from dscl_tf import errors

NUMBER = (int, float)
MAYBE = (int, float, type(None))
_ENDLESS = 1e100
_WORDS = {type(None): "null"}


@dataclasses.dataclass(frozen=True)
class Each:
    """An object whose fields have any names and all the same form."""

    form: Any


@dataclasses.dataclass(frozen=True)
class Word:
    """Exactly this text."""

    text: str


@dataclasses.dataclass(frozen=True)
class Either:
    """One of some forms."""

    forms: Sequence[Any]


def check(path: Any, content: Any, form: Any, cure: str) -> None:
    """Refuses a document that does not have the form its reader relies on.

    Args:
      path: of the file, for the message.
      content: JSON values.
      form: see the module's docstring; fields that it does not name are ignored.
      cure: what the user can do about it.

    Raises:
      UserError: naming the file, the field, what was found and what was expected.
    """
    fault = _fault(content, form, "")
    if fault:
        raise errors.UserError(f"{path}: {fault.removeprefix(': ')}: {cure}.")


def _fault(value: Any, form: Any, where: str) -> str:
    """What is wrong with a value; empty if nothing is."""
    if isinstance(form, Either):
        faults = [_fault(value, each, where) for each in form.forms]
        # A fault inside the value tells more than that its type is unexpected.
        within = [fault for fault in faults if not fault.startswith(f"{where}: ")]
        return "" if "" in faults else (within or [_found(value, form, where)])[0]
    if isinstance(form, (dict, Each)):
        if not isinstance(value, dict):
            return _found(value, form, where)
        fields = dict.fromkeys(value, form.form) if isinstance(form, Each) else form
        faults = (_field(value, *each, where) for each in fields.items())
        return next(filter(None, faults), "")
    if isinstance(form, list):
        if not isinstance(value, list):
            return _found(value, form, where)
        faults = (_fault(it, form[0], f"{where}[{k}]") for k, it in enumerate(value))
        return next(filter(None, faults), "")
    return "" if _fits(value, form) else _found(value, form, where)


def _field(value: dict, name: str, form: Any, where: str) -> str:
    plain = name.removesuffix("?")
    place = f"{where}.{plain}" if where else plain
    if plain in value:
        return _fault(value[plain], form, place)
    return "" if plain != name else f"{place}: found nothing, expected {_name(form)}"


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, Word):
        return value == kind.text
    kinds = kind if isinstance(kind, tuple) else (kind,)
    # For Python, true is an int, and its JSON reader accepts NaN.
    is_odd = (isinstance(value, bool) and bool not in kinds) or _is_endless(value)
    return isinstance(value, kind) and not is_odd


def _is_endless(value: Any) -> bool:
    """Whether a value is NaN, infinite or larger than anything that is measured."""
    return isinstance(value, (int, float)) and not abs(value) < _ENDLESS


def _found(value: Any, form: Any, where: str) -> str:
    kind = type(value)
    found = repr(value[:40]) if kind is str else _WORDS.get(kind, kind.__name__)
    found = str(value)[:40] if _is_endless(value) else found
    return f"{where}: found {found}, expected {_name(form)}"


def _name(form: Any) -> str:
    if isinstance(form, (tuple, Either)):
        forms = form if isinstance(form, tuple) else form.forms
        return " or ".join(_name(each) for each in forms)
    if isinstance(form, Word):
        return repr(form.text)
    if isinstance(form, type):
        return _WORDS.get(form, form.__name__)
    return "list" if isinstance(form, list) else "object"
