import json
import math

import pytest

from dscl_tf import errors
from dscl_tf.reporting import results
from tests.reporting import making


def test_reads_an_experiment(tmp_path):
    making.experiment(tmp_path)
    found = results.read(tmp_path)
    assert found.methods == ["random", "gd"]
    assert found.sizes == [1, 2]
    assert found.structures == ["low", "high"]
    assert [cell.dice for cell in found.of("gd", 2)] == [0.8, 0.6]
    assert found.of("gd", 1)[0].run == tmp_path / "cells/n1_draw0_seed0_gd/finetune"
    assert found.row("gd", 1)["mean"] == pytest.approx(0.65)
    assert found.row("gd", 8) is None


def test_the_benchmark_comes_last(tmp_path):
    content = making.experiment(tmp_path)
    content["table"].insert(0, {**content["table"][0], "size": "all"})
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert results.read(tmp_path).sizes == [1, 2, "all"]


def _refusal(folder):
    with pytest.raises(errors.UserError) as caught:
        results.read(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    "place, value, message",
    [
        (("format",), 2, "format 2, expected 1"),
        (("cells",), {}, "cells: found dict, expected list"),
        (("cells", 0), 3, "cells[0]: found int, expected object"),
        (("cells", 0, "dice"), "high", "cells[0].dice: found 'high', expected int or"),
        (("cells", 0, "size"), "many", "cells[0].size: found 'many'"),
        (("cells", 0, "method"), "x", "cells: found the method 'x'"),
        (("table", 1, "std"), math.inf, "table[1].std: found inf, expected int or"),
        (("table", 1, "mean"), None, "table[1].mean: found null"),
        (("table", 1, "structures", "low"), 1, "table[1].structures.low: found int"),
        (("table", 1, "versus_random"), {"n": 1}, "table[1].versus_random.mean"),
        (("grid", "methods"), None, "grid.methods: found null, expected list"),
        (("cohort", "label_names"), [], "cohort.label_names: found no name"),
        (("cells", 0, "seconds"), "long", "cells[0].seconds: found 'long'"),
        (("cells", 0, "error"), 3, "cells[0].error: found int, expected str or null"),
        (("cohort", "size_px"), None, "cohort.size_px: found null"),
        (("cohort",), None, "cohort: found null, expected object"),
    ],
)
def test_damage_is_named(tmp_path, place, value, message):
    content = making.experiment(tmp_path)
    *outer, last = place
    target = content
    for key in outer:
        target = target[key]
    target[last] = value
    (tmp_path / "results.json").write_text(json.dumps(content))
    refusal = _refusal(tmp_path)
    assert message in refusal
    assert str(tmp_path / "results.json") in refusal


def test_a_cut_file_is_refused(tmp_path):
    making.experiment(tmp_path)
    path = tmp_path / "results.json"
    path.write_text(path.read_text()[:200])
    assert "not valid JSON" in _refusal(tmp_path)
