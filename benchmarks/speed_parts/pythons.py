"""Other Pythons that contenders run in, identified by a package's version in them."""

import subprocess
from collections.abc import Sequence

from dscl_tf import errors

_ASK = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


def version_of(flag: str, python: str, package: str) -> str:
    """The version of a package, without what a build adds to it ("+cpu").

    Args:
      flag: the flag that named the Python, for messages.
      python: its path.
      package: its name for pip.

    Raises:
      UserError: there is no such Python, or it lacks the package.
    """
    try:
        done = subprocess.run(
            [python, "-c", _ASK, package], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise errors.UserError(
            f"--{flag}: {python} does not start ({error.strerror}); expected a Python "
            f"that has {package}."
        ) from None
    if done.returncode:
        raise errors.UserError(
            f"--{flag}: {python} has no {package}: install it there with "
            f"{python} -m pip install {package}."
        )
    return done.stdout.strip().partition("+")[0]


def by_version(flag: str, paths: Sequence[str], package: str) -> dict[str, str]:
    """Pythons by their version of a package.

    Raises:
      UserError: as `version_of`, or two have the same version.
    """
    found: dict[str, str] = {}
    for python in paths:
        version = version_of(flag, python, package)
        if version in found:
            raise errors.UserError(
                f"--{flag}: {found[version]} and {python} both have {package} "
                f"{version}; name one Python for each version."
            )
        found[version] = python
    return found
