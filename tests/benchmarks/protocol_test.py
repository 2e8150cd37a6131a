from benchmarks.speed_parts import protocol


def cells_of(*seconds):
    row = {"step_s": list(seconds), "first_step_s": 2.0, "peak_memory_mib": 100.4}
    return protocol.cells(row, base_s=4.0)


def test_cells():
    expected = ["2.000", "1.000 to 3.000", "2.00", "2.0", "100"]
    assert cells_of(1.0, 2.0, 3.0) == expected


def test_one_step_alone_is_its_own_quartiles():
    assert cells_of(2.0)[:3] == ["2.000", "2.000 to 2.000", "2.00"]
