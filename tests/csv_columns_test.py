import math

import pytest

from dscl_tf import csv_columns, errors


def read(path, **options):
    return list(csv_columns.read(path, ("name",), ("value",), **options))


def test_columns_are_found_by_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("value,more,name\n1,x,a\n2.5,y,b\n")
    assert read(path) == [("a", 1), ("b", 2.5)]
    assert read(tmp_path / "none.csv") == []


def test_what_is_lacking_is_no_number(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("name,value\na,\n")
    ((name, value),) = read(path, lacking="")
    assert name == "a" and math.isnan(value)


@pytest.mark.parametrize("rows", ["name\na", "name,value\na,much", "name,value\na,"])
def test_damage_is_named(tmp_path, rows):
    path = tmp_path / "a.csv"
    path.write_text(rows)
    with pytest.raises(errors.UserError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: expected the columns name, value")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.UserError, match="Cannot read"):
        read(path)
