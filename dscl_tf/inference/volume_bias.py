"""How far predicted volumes of a structure are from the true ones, over cases.

The mean of the differences is the bias, their standard deviation how much single cases
scatter around it (Bland and Altman 1986, "Statistical methods for assessing agreement
between two methods of clinical measurement").
"""

import statistics as means
from collections.abc import Sequence
from typing import Any

import numpy as np

from dscl_tf import statistics
from dscl_tf.inference import metrics


def of_structure(
    cases: Sequence[metrics.StructureMetrics], subjects: Sequence[str]
) -> dict[str, Any]:
    """Bias and scatter of a structure's volume.

    Cases in which neither truth nor prediction has the structure are left out.

    Args:
      cases: the structure's metrics in each case.
      subjects: subject of each case.

    Returns:
      "n", number of cases; "ref_ml" and "pred_ml", mean true and predicted volume;
      "bias_ml", mean of predicted minus true; "bias_percent", that in % of ref_ml;
      "std_ml", standard deviation of the differences (n - 1); "bias_ml_interval", see
      `statistics.mean_interval`, with "low" and "high". What is undefined is None.
    """
    known = [
        (case, subject)
        for case, subject in zip(cases, subjects)
        if case.volume_difference_ml is not None
    ]
    differences_ml = [case.volume_difference_ml for case, _ in known]
    spread = statistics.spread(differences_ml)
    if spread is None:
        nothing = ("ref_ml", "pred_ml", "bias_ml", "bias_percent", "std_ml")
        return {"n": 0, **dict.fromkeys((*nothing, "bias_ml_interval"))}
    ref_ml = means.fmean(case.volume_ref_ml for case, _ in known)
    bounds = statistics.mean_interval(
        np.array(differences_ml)[:, None], [subject for _, subject in known]
    )
    return {
        "n": spread.n,
        "ref_ml": ref_ml,
        "pred_ml": means.fmean(case.volume_pred_ml for case, _ in known),
        "bias_ml": spread.mean,
        "bias_percent": 100 * spread.mean / ref_ml if ref_ml else None,
        "std_ml": spread.std,
        "bias_ml_interval": statistics.bounds_json(bounds),
    }
