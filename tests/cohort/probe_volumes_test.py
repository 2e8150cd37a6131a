import pytest

from dscl_tf.cohort import probe_volumes
from tests.cohort import splits_test

NAMES = tuple(f"v{number:02d}" for number in range(40))


@pytest.mark.parametrize(
    "num_names, num_probe, expected",
    [(40, 2, 2), (40, 3, 3), (40, 9, 4), (20, 2, 2), (19, 2, 0), (40, 1, 0)],
)
def test_hold_out_probe(num_names, num_probe, expected):
    cohort = splits_test.make_cohort(NAMES[:num_names])
    kept, probe = probe_volumes.hold_out(cohort, NAMES[:num_names], num_probe)
    assert len(probe) == expected
    assert sorted(kept + probe) == list(NAMES[:num_names])
    again = probe_volumes.hold_out(cohort, NAMES[:num_names], num_probe)
    assert again == (kept, probe)


def test_all_volumes_of_a_subject_are_held_out_together():
    cohort = splits_test.make_cohort(NAMES[:20], frames=("_ED", "_ES"))
    names = tuple(volume.name for volume in cohort.volumes)
    kept, probe = probe_volumes.hold_out(cohort, names, 2)
    assert len(probe) == 4 and len(kept) == 36
    subjects = [{name[:-3] for name in each} for each in (kept, probe)]
    assert not subjects[0] & subjects[1] and len(subjects[1]) == 2
    # Twenty volumes of ten subjects are too few.
    assert probe_volumes.hold_out(cohort, names[:20], 2) == (names[:20], ())
