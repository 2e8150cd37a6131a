"""A finding of the check of a dataset, shown as one row of its table."""

import dataclasses
from collections.abc import Sequence

ERROR, WARNING = "error", "warning"


@dataclasses.dataclass(frozen=True)
class Problem:
    """One finding, with its cure.

    Errors keep a case from being prepared; so do warnings with --strict.
    """

    severity: str  # ERROR or WARNING.
    # The case's name, or the name it would have had; "" if the finding concerns the
    # dataset as a whole.
    case: str
    file: str
    field: str
    found: str
    expected: str
    cure: str

    @property
    def is_error(self) -> bool:
        """Whether it keeps the case from being prepared without --strict, too."""
        return self.severity == ERROR

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.field}: found {self.found}, expected "
            f"{self.expected}; {self.cure}."
        )


def first_of(texts: Sequence[str], most: int, before_more: str = ", ") -> str:
    """Joins the first texts and says how many more there are: "a, b, 3 more"."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + f"{before_more}{more} more" * (more > 0)
