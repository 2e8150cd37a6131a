"""A finding of the check of a dataset: a row of its table."""

import dataclasses
from collections.abc import Sequence

ERROR, WARNING = "error", "warning"


@dataclasses.dataclass(frozen=True)
class Problem:
    """One finding, with its cure; only errors keep a case from being prepared."""

    severity: str  # ERROR or WARNING.
    # Also what would be a case without it. Empty: of all together.
    case: str
    file: str
    field: str
    found: str
    expected: str
    cure: str

    @property
    def is_error(self) -> bool:
        """Whether it keeps the case from being prepared."""
        return self.severity == ERROR

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.field}: found {self.found}, expected "
            f"{self.expected}; {self.cure}."
        )


def first_of(texts: Sequence[str], most: int, before_more: str = ", ") -> str:
    """The first of some texts, and how many more there are: "a, b, 3 more"."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + f"{before_more}{more} more" * (more > 0)
