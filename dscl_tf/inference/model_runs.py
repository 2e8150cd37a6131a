"""Finds the runs that --model names."""

import pathlib

from dscl_tf import errors, files
from dscl_tf.training import run_folder


def find_runs(path: files.PathLike) -> list[pathlib.Path]:
    """The fine-tuning run at `path`, or the runs at several comma-separated paths.

    Raises:
      UserError: if there is none, or one is named twice; the message says what was
        found.
    """
    if pathlib.Path(path).exists():
        return [find_run(path)]
    names = str(path).split(",")
    for name in names if len(names) > 1 else ():
        if not name or (pathlib.Path(name) / "saved_model.pb").is_file():
            raise errors.UserError(
                f"--model={path}: between commas are runs, found "
                f"{'an export, ' + name if name else 'nothing'}."
            )
    found = [find_run(each) for each in names]
    if len({run.resolve() for run in found}) < len(found):
        raise errors.UserError(f"--model={path} names a run twice.")
    return found


def find_run(path: files.PathLike) -> pathlib.Path:
    """The fine-tuning run at `path`, or in its folder `finetune`.

    Raises:
      UserError: if there is none; the message says what was found.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise errors.UserError(
            f"No model folder at {path}: --model names an exported SavedModel, the "
            "folder of a fine-tuning run, or the --workdir that it was trained in."
        )
    found = "found " + (_some_names(path) or "an empty folder")
    for folder in (path, path / "finetune"):
        run = run_folder.RunFolder(folder)
        if not run.config_file.is_file():
            continue
        stage = run.read_record().config.stage
        if stage == "finetune":
            return folder
        found = f"found a run of the stage {stage!r}, which has no segmenter"
    raise errors.UserError(
        f"No trained segmenter in {path}: expected saved_model.pb (an export), or "
        f"config.json of a fine-tuning run here or in finetune/; {found}."
    )


def _some_names(folder: pathlib.Path) -> str:
    return ", ".join(sorted(entry.name for entry in folder.iterdir())[:5])
