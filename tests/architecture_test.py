"""The house's rules that a machine can check."""

import ast
import pathlib

import pytest

from dscl_tf.methods import registered

ROOT = pathlib.Path(__file__).parents[1]
# Floors of the design; code may import its own floor's folder and lower floors.
# Settings of methods, and which there are, are on the ground with all settings.
METHODS = "dscl_tf/methods"
FLOORS = {
    "bin": 6,
    "flags": 5,
    "dscl_tf/experiments": 4.5,
    "dscl_tf/reporting": 4.5,
    "dscl_tf/stages": 4,
    METHODS: 3.5,
    "dscl_tf/training": 3,
    "dscl_tf/inference": 3,
    "dscl_tf/pipeline": 2,
    "dscl_tf/networks": 2,
    "dscl_tf/losses": 2,
    "dscl_tf": 1,
}
# Flags know the settings alone.
ONLY = {"flags": {"dscl_tf", "flags"}}
SOURCES = sorted(
    path.relative_to(ROOT)
    for folder in ("bin", "flags", "dscl_tf")
    for path in (ROOT / folder).rglob("*.py")
)
PATH_OF = {"dscl_flags": "flags", "dscl_bin": "bin"}


def is_of_settings(path: str) -> bool:
    """Whether a module of methods is about their settings alone."""
    parts = path.removesuffix(".py").split("/")[2:]
    return "settings" in parts or parts[:1] == ["registered"]


def room_of(path: str) -> str:
    """The folder of FLOORS that a path belongs to, the longest that fits."""
    if path.startswith(METHODS) and is_of_settings(path):
        return "dscl_tf"
    rooms = [room for room in FLOORS if path == room or path.startswith(room + "/")]
    return max(rooms, key=len)


def imported_modules(tree: ast.AST) -> list[str]:
    """Dotted names that a module imports, `from a import b` as a.b."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def own_rooms(names: list[str]) -> set[str]:
    """The rooms of this project among imported names."""
    found = set()
    for name in names:
        top, *rest = name.split(".")
        if top in ("dscl_tf", *PATH_OF):
            found.add(room_of("/".join([PATH_OF.get(top, top), *rest])))
    return found


def allowed(room: str, target: str) -> bool:
    if room == target:
        return True
    if room in ONLY:
        return target in ONLY[room]
    # Inference reads what training wrote; training never looks at inference.
    if (room, target) == ("dscl_tf/inference", "dscl_tf/training"):
        return True
    return FLOORS[target] < FLOORS[room]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_never_run_upwards(path):
    tree = ast.parse((ROOT / path).read_text())
    room = room_of(path.as_posix())
    wrong = {r for r in own_rooms(imported_modules(tree)) if not allowed(room, r)}
    assert not wrong, f"{path} ({room}) imports {sorted(wrong)}"


def test_the_check_finds_a_wrong_import():
    names = imported_modules(ast.parse("from dscl_tf.stages import finetune"))
    assert own_rooms(names) == {"dscl_tf/stages"}
    assert not allowed("dscl_tf/training", "dscl_tf/stages")
    assert not allowed("dscl_tf/losses", "dscl_tf/networks")
    assert not allowed("dscl_tf/training", "dscl_tf/inference")
    assert not allowed("flags", "dscl_tf/training")
    assert allowed("bin", "dscl_tf/stages")
    names = imported_modules(ast.parse("from dscl_tf.methods.mixup import settings"))
    assert own_rooms(names) == {"dscl_tf"}
    assert not allowed("dscl_tf/training", METHODS)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_the_core_knows_no_method_of_finetuning_by_name(path):
    # Rounds, which make stages of one, and their flags are what users of them name.
    if path.parts[:2] == ("dscl_tf", "methods") or path.stem in registered.NAMES:
        return
    known = {
        ("flags", "pseudo_labels"),
        ("methods", "pseudo_labels", "labels"),
    }
    names = imported_modules(ast.parse((ROOT / path).read_text()))
    for name in names:
        parts = tuple(PATH_OF.get(p, p) for p in name.split(".") if p != "dscl_tf")
        if parts[:1] in (("methods",), ("flags",)) and len(parts) > 1:
            named = parts[1] in registered.NAMES
            assert not named or parts in known, f"{path} imports {name}"


def test_every_method_is_registered_and_has_its_flags():
    folders = {path.parent.name for path in (ROOT / METHODS).glob("*/method.py")}
    assert folders == set(registered.NAMES)
    for name in registered.NAMES:
        assert (ROOT / "flags" / f"{name}.py").exists()


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.parts[0] == "dscl_tf"], ids=str
)
def test_library_knows_no_flags_and_never_prints_or_exits(path):
    tree = ast.parse((ROOT / path).read_text())
    names = imported_modules(tree)
    assert not [name for name in names if name.startswith("absl")]
    assert not [name for name in names if name.startswith("argparse")]
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"print", "exit", "quit", "input"}
    assert "sys.exit" not in ast.unparse(tree)


@pytest.mark.parametrize(
    "path",
    [p for p in SOURCES if p.parts[:2] == ("dscl_tf", "cohort")],
    ids=str,
)
def test_cohort_needs_no_tensorflow(path):
    names = imported_modules(ast.parse((ROOT / path).read_text()))
    assert not [name for name in names if name.startswith("tensorflow")]


def test_one_module_imports_tensorflow_addons():
    users = [
        path.as_posix()
        for path in SOURCES
        if "tensorflow_addons" in imported_modules(ast.parse((ROOT / path).read_text()))
    ]
    assert users == ["dscl_tf/pipeline/warps.py"]


def test_only_the_report_needs_what_its_extra_brings():
    users = [
        path.as_posix()
        for path in SOURCES
        for name in imported_modules(ast.parse((ROOT / path).read_text()))
        if name.split(".")[0] in ("jinja2", "markupsafe", "plotly")
    ]
    assert set(users) == {
        "dscl_tf/reporting/figures.py",
        "dscl_tf/reporting/page.py",
    }


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_sizes(path):
    text = (ROOT / path).read_text()
    limit = 60 if path.parts[0] == "bin" and path.name != "demo.py" else 330
    assert text.count("\n") <= limit
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > 60
    ]
    assert not long
    assert "import *" not in text


def unsafe_loads(tree: ast.AST) -> list[str]:
    """Imports and calls that may run code from a file."""
    banned = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    found = [name for name in imported_modules(tree) if name.split(".")[0] in banned]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if call in ("eval", "exec") or call.endswith("load_model"):
            found.append(call)
        if call in ("np.load", "np.save") and keywords.get("allow_pickle") != "False":
            found.append(f"{call} without allow_pickle=False")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_nothing_runs_code_from_files(path):
    assert unsafe_loads(ast.parse((ROOT / path).read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "tf.keras.models.load_model(path)",
        "eval(text)",
    ],
)
def test_unsafe_loads_are_seen(text):
    assert unsafe_loads(ast.parse(text))
