"""The command-line binaries: each parses its flags and calls one function."""

import multiprocessing
import os
import signal
import sys

from dscl_flags import interruptions

# A binary can handle signals itself only after its imports, which take a second.
_IS_BINARY = os.path.basename(sys.argv[0]).startswith("dscl-")
if _IS_BINARY and multiprocessing.parent_process() is None:
    for _number in interruptions.SIGNALS:
        signal.signal(_number, interruptions.leave)
