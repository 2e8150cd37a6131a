"""Channels that are told by the names of files."""

import pathlib

import pytest

from dscl_tf import errors
from dscl_tf.cohort import file_channels


@pytest.mark.parametrize(
    ("stem", "channels", "expected"),
    [
        ("case_0001", ("0", "1"), ("case", 1)),
        ("case_0010", ("0", "1"), None),
        ("case_T2", ("t2", "adc"), ("case", 0)),
        ("case-adc", ("t2", "adc"), ("case", 1)),
        ("_t2", ("t2", "adc"), None),
        # The longest end tells, in whatever order the channels are.
        ("case_ce-t2", ("t2", "ce-t2"), ("case", 1)),
        ("case_ce-t2", ("ce-t2", "t2"), ("case", 0)),
        ("case_t2", ("ce-t2", "t2"), ("case", 1)),
    ],
)
def test_the_end_of_a_name_tells_its_channel(stem, channels, expected):
    assert file_channels.split(stem, file_channels.parse(channels)) == expected


@pytest.mark.parametrize("texts", [("t2", "T2"), ("t2", ""), (" ",)])
def test_channels_are_different_and_have_names(texts):
    with pytest.raises(errors.UserError, match="expected different numbers or names"):
        file_channels.parse(texts)


def test_two_files_of_one_channel_are_a_row():
    found = {name: pathlib.Path(f"{name}.nii.gz") for name in ("a_t2", "a-T2", "a_adc")}
    _, (row,) = file_channels.group(found, file_channels.parse(("t2", "adc")))
    assert row.is_error and row.case == "a" and "same channel" in row.found


def test_a_missing_channel_is_named_with_the_suffix_of_the_others():
    found = {"a_t2": pathlib.Path("in/a_t2.nrrd")}
    cases, (row,) = file_channels.group(found, file_channels.parse(("t2", "adc")))
    assert cases == {"a": [found["a_t2"], None]}
    assert row.file == "in/a_adc.nrrd" and row.is_error
