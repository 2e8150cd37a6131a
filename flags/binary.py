"""How every binary starts, shows its help, and ends.

Exit codes: 0 done, 1 a user's mistake (said in one sentence), 70 a defect of this
software (with a traceback), 75 interrupted by a signal with everything saved, so
that the same command goes on.
"""

import contextlib
import logging
import math
import os
import pathlib
import re
import signal
import sys
import textwrap
from collections.abc import Sequence
from types import ModuleType
from typing import Callable, Optional

from absl import app
from absl import flags as absl_flags
from absl import logging as absl_logging
from dscl_flags import command_line, interruptions

from dscl_tf import errors

EXIT_DONE = 0
EXIT_USER_ERROR = 1
EXIT_DEFECT = 70
EXIT_INTERRUPTED = interruptions.EXIT_INTERRUPTED

# Shipped flagfiles: presets with the settings of datasets, recipes for training.
_HERE = pathlib.Path(__file__).parent
_FOLDERS = {"preset": _HERE / "presets", "recipe": _HERE / "recipes"}
_HELP = {"--help", "-help", "-h", "-?", "--helpfull", "--helpshort"}


def run(
    main: Callable[[], None],
    groups: Sequence[ModuleType],
    usage: str,
    recipe: Optional[str] = None,
) -> None:
    """Parses the command line, calls `main`, and exits with a documented code.

    Args:
      main: does the work; it reads its configs from the builders in `groups`.
      groups: the modules of `flags/` whose flags this binary has, in help order.
      usage: what the binary does and how it is called; the first part of its help.
      recipe: the one to use if --recipe is not given.
    """
    # TensorFlow's start-up notices (factories registered twice, no GPU found) would
    # bury the run's own messages; its errors still arrive as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def parse_all(argv: Sequence[str]) -> Sequence[str]:
        return parse(argv, groups, usage, recipe)

    for number in interruptions.SIGNALS:
        signal.signal(number, interruptions.leave)
    app.run(lambda argv: _end(guarded(main, is_last=True)), flags_parser=parse_all)


def _end(code: int) -> int:
    """Returns the code, or exits at once if interrupted: library threads may go on."""
    if code == EXIT_INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


def parse(
    argv: Sequence[str],
    groups: Sequence[ModuleType],
    usage: str,
    recipe: Optional[str] = None,
) -> Sequence[str]:
    """Parses a command line; exits after its help, or after saying what is wrong.

    Args:
      argv: the program's name first.
      groups: as for `run`.
      usage: as for `run`.
      recipe: as for `run`.
    """
    if _HELP.intersection(argv[1:]):
        sys.stdout.write(help_text(usage, groups, recipe))
        sys.exit(EXIT_DONE)
    if recipe and not command_line.is_given("--recipe", argv):
        argv = [argv[0], f"--recipe={recipe}", *argv[1:]]
    try:
        rest = absl_flags.FLAGS(_expand(argv, groups))
    except errors.UserError as error:
        _fail(str(error))
    except absl_flags.UnrecognizedFlagError as error:
        name = error.flagname
        if name == "preset" or (name == "recipe" and _has_recipes(groups)):
            _fail(f"Write --{name}=NAME on the command line, not in a --flagfile.")
        _fail(f"{error} See --help.")
    except (absl_flags.Error, OSError) as error:
        _fail(f"{error} See --help.")
    if len(rest) > 1:
        _fail(f"Unexpected argument {rest[1]!r}: flags are --name=value.")
    for name, value in absl_flags.FLAGS.flag_values_dict().items():
        if isinstance(value, float) and not math.isfinite(value):
            _fail(f"--{name} must be a finite number, found {value}.")
    return rest


def preset_names() -> list[str]:
    """The flagfiles that are shipped, by the names that --preset takes."""
    return _names_in(_FOLDERS["preset"])


def recipe_names() -> list[str]:
    """The flagfiles that are shipped, by the names that --recipe takes."""
    return _names_in(_FOLDERS["recipe"])


def _names_in(folder: pathlib.Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.flags"))


def _expand(argv: Sequence[str], groups: Sequence[ModuleType]) -> list[str]:
    """Replaces --preset=NAME and --recipe=NAME by the flags that they stand for.

    A recipe's are moved before all other flags, so that presets override them, too.
    """
    first, rest = [], []
    for word in _in_one_word(argv[1:]):
        found = re.match(r"--?(preset|recipe)(=(?P<name>.*))?$", word)
        if found and found[1] == "preset":
            rest += _shipped("preset", found["name"] or "")
        elif found and _has_recipes(groups):
            first += _shipped("recipe", found["name"] or "")
        else:
            rest.append(word)
    return [argv[0], *first, *rest]


def _in_one_word(argv: Sequence[str]) -> list[str]:
    """Turns `--preset NAME` into --preset=NAME, as absl accepts both for its flags."""
    words: list[str] = []
    for word in argv:
        if words and re.match(rf"--?({'|'.join(_FOLDERS)})$", words[-1]):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _has_recipes(groups: Sequence[ModuleType]) -> bool:
    """Whether a binary takes --recipe, as those that train do."""
    return any(module.__name__.endswith(".finetuning") for module in groups)


def _shipped(kind: str, name: str) -> list[str]:
    """The flags of a preset or recipe that this binary has; they are for several."""
    names = _names_in(_FOLDERS[kind])
    if name not in names:
        raise errors.UserError(f"--{kind}={name}: expected one of {', '.join(names)}.")
    lines = (_FOLDERS[kind] / f"{name}.flags").read_text().splitlines()
    words = [line for line in lines if line.startswith("--")]
    return [word for word in words if _flag_of(word) is not None]


def _flag_of(word: str) -> Optional[str]:
    """The name of the flag that a word sets; None if this binary has no such flag."""
    name = word.lstrip("-").partition("=")[0]
    names = (name, name.removeprefix("no"))
    return next((each for each in names if each in absl_flags.FLAGS), None)


def help_text(
    usage: str, groups: Sequence[ModuleType], recipe: Optional[str] = None
) -> str:
    """The usage, then each group's flags with their defaults and units."""
    lines, said = [usage.strip(), ""], _said_by(recipe)
    for module in groups:
        lines.append(module.__doc__.strip().splitlines()[0])
        for flag in absl_flags.FLAGS.get_flags_for_module(module.__name__):
            lines += _flag_lines(flag, said.get(flag.name, ""))
        lines.append("")
    lines.append(f"--preset={'|'.join(preset_names())}")
    lines.append(
        "      Settings shipped for a dataset; flags that follow override them."
    )
    if _has_recipes(groups):
        lines.append(f"--recipe={'|'.join(recipe_names())}")
        default = f" Default: {recipe}." if recipe else ""
        how = "How to train; presets and other flags override it."
        lines.append(f"      {how}{default}")
    lines.append("--flagfile=FILE")
    lines.append("      Reads flags from FILE, one per line.")
    return "\n".join(lines) + "\n"


def _said_by(recipe: Optional[str]) -> dict[str, str]:
    """What the default recipe sets, by flag, in words for the help."""
    found = {}
    for word in _shipped("recipe", recipe) if recipe else ():
        name = _flag_of(word)
        value = word.partition("=")[2] or str(word == f"--{name}").lower()
        found[name] = f" With --recipe={recipe}: {value}."
    return found


def _flag_lines(flag: absl_flags.Flag, in_recipe: str) -> list[str]:
    values = getattr(flag.parser, "enum_values", None)
    if flag.boolean:
        name = f"--[no]{flag.name}"
    else:
        name = f"--{flag.name}=" + ("|".join(values) if values else "VALUE")
    text = flag.help
    if values:
        text = text.split(">: ", 1)[-1]  # absl puts the values in front.
    if flag.default not in (None, []):
        text += f" Default: {_default_of(flag)}.{in_recipe}"
    return [
        f"  {name}",
        *textwrap.wrap(text, 84, initial_indent=" " * 6, subsequent_indent=" " * 6),
    ]


def _default_of(flag: absl_flags.Flag) -> str:
    if isinstance(flag.default, float):
        return f"{flag.default:g}"  # Not 0.30000000000000004.
    return flag.default_as_str.strip("'")


def guarded(main: Callable[[], None], is_last: bool = False) -> int:
    """Calls `main` and returns the exit code; a UserError exits the process at once.

    Args:
      main: does the work.
      is_last: whether the process ends afterwards, so that signals stay caught.
    """
    absl_logging.set_verbosity(absl_logging.INFO)
    absl_logging.get_absl_handler().setFormatter(
        logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    )
    # In training the loop saves first; elsewhere complete results are on disk already.
    interrupted = interruptions.Interruptions()
    before = {n: signal.signal(n, interrupted) for n in interruptions.SIGNALS}
    if is_last:
        interrupted.watch()
    try:
        return _code_of(main, interrupted)
    finally:
        if is_last:
            interrupted.end()
        else:
            for number, handler in before.items():
                signal.signal(number, handler)


def _code_of(main: Callable[[], None], interrupted: interruptions.Interruptions) -> int:
    try:
        main()
        sys.stdout.flush()
    except errors.UserError as error:
        _fail(str(error))
    except (errors.Interrupted, KeyboardInterrupt) as interruption:
        sys.stderr.write(interruptions.said(interruption))
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of the output, such as `head`, has closed it; nothing else is lost.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if interrupted:  # A library raised another exception instead.
            sys.stderr.write(interruptions.said(error))
            return EXIT_INTERRUPTED
        logging.getLogger(__name__).exception("A defect of dscl_tf; please report it.")
        return EXIT_DEFECT
    return EXIT_DONE


def _fail(message: str) -> None:
    sys.stderr.write(f"Error: {message}\n")
    sys.exit(EXIT_USER_ERROR)
