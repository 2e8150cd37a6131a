"""The phantom's anatomy: one subject drawn at random, painted slice by slice.

Lengths are mm in the plane of a slice: x to the patient's left (right in the
picture), y to posterior (down), the middle of the picture at 0. Height along the
heart is t, 0 at the base and 1 at the apex. Shapes are star-shaped: a radius as a
function of the angle, so that r - R(angle) is nearly the distance to the border and
partial volume follows from it.
"""

import dataclasses

import numpy as np

GROUPS = ("NOR", "DCM", "HCM", "MINF", "RV")  # ACDC's groups, in turn.


@dataclasses.dataclass(frozen=True)
class Tissues:
    """Intensities before normalisation, about 0 (air) to 1 (brightest blood)."""

    blood: float
    muscle: float
    fat: float
    liver: float
    lung: float


@dataclasses.dataclass(frozen=True)
class Heart:
    """Shape and place of one heart."""

    center_mm: tuple[float, float]  # LV axis at mid height.
    tilt_mm: tuple[float, float]  # Shift of the axis from base to apex.
    septum_rad: float  # Direction from the LV to the RV.
    lv_radius_mm: float  # Epicardial, at the base.
    wall_mm: float
    septal_bulge_mm: float  # Added to the wall on the side of the RV.
    thin_rad: float  # Where an infarct thins the wall ...
    thin_fraction: float  # ... by how much of it.
    oblong: float  # Ratio of the LV's axes.
    rv_size_mm: tuple[float, float]  # Half axes across and along the septum.
    rv_end: float  # Height at which the RV ends.
    rv_blood: float  # Its intensity in units of the LV's.
    papillary_mm: float


@dataclasses.dataclass(frozen=True)
class Subject:
    """Everything random about a subject's body."""

    group: str
    heart: Heart
    tissues: Tissues
    body_mm: tuple[float, float]  # Half axes of the trunk.
    fat_mm: float  # Under the skin.
    waves: np.ndarray  # float [K, 6], of the smooth deformation.
    blobs: np.ndarray  # float [B, 6], distractors: x, y, radius, ring, value, t.
    harmonics: np.ndarray  # float [8, 2, 3], irregular outlines.


def draw_subject(rng: np.random.Generator, group: str) -> Subject:
    """Draws a subject of one of GROUPS."""
    blood = rng.uniform(0.72, 1.0)
    tissues = Tissues(
        blood=blood,
        muscle=rng.uniform(0.28, 0.62) * blood,
        fat=rng.uniform(0.3, 1.2),
        liver=rng.uniform(0.2, 0.75),
        lung=rng.uniform(0.03, 0.2),
    )
    waves = np.stack(
        [
            rng.uniform(0.5, 1.6, 6) * rng.choice([-1, 1], 6),  # Cycles per 200 mm.
            rng.uniform(0.5, 1.6, 6) * rng.choice([-1, 1], 6),
            rng.uniform(0, 2 * np.pi, 6),
            rng.uniform(0, 2 * np.pi, 6),
            rng.normal(0, 2.6, 6),  # Amplitudes in mm.
            rng.normal(0, 2.6, 6),
        ],
        axis=1,
    )
    return Subject(
        group=group,
        heart=_draw_heart(rng, group),
        tissues=tissues,
        body_mm=(rng.uniform(150, 195), rng.uniform(100, 130)),
        fat_mm=rng.uniform(6, 26),
        waves=waves,
        blobs=_draw_blobs(rng, tissues),
        harmonics=rng.normal(0, 1, [8, 2, 3]) * np.array([0.028, 0.016, 0.010]),
    )


def _draw_heart(rng: np.random.Generator, group: str) -> Heart:
    radius, wall, bulge = rng.uniform(26, 36), rng.uniform(7, 11), rng.uniform(0, 2)
    rv = np.array([rng.uniform(20, 33), rng.uniform(32, 47)])
    thin = 0.0
    if group == "DCM":
        radius, wall = rng.uniform(37, 44), rng.uniform(6, 8.5)
    elif group == "HCM":
        wall, bulge = rng.uniform(12, 16), rng.uniform(2, 7)
        radius = rng.uniform(31, 38)
    elif group == "MINF":
        radius, thin = radius + rng.uniform(0, 5), rng.uniform(0.35, 0.6)
    elif group == "RV":
        rv = rv * rng.uniform(1.15, 1.4)
    return Heart(
        center_mm=(rng.normal(8, 15), rng.normal(-2, 13)),
        tilt_mm=(rng.normal(10, 5), rng.normal(4, 4)),
        septum_rad=np.pi + rng.normal(0.1, 0.45),
        lv_radius_mm=radius,
        wall_mm=wall,
        septal_bulge_mm=bulge,
        thin_rad=rng.uniform(0, 2 * np.pi),
        thin_fraction=thin,
        oblong=rng.uniform(0.85, 1.18),
        rv_size_mm=(rv[0], rv[1]),
        rv_end=rng.uniform(0.66, 0.97),
        rv_blood=rng.uniform(0.8, 1.08),
        papillary_mm=rng.uniform(3.2, 5.5),
    )


def _draw_blobs(rng: np.random.Generator, tissues: Tissues) -> np.ndarray:
    """Things as bright as blood or as grey as muscle, round or ring-like."""
    rows = []
    for _ in range(rng.integers(5, 10)):
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(56, 115)
        is_ring = rng.random() < 0.5
        value = tissues.blood if rng.random() < 0.6 else tissues.muscle
        rows.append(
            [
                far * np.cos(angle),
                0.75 * far * np.sin(angle) + 10,
                rng.uniform(14, 30) if is_ring else rng.uniform(6, 19),
                is_ring * rng.uniform(4, 10),
                value * rng.uniform(0.85, 1.1),
                rng.uniform(0, 1),
            ]
        )
    return np.array(rows)


class Canvas:
    """Slices that are painted from back to front.

    Attributes:
      values: float32 [Z, H, W] intensities.
      covers: share of each voxel that is RV, myocardium, LV: float32 [3, Z, H, W].
    """

    def __init__(self, subject: Subject, x_mm, y_mm, heights, pixel_mm: float):
        """A canvas of air.

        Args:
          subject: what is painted.
          x_mm: float [W].
          y_mm: float [H].
          heights: float [Z], t of each slice.
          pixel_mm: width of the transition at a border.
        """
        self.subject, self._pixel_mm = subject, pixel_mm
        self.t = np.asarray(heights, np.float32)[:, None, None]
        x, y = np.meshgrid(x_mm, y_mm)
        dx, dy = _deformation(subject.waves, x, y)
        self._x = (x + dx).astype(np.float32)[None]
        self._y = (y + dy).astype(np.float32)[None]
        self.values = np.zeros([len(heights), *x.shape], np.float32)
        self.covers = np.zeros([3, *self.values.shape], np.float32)

    def polar(self, center) -> tuple[np.ndarray, np.ndarray]:
        """Distance (mm) and angle from a centre, which may differ by slice."""
        dx, dy = self._x - center[0], self._y - center[1]
        return np.hypot(dx, dy), np.arctan2(dy, dx)

    def cover(self, distance_mm: np.ndarray) -> np.ndarray:
        """The share of a voxel inside, from its signed distance to the border."""
        return np.clip(0.5 - distance_mm / self._pixel_mm, 0, 1)

    def paint(self, cover: np.ndarray, value) -> None:
        """Paints over what is there."""
        self.values += cover * (value - self.values)

    def blob(self, center, half_axes, angle: float, outline: int) -> np.ndarray:
        """Signed distance to an irregular ellipse."""
        r, theta = self.polar(center)
        return r - _ellipse(theta - angle, half_axes) * self._wobble(theta, outline)

    def _wobble(self, theta: np.ndarray, outline: int) -> np.ndarray:
        """A factor near 1 that makes an outline irregular."""
        cosine, sine = self.subject.harmonics[outline % len(self.subject.harmonics)]
        return 1 + sum(
            cosine[k] * np.cos((k + 2) * theta) + sine[k] * np.sin((k + 2) * theta)
            for k in range(len(cosine))
        )

    def wobble(self, theta: np.ndarray, outline: int) -> np.ndarray:
        """See `blob`."""
        return self._wobble(theta, outline)


def _deformation(waves: np.ndarray, x: np.ndarray, y: np.ndarray):
    phase = [2 * np.pi * (kx * x + ky * y) / 200 for kx, ky in waves[:, :2]]
    dx = sum(a * np.sin(p + s) for p, s, a in zip(phase, waves[:, 2], waves[:, 4]))
    dy = sum(a * np.sin(p + s) for p, s, a in zip(phase, waves[:, 3], waves[:, 5]))
    return dx, dy


def _ellipse(theta: np.ndarray, half_axes) -> np.ndarray:
    a, b = half_axes
    # Half axes may shrink to nothing with the height.
    a, b = np.maximum(a, 1e-3), np.maximum(b, 1e-3)
    return a * b / np.hypot(b * np.cos(theta), a * np.sin(theta))


def paint_trunk(canvas: Canvas) -> None:
    """Skin fat, chest wall, lungs, liver, spine, vessels, distractors."""
    subject, tissues = canvas.subject, canvas.subject.tissues
    a, b = subject.body_mm
    trunk = canvas.blob((0, 8), (a, b), 0, 0)
    canvas.paint(canvas.cover(trunk), tissues.fat)
    canvas.paint(canvas.cover(trunk + subject.fat_mm), tissues.muscle * 1.1)
    canvas.paint(canvas.cover(trunk + subject.fat_mm + 12), tissues.lung)
    # The mediastinum: fat between the heart, the sternum and the spine.
    x, y = subject.heart.center_mm
    for place, half_axes in (
        ((x - 12, y - 42), (34, 46)),
        ((x - 16, y + 34), (26, 44)),
    ):
        behind = canvas.blob(place, half_axes, 0.2, 3)
        canvas.paint(
            canvas.cover(np.maximum(behind, trunk + subject.fat_mm + 8)),
            0.75 * tissues.fat,
        )
    # The diaphragm rises towards the apex: more liver and stomach, less lung.
    rise = 1.0 + 0.5 * canvas.t
    liver = canvas.blob((-62, 62 - 22 * canvas.t), (58 * rise, 36 * rise), 0.35, 1)
    canvas.paint(canvas.cover(np.maximum(liver, trunk + 14)), tissues.liver)
    vessel = canvas.blob((-70, 52), (7, 5), 0.8, 2)
    canvas.paint(canvas.cover(vessel), tissues.blood * 0.8)
    stomach = canvas.blob((66, 62 - 14 * canvas.t), (34 * rise, 26 * rise), -0.3, 3)
    inside = canvas.cover(np.maximum(stomach, trunk + 14))
    canvas.paint(inside, tissues.muscle)
    inside = canvas.cover(np.maximum(stomach + 6, trunk + 18))
    canvas.paint(inside, 0.7 * tissues.fat)
    spine = canvas.blob((-12, b - 24), (21, 16), 0, 4)
    canvas.paint(canvas.cover(spine), 0.5 * (tissues.fat + tissues.muscle))
    aorta = canvas.blob((18, b - 36), (11, 11), 0, 5)
    canvas.paint(canvas.cover(aorta), tissues.blood)
    for x, y, radius, ring, value, t in subject.blobs:
        size = radius * np.sqrt(np.maximum(1 - (2.2 * (canvas.t - t)) ** 2, 0))
        shape = canvas.blob((x, y), (size, 0.8 * size), x, int(radius))
        # A ring is a muscular wall around something bright, as the LV is.
        canvas.paint(canvas.cover(shape), tissues.muscle if ring else value)
        if ring:
            canvas.paint(canvas.cover(shape + ring), value)


def paint_heart(canvas: Canvas) -> None:
    """Pericardial fat, RV, myocardium, LV with papillary muscles; and the labels."""
    heart, tissues, t = canvas.subject.heart, canvas.subject.tissues, canvas.t
    center = [c + d * (t - 0.5) for c, d in zip(heart.center_mm, heart.tilt_mm)]
    r, theta = canvas.polar(center)
    shrink = np.sqrt(np.clip(1 - (0.93 * np.clip(t, 0, 1)) ** 2.4, 0, 1))
    epi_radius = heart.lv_radius_mm * shrink * canvas.wobble(theta, 6)
    epi_radius = epi_radius * _ellipse(theta - 0.6, (1, heart.oblong))
    epi = r - epi_radius
    rv = _rv_distance(canvas, center, heart.lv_radius_mm * shrink)
    sack = np.minimum(epi, rv) - 5
    canvas.paint(canvas.cover(sack), 0.8 * tissues.fat)
    _paint_great_vessels(canvas, center)
    canvas.paint(canvas.cover(rv - 3), tissues.muscle)  # Its thin free wall.
    in_rv = canvas.cover(rv)
    canvas.paint(in_rv, tissues.blood * heart.rv_blood)
    _paint_trabeculae(canvas, rv, theta, r)
    in_epi = canvas.cover(epi)
    canvas.paint(in_epi, tissues.muscle)
    wall = _wall_mm(heart, theta) * (0.75 + 0.25 * shrink)
    # Towards the apex the cavity closes before the muscle does.
    endo = epi + wall + 60 * np.clip(t - 0.93, 0, 1)
    in_lv = canvas.cover(endo)
    canvas.paint(in_lv, tissues.blood)
    _paint_papillaries(canvas, center, epi_radius - wall, in_lv)
    canvas.covers[0] = in_rv * (1 - in_epi)
    canvas.covers[1] = in_epi * (1 - in_lv)
    canvas.covers[2] = in_lv


def _wall_mm(heart: Heart, theta: np.ndarray) -> np.ndarray:
    """Wall thickness around the LV: thicker septum, thinned infarct."""
    septal = np.exp(-((_turn(theta - heart.septum_rad) / 0.8) ** 2))
    thin = np.exp(-((_turn(theta - heart.thin_rad) / 0.6) ** 2))
    wall = heart.wall_mm + heart.septal_bulge_mm * septal
    return wall * (1 - heart.thin_fraction * thin)


def _rv_distance(canvas: Canvas, center, lv_radius: np.ndarray) -> np.ndarray:
    """Signed distance to the RV: an ellipse beside the LV, which covers part of it."""
    heart = canvas.subject.heart
    height = np.clip(canvas.t, 0, None) / heart.rv_end
    size = np.sqrt(np.clip(1 - height**2.2, 0, 1))
    away = 0.9 * lv_radius
    rv_center = (
        center[0] + away * np.cos(heart.septum_rad),
        center[1] + away * np.sin(heart.septum_rad),
    )
    across, along = heart.rv_size_mm
    shape = canvas.blob(rv_center, (across * size, along * size), heart.septum_rad, 7)
    return np.where(size > 0.12, shape, 99.0)


def _paint_great_vessels(canvas: Canvas, center) -> None:
    """Outflow tracts beside the heart near the base, as bright as the cavities."""
    heart, blood = canvas.subject.heart, canvas.subject.tissues.blood
    size = np.sqrt(np.clip(1 - (canvas.t / 0.28) ** 2, 0, 1))
    for turn, far, radius in ((1.15, 1.35, 14), (-1.0, 1.5, 11)):
        angle = heart.septum_rad + turn
        reach = far * heart.lv_radius_mm
        place = (
            center[0] + reach * np.cos(angle),
            center[1] + reach * np.sin(angle),
        )
        shape = canvas.blob(place, (radius * size, radius * size), 0, 5)
        visible = canvas.cover(shape) * (size > 0.2)
        canvas.paint(visible, blood * 0.95)


def _paint_trabeculae(canvas: Canvas, rv, theta, r) -> None:
    """Muscle strands along the RV's free wall; they count as cavity."""
    texture = np.sin(9 * theta + 0.25 * r) * np.sin(5 * theta - 0.4 * r)
    near_wall = canvas.cover(rv) * np.exp(-((rv + 4) ** 2) / 18)
    strands = near_wall * np.clip(texture, 0, 1) * (canvas.t > 0.15)
    canvas.paint(0.7 * strands, canvas.subject.tissues.muscle)


def _paint_papillaries(canvas: Canvas, center, cavity_radius, in_lv) -> None:
    """Two muscles inside the LV cavity at mid height; they count as cavity."""
    heart = canvas.subject.heart
    size = heart.papillary_mm * np.clip(1 - ((canvas.t - 0.5) / 0.33) ** 2, 0, 1)
    for turn in (1.9, -1.9):
        angle = heart.septum_rad + turn
        reach = np.maximum(cavity_radius.mean(axis=(1, 2), keepdims=True) - 7, 3)
        place = (center[0] + reach * np.cos(angle), center[1] + reach * np.sin(angle))
        shape = canvas.blob(place, (size, 0.8 * size), angle, 2)
        cover = canvas.cover(shape) * in_lv * (size > 0.8)
        canvas.paint(cover, canvas.subject.tissues.muscle)


def _turn(angle: np.ndarray) -> np.ndarray:
    """An angle brought to [-pi, pi]."""
    return np.angle(np.exp(1j * angle))
