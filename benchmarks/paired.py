#!/usr/bin/env python3
"""One method of an experiment against others, draw by draw."""

from collections.abc import Mapping

import result_files
from absl import flags
from dscl_flags import binary

from dscl_tf import errors

_INPUT = flags.DEFINE_string("input", None, "File results.json of an experiment.")
_METHODS = flags.DEFINE_list("methods", [], "Methods to compare.")
_AGAINST = flags.DEFINE_list("against", [], "Methods to compare each of them with.")

USAGE = """
benchmarks/paired.py --input=results.json --methods=gd+lr_crops --against=gd,gd+lr

Prints the differences in mean test Dice over the draws that both have, the seeds of a
draw averaged, with 95 % bootstrap intervals over draws.
"""


def main() -> None:
    """Prints a row for each size and pair."""
    if not (_INPUT.value and _METHODS.value and _AGAINST.value):
        raise errors.UserError("--input, --methods and --against are all needed.")
    print(as_markdown(result_files.read_all([_INPUT.value])[0]))


def as_markdown(content: Mapping) -> str:
    """The table of differences."""
    # Imported here: it imports TensorFlow, whose notices `binary.run` has turned off.
    from dscl_tf.experiments import results

    lines = ["| labelled | method | against | difference [95 %], draws above |"]
    lines.append("|---|---|---|---|")
    titles = {each["name"]: each["title"] for each in content["grid"]["methods"]}
    unknown = {*_METHODS.value, *_AGAINST.value} - set(titles)
    if unknown:
        raise errors.UserError(
            f"{_INPUT.value} has no method {min(unknown)!r}, only {', '.join(titles)}."
        )
    for size in content["grid"]["sizes"]:
        for method in _METHODS.value:
            own = results.by_draw(content["cells"], size, method)
            for other in _AGAINST.value if own else ():
                found = results.by_draw(content["cells"], size, other)
                said = results.interval(results.paired(own, found))
                line = [str(size), titles[method], titles[other], said]
                if method != other:
                    lines.append(f"| {' | '.join(line)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    binary.run(main, [sys.modules[__name__]], USAGE)
