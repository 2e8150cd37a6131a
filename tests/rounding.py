"""Results as all versions of Python compute them."""

import json
import sys


def rounded(content):
    """JSON values; before Python 3.11, numbers with a fraction to nine decimals.

    From 3.11 on `statistics.stdev` is rounded correctly; before, last digits differ.
    """

    def text(number):
        return f"{float(number):.9f}" if sys.version_info < (3, 11) else float(number)

    return json.loads(json.dumps(content), parse_float=text)
