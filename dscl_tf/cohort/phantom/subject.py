"""The phantom's subjects: what varies between them, and in which range.

The parameters of the phantom's difficulty are here and in `acquisition`. Changing one,
or the order of the random draws, changes every cohort and all results measured on it.
Lengths are in mm, angles in radians; the coordinates are those of `anatomy`.
"""

import dataclasses

import numpy as np

GROUPS = ("NOR", "DCM", "HCM", "MINF", "RV")  # ACDC's groups; subjects take turns.
# Bounds of a uniform distribution, or mean and standard deviation of a normal one.
_Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class TissueRanges:
    """Intensities, about 0 (air) to 1 (brightest blood)."""

    blood: _Range = (0.72, 1.0)
    muscle_to_blood: _Range = (0.28, 0.62)
    fat: _Range = (0.3, 1.2)
    liver: _Range = (0.2, 0.75)
    lung: _Range = (0.03, 0.2)


@dataclasses.dataclass(frozen=True)
class HeartRanges:
    """The heart of every subject; uniform unless stated otherwise."""

    lv_radius_mm: _Range = (26, 36)  # Epicardial, at the base.
    wall_mm: _Range = (7, 11)
    septal_bulge_mm: _Range = (0, 2)
    rv_across_mm: _Range = (20, 33)
    rv_along_mm: _Range = (32, 47)
    center_x_mm: _Range = (8, 15)  # Mean, standard deviation.
    center_y_mm: _Range = (-2, 13)  # Mean, standard deviation.
    tilt_x_mm: _Range = (10, 5)  # Mean, standard deviation.
    tilt_y_mm: _Range = (4, 4)  # Mean, standard deviation.
    # From the patient's right: mean, standard deviation.
    septum_rad: _Range = (0.1, 0.45)
    oblong: _Range = (0.85, 1.18)
    rv_end: _Range = (0.66, 0.97)
    rv_blood: _Range = (0.8, 1.08)
    papillary_mm: _Range = (3.2, 5.5)


@dataclasses.dataclass(frozen=True)
class DiseaseRanges:
    """Ranges of ACDC's groups that replace the normal ones, or add to them."""

    dcm_lv_radius_mm: _Range = (37, 44)
    dcm_wall_mm: _Range = (6, 8.5)
    hcm_wall_mm: _Range = (12, 16)
    hcm_septal_bulge_mm: _Range = (2, 7)
    hcm_lv_radius_mm: _Range = (31, 38)
    minf_extra_radius_mm: _Range = (0, 5)
    minf_thinning: _Range = (0.35, 0.6)  # Share of the wall that is lost.
    rv_dilation: _Range = (1.15, 1.4)


@dataclasses.dataclass(frozen=True)
class BodyRanges:
    """The trunk, the deformation of everything, and the distractors."""

    half_width_mm: _Range = (150, 195)
    half_depth_mm: _Range = (100, 130)
    skin_fat_mm: _Range = (6, 26)
    num_waves: int = 6
    wave_cycles: _Range = (0.5, 1.6)  # Per 200 mm, of either sign.
    wave_deviation_mm: float = 2.6  # Standard deviation of a wave's amplitude.
    # Standard deviations of the harmonics that make outlines irregular.
    harmonics: tuple[float, ...] = (0.028, 0.016, 0.010)
    num_blobs: tuple[int, int] = (5, 10)  # The upper bound is exclusive.
    blob_reach_mm: _Range = (56, 115)  # Distance from the middle of the picture.
    blob_radius_mm: _Range = (6, 19)
    ring_share: float = 0.5
    ring_radius_mm: _Range = (14, 30)
    ring_wall_mm: _Range = (4, 10)
    blood_like_share: float = 0.6  # The other blobs look like muscle.
    blob_brightness: _Range = (0.85, 1.1)


@dataclasses.dataclass(frozen=True)
class Tissues:
    """Intensities before the scan, about 0 (air) to 1 (brightest blood)."""

    blood: float
    muscle: float
    fat: float
    liver: float
    lung: float


@dataclasses.dataclass(frozen=True)
class Heart:
    """Shape and place of one heart."""

    center_mm: tuple[float, float]  # LV axis at mid height (t = 0.5).
    tilt_mm: tuple[float, float]  # Shift of the axis from base to apex.
    septum_rad: float  # Direction from the LV to the RV.
    lv_radius_mm: float  # Epicardial, at the base.
    wall_mm: float
    septal_bulge_mm: float  # Added to the wall on the side of the RV.
    thin_rad: float  # Direction in which an infarct thins the wall.
    thin_fraction: float  # Share of the wall that is lost there.
    oblong: float  # Ratio of the LV's axes.
    rv_size_mm: tuple[float, float]  # Half axes across and along the septum.
    rv_end: float  # Height at which the RV ends.
    rv_blood: float  # Intensity of the RV's blood relative to the LV's.
    papillary_mm: float


@dataclasses.dataclass(frozen=True)
class Blob:
    """A distractor: a round object, or a ring of muscle around something bright."""

    center_mm: tuple[float, float]
    radius_mm: float
    wall_mm: float  # 0: no ring.
    value: float
    height: float  # Height along the heart at which it is largest.


@dataclasses.dataclass(frozen=True)
class Subject:
    """All random properties of a subject's body."""

    group: str
    heart: Heart
    tissues: Tissues
    body_mm: tuple[float, float]  # Half axes of the trunk.
    fat_mm: float  # Thickness of the fat under the skin.
    waves: np.ndarray  # float [K, 6], from `_draw_waves`: the smooth deformation.
    blobs: tuple[Blob, ...]
    harmonics: np.ndarray  # float [8, 2, 3], which make outlines irregular.
    vessels: np.ndarray  # float [V, 4], in the lungs: x, y, radius, height.


def draw_subject(rng: np.random.Generator, group: str) -> Subject:
    """Draws a subject of one of GROUPS."""
    # From a generator of their own, so that the other draws stay as they were.
    vessels = _draw_vessels(rng.spawn(1)[0])
    tissues = _draw_tissues(rng, TissueRanges())
    body = BodyRanges()
    waves = _draw_waves(rng, body)
    return Subject(
        group=group,
        heart=_draw_heart(rng, group),
        tissues=tissues,
        body_mm=(rng.uniform(*body.half_width_mm), rng.uniform(*body.half_depth_mm)),
        fat_mm=rng.uniform(*body.skin_fat_mm),
        waves=waves,
        blobs=_draw_blobs(rng, body, tissues),
        harmonics=rng.normal(0, 1, [8, 2, 3]) * np.array(body.harmonics),
        vessels=vessels,
    )


def _draw_tissues(rng: np.random.Generator, ranges: TissueRanges) -> Tissues:
    blood = rng.uniform(*ranges.blood)
    return Tissues(
        blood=blood,
        muscle=rng.uniform(*ranges.muscle_to_blood) * blood,
        fat=rng.uniform(*ranges.fat),
        liver=rng.uniform(*ranges.liver),
        lung=rng.uniform(*ranges.lung),
    )


def _draw_vessels(rng: np.random.Generator) -> np.ndarray:
    """Vessels in the lungs, seen end-on: float [V, 4]."""
    count = rng.integers(22, 40)
    angle = rng.uniform(0, 2 * np.pi, count)
    far = 45 + 75 * rng.beta(1.2, 1.8, count)  # Denser near the hila.
    radius = rng.uniform(1.2, 4.2, count) * (1.3 - far / 150)
    height = rng.uniform(0, 1, count)
    return np.stack([far * np.cos(angle), far * np.sin(angle), radius, height], axis=1)


def _draw_waves(rng: np.random.Generator, ranges: BodyRanges) -> np.ndarray:
    """Wave vectors, phases and amplitudes along x and y: float [K, 6]."""
    count = ranges.num_waves
    columns = [
        rng.uniform(*ranges.wave_cycles, count) * rng.choice([-1, 1], count)
        for _ in range(2)
    ]
    columns += [rng.uniform(0, 2 * np.pi, count) for _ in range(2)]
    columns += [rng.normal(0, ranges.wave_deviation_mm, count) for _ in range(2)]
    return np.stack(columns, axis=1)


def _draw_heart(rng: np.random.Generator, group: str) -> Heart:
    ranges = HeartRanges()
    shape = _draw_shape(rng, group, ranges)
    return Heart(
        center_mm=(rng.normal(*ranges.center_x_mm), rng.normal(*ranges.center_y_mm)),
        tilt_mm=(rng.normal(*ranges.tilt_x_mm), rng.normal(*ranges.tilt_y_mm)),
        septum_rad=np.pi + rng.normal(*ranges.septum_rad),
        thin_rad=rng.uniform(0, 2 * np.pi),
        oblong=rng.uniform(*ranges.oblong),
        rv_end=rng.uniform(*ranges.rv_end),
        rv_blood=rng.uniform(*ranges.rv_blood),
        papillary_mm=rng.uniform(*ranges.papillary_mm),
        **shape,
    )


def _draw_shape(rng: np.random.Generator, group: str, ranges: HeartRanges) -> dict:
    """The fields of Heart that depend on the group."""
    disease = DiseaseRanges()
    radius, wall = rng.uniform(*ranges.lv_radius_mm), rng.uniform(*ranges.wall_mm)
    bulge, thin = rng.uniform(*ranges.septal_bulge_mm), 0.0
    rv = np.array([rng.uniform(*ranges.rv_across_mm), rng.uniform(*ranges.rv_along_mm)])
    if group == "DCM":
        radius = rng.uniform(*disease.dcm_lv_radius_mm)
        wall = rng.uniform(*disease.dcm_wall_mm)
    elif group == "HCM":
        wall = rng.uniform(*disease.hcm_wall_mm)
        bulge = rng.uniform(*disease.hcm_septal_bulge_mm)
        radius = rng.uniform(*disease.hcm_lv_radius_mm)
    elif group == "MINF":
        radius = radius + rng.uniform(*disease.minf_extra_radius_mm)
        thin = rng.uniform(*disease.minf_thinning)
    elif group == "RV":
        rv = rv * rng.uniform(*disease.rv_dilation)
    return {
        "lv_radius_mm": radius,
        "wall_mm": wall,
        "septal_bulge_mm": bulge,
        "thin_fraction": thin,
        "rv_size_mm": (rv[0], rv[1]),
    }


def _draw_blobs(
    rng: np.random.Generator, ranges: BodyRanges, tissues: Tissues
) -> tuple[Blob, ...]:
    """Distractors as bright as blood or as dark as muscle, round or ring-like."""
    return tuple(
        _draw_blob(rng, ranges, tissues) for _ in range(rng.integers(*ranges.num_blobs))
    )


def _draw_blob(rng: np.random.Generator, ranges: BodyRanges, tissues: Tissues) -> Blob:
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(*ranges.blob_reach_mm)
    is_ring = rng.random() < ranges.ring_share
    is_blood_like = rng.random() < ranges.blood_like_share
    radius_mm = ranges.ring_radius_mm if is_ring else ranges.blob_radius_mm
    value = tissues.blood if is_blood_like else tissues.muscle
    return Blob(
        # The trunk is wider than deep, and its centre lies below that of the picture.
        center_mm=(far * np.cos(angle), 0.75 * far * np.sin(angle) + 10),
        radius_mm=rng.uniform(*radius_mm),
        wall_mm=is_ring * rng.uniform(*ranges.ring_wall_mm),
        value=value * rng.uniform(*ranges.blob_brightness),
        height=rng.uniform(0, 1),
    )
