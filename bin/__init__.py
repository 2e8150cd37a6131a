"""The command-line binaries: each parses its flags and calls one function."""

import os
import signal
import sys


def _leave(number: int, frame: object) -> None:
    os.write(2, b"Interrupted. Start the same command again to go on.\n")
    os._exit(75)  # As `dscl_flags.binary` documents.


# A binary takes a second to import what it needs, and only then can it guard itself.
if os.path.basename(sys.argv[0]).startswith("dscl-"):
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, _leave)
