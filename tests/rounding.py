"""Results without their last digits, which differ between versions of Python."""

import json


def rounded(content):
    """JSON values, numbers with a fraction as texts of nine decimals."""

    def text(number):
        return f"{float(number):.9f}"

    return json.loads(json.dumps(content), parse_float=text)
