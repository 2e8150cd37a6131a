"""Settings to and from JSON, checked field by field."""

import dataclasses
import enum
import json
import math
import typing
from typing import Any

from dscl_tf import errors


def to_json(config: Any) -> Any:
    """A dataclass as JSON values: enums by value, tuples as lists.

    Fields with "is_left_out" in their metadata are left out at their default.
    """
    if dataclasses.is_dataclass(config):
        return {
            field.name: to_json(getattr(config, field.name))
            for field in dataclasses.fields(config)
            if not field.metadata.get("is_left_out")
            or getattr(config, field.name) != field.default
        }
    if isinstance(config, enum.Enum):
        return config.value
    if isinstance(config, (list, tuple)):
        return [to_json(item) for item in config]
    return config


def from_json(cls: Any, content: Any, where: str = "config") -> Any:
    """The dataclass `cls` from the values of `to_json`.

    A missing field with "may_be_missing" in its metadata gets their "before" if they
    have one, else its default. `cls.of_earlier`, if there is one, first converts the
    JSON of earlier versions.

    Args:
      cls: a dataclass or the annotation of one of its fields.
      content: JSON values.
      where: name of the value, for error messages.

    Raises:
      UserError: a key is missing or unknown, or a value has the wrong type.
    """
    if dataclasses.is_dataclass(cls):
        return _dataclass_from_json(cls, content, where)
    if isinstance(cls, type) and issubclass(cls, enum.Enum):
        values = [member.value for member in cls]
        if content not in values:
            raise errors.UserError(f"{where}: found {content!r}, expected {values}.")
        return cls(content)
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if origin is typing.Union:
        kind = next(kind for kind in arguments if kind is not type(None))
        return None if content is None else from_json(kind, content, where)
    if origin is tuple:
        return _tuple_from_json(arguments, content, where)
    if cls is float and isinstance(content, int) and not isinstance(content, bool):
        return float(content)
    if cls is float and isinstance(content, float) and not math.isfinite(content):
        raise errors.UserError(f"{where}: found {content}, expected a finite number.")
    if type(content) is not cls:
        raise errors.UserError(
            f"{where}: found {json.dumps(content)}, expected {cls.__name__}."
        )
    return content


def _dataclass_from_json(cls: Any, content: Any, where: str) -> Any:
    if not isinstance(content, dict):
        raise errors.UserError(f"{where}: found {content!r}, expected an object.")
    if hasattr(cls, "of_earlier"):
        content = cls.of_earlier(content)
    names = [field.name for field in dataclasses.fields(cls)]
    required = [
        field.name
        for field in dataclasses.fields(cls)
        if not field.metadata.get("may_be_missing")
    ]
    unknown, missing = set(content) - set(names), set(required) - set(content)
    if unknown or missing:
        raise errors.UserError(
            f"{where}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}; "
            "it was written by another version."
        )
    hints = typing.get_type_hints(cls)
    before = {
        field.name: field.metadata["before"]
        for field in dataclasses.fields(cls)
        if field.name not in content and "before" in field.metadata
    }
    given = {
        name: from_json(hints[name], content[name], f"{where}.{name}")
        for name in names
        if name in content
    }
    return cls(**before, **given)


def _tuple_from_json(arguments: tuple, content: Any, where: str) -> tuple:
    variadic = len(arguments) == 2 and arguments[1] is Ellipsis
    if not isinstance(content, list) or not (
        variadic or len(content) == len(arguments)
    ):
        length = "" if variadic else f" of {len(arguments)}"
        raise errors.UserError(f"{where}: found {content!r}, expected a list{length}.")
    kinds = [arguments[0]] * len(content) if variadic else arguments
    return tuple(
        from_json(kind, item, f"{where}[{index}]")
        for index, (kind, item) in enumerate(zip(kinds, content))
    )
