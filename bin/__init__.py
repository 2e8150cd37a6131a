"""The command-line binaries: each parses its flags and calls one function."""

import multiprocessing
import os
import signal
import sys


def _leave(number: int, frame: object) -> None:
    os.write(2, b"Interrupted. Start the same command again to go on.\n")
    os._exit(75)  # As `dscl_flags.binary` documents.


# A binary takes a second to import what it needs, and only then can it guard itself.
_IS_BINARY = os.path.basename(sys.argv[0]).startswith("dscl-")
if _IS_BINARY and multiprocessing.parent_process() is None:
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, _leave)
