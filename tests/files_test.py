import os
import stat

import pytest

from dscl_tf import errors, files


def test_appears_whole_with_its_folder_and_the_usual_permissions(tmp_path):
    path = tmp_path / "new" / "folder" / "mask.nii.gz"
    with files.atomic_path(path) as partial:
        assert partial.parent == path.parent
        assert partial.name.startswith(".") and partial.name.endswith(".gz")
        assert "mask" not in partial.name
        partial.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert [p.name for p in path.parent.iterdir()] == ["mask.nii.gz"]
    usual = tmp_path / "usual"
    usual.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_a_name_may_be_as_long_as_names_can_be(tmp_path):
    path = tmp_path / f"{'n' * 250}.json"
    files.write_json(path, {})
    assert files.read_json_object(path, "file") == {}


def test_an_exception_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="half-way"), files.atomic_path(path) as p:
        p.write_text("half")
        raise RuntimeError("half-way")
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["result.txt"]


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(errors.UserError, match=r"Cannot write .*file/out\.json"):
        files.write_json(tmp_path / "file" / "out.json", {})


def test_a_folder_is_tried_and_nothing_made(tmp_path):
    files.require_writable(tmp_path / "new" / "folder")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "new", tmp_path / "file", "/proc/new"):
        with pytest.raises(errors.UserError, match=rf"Cannot write {folder}: "):
            files.require_writable(folder)


def test_a_folder_in_place_of_the_file_is_named(tmp_path):
    (tmp_path / "out.json" / "inside").mkdir(parents=True)
    with pytest.raises(errors.UserError, match=r"Cannot write .*out\.json"):
        files.write_json(tmp_path / "out.json", {})
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_path_that_tensorflow_cannot_open_is_refused(tmp_path):
    files.require_no_pattern(tmp_path / "run ä,$%")
    for name, message in (("a[b", r"found '\['"), ("b\udcff", r"b\\xff is not UTF-8")):
        with pytest.raises(errors.UserError, match=message):
            files.require_no_pattern(tmp_path / name)


def test_json_round_trip(tmp_path):
    content = {"a": [1, 2.5, None], "ü": True}
    files.write_json(tmp_path / "x.json", content)
    assert files.read_json_object(tmp_path / "x.json", "thing") == content


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n', r"split file .*x\.json is not valid JSON \(line 2"),
        ("[1]", r"split file .*x\.json must hold a JSON object, found list"),
        (b"\xff\xfe\x00", r"Cannot read the split file .*x\.json"),
        ("[1" + "0" * 5000 + "]", r"split file .*x\.json"),
        ("[" * 100_000, r"Cannot read the split file .*x\.json|not valid JSON"),
    ],
)
def test_damaged_json_is_named(tmp_path, text, message):
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(errors.UserError, match=message):
        files.read_json_object(tmp_path / "x.json", "split file")


def test_missing_json_and_a_folder_are_named(tmp_path):
    with pytest.raises(errors.UserError, match=r"No split file at .*x\.json"):
        files.read_json_object(tmp_path / "x.json", "split file")
    with pytest.raises(errors.UserError, match="Cannot read the split file"):
        files.read_json_object(tmp_path, "split file")
