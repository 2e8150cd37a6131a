"""Three cases of two structures, whose figures are easily worked out."""

import math

from dscl_tf.inference import metrics, summary

VOXEL_MM3 = 500.0
NAMES = ("background", "RV", "LV")


def found(tp, fp, fn, hd95_mm, assd_mm, nsd=None):
    tn = 100 - tp - fp - fn
    return metrics.StructureMetrics(tp, fp, fn, tn, VOXEL_MM3, hd95_mm, assd_mm, nsd)


def case(name, right, left):
    return summary.CaseResult(
        name, name[:2], f"{name}.nii.gz", f"{name}_gt.nii.gz", {1: right, 2: left}
    )


def cases():
    """Of p1 both are found; of p2 RV is missed; of p3 LV is spurious."""
    good = found(10, 5, 5, 4.0, 2.0, 0.75)  # Dice 20/30, IoU 10/20.
    perfect = found(20, 0, 0, 0.0, 0.0, 1.0)
    missed = found(0, 0, 8, math.inf, math.inf, 0.0)
    spurious = found(0, 3, 0, math.inf, math.inf, 0.0)
    absent = found(0, 0, 0, None, None)
    return [
        case("p1_ed", good, perfect),
        case("p2_ed", missed, absent),
        case("p3_ed", absent, spurious),
    ]


def many_cases():
    """Two frames of each of four patients, of which the fourth has no LV."""
    absent = found(0, 0, 0, None, None)
    return [
        case(
            f"p{patient}_{frame}",
            found(10, 2 * patient, frame, 1.0 * patient, 0.5 * patient),
            absent if patient == 4 else found(8, patient, 2 * frame, 3.0, 1.0),
        )
        for patient in range(1, 5)
        for frame in (0, 1)
    ]
