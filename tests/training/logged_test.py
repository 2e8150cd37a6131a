import pytest

from dscl_tf import errors
from dscl_tf.training import logged
from tests.reporting import making


def test_curves_by_name_without_what_is_not_finite(tmp_path):
    making.write_metrics(
        tmp_path,
        [
            (1, "loss", 2.0),
            (2, "loss", "nan"),
            (2, "dice", 1),
            ("inf", "dice", 1),
            (3, "loss", 4),
        ],
    )
    assert logged.curves(tmp_path) == {
        "loss": [(1, 2.0), (3, 4.0)],
        "dice": [(2, 1.0)],
    }


def test_no_file_is_no_curve(tmp_path):
    assert logged.curves(tmp_path) == {}


def test_long_curves_are_means_of_neighbours():
    curve = [(float(k), float(k)) for k in range(320)]
    found = logged.thinned(curve)
    assert len(found) == 160
    assert found[0] == (1, 0.5)
    assert found[-1] == (319, 318.5)


@pytest.mark.parametrize(
    "content",
    ["step,name\n1,a\n", "step,name,value\n1,a,x\n", "step,name,value\nx,a,1\n"],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(errors.UserError, match=r"metrics\.csv: expected the columns"):
        logged.curves(tmp_path)


def test_mean_curve_is_over_the_steps_that_all_have(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    making.write_metrics(folders[0], [(1, "loss", 1), (2, "loss", 2)])
    making.write_metrics(folders[1], [(2, "loss", 4), (3, "loss", 9)])
    making.write_metrics(folders[2], [(1, "other", 1)])
    assert logged.mean_curve(folders, "loss") == [(2, 3)]
    assert logged.mean_curve(folders, "dice") == []


def test_a_record_is_taken_as_it_is(tmp_path):
    assert logged.record(tmp_path) == {}
    (tmp_path / "config.json").write_text('{"config": {"a": 1}, "b": 2}')
    assert logged.record(tmp_path) == {"config": {"a": 1}, "b": 2}
    (tmp_path / "config.json").write_text('{"config": []}')
    with pytest.raises(errors.UserError, match=r"config\.json: config: found list"):
        logged.record(tmp_path)
