"""The phantom's anatomy: a subject painted slice by slice.

Coordinates are in mm in the plane of a slice: x to the patient's left (right in the
picture), y to posterior (down), with 0 in the middle of the picture. Height along the
heart is t, 0 at the base and 1 at the apex. Shapes are star-shaped, given by a radius
R(angle): r - R(angle) is nearly the distance to the border, which yields the share of
each voxel inside (the partial volume).
"""

import copy

import numpy as np

from dscl_tf.cohort.phantom.subject import Blob, Heart, Subject

# Half the size of the region that a vessel is painted in, in radii of the vessel, which
# are at least 0.6 mm. The vessel extends up to 1.4 (half axis) * 1.2 (at its height) *
# 1.3 (outline) radii, and the transition at its border adds 1 mm.
_VESSEL_REACH = 4.0


class Canvas:
    """Slices that are painted from back to front.

    Attributes:
      values: float32 [Z, H, W] intensities.
      covers: shares of RV, myocardium and LV in each voxel: float32 [3, Z, H, W].
    """

    def __init__(self, subject: Subject, x_mm, y_mm, heights, pixel_mm: float):
        """Creates a canvas filled with air.

        Args:
          subject: the subject to paint.
          x_mm: float [W], positions of the columns.
          y_mm: float [H], positions of the rows.
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

    def around(self, center, reach_mm: float) -> tuple["Canvas", tuple[slice, ...]]:
        """The part of the canvas near a centre; painting on it paints on the whole.

        Args:
          center: x and y (mm), which may differ by slice.
          reach_mm: the part extends at least this far from the centre along x and y.

        Returns:
          The part, which shares memory with the canvas, and its slices in [Z, H, W];
          both are empty if it lies outside of the canvas.
        """
        dx, dy = self.offset(center)
        near = ((np.abs(dx) <= reach_mm) & (np.abs(dy) <= reach_mm)).any(axis=0)
        where = (slice(None), _extent(near.any(axis=1)), _extent(near.any(axis=0)))
        part = copy.copy(self)
        part._x, part._y = self._x[where], self._y[where]
        part.values = self.values[where]
        part.covers = self.covers[(slice(None), *where)]
        return part, where

    def polar(self, center) -> tuple[np.ndarray, np.ndarray]:
        """Distance (mm) and angle from a centre, which may differ by slice."""
        dx, dy = self._x - center[0], self._y - center[1]
        return np.hypot(dx, dy), np.arctan2(dy, dx)

    def offset(self, center) -> tuple[np.ndarray, np.ndarray]:
        """Distances along x and y (mm) from a centre, which may differ by slice."""
        return self._x - center[0], self._y - center[1]

    def cover(self, distance_mm: np.ndarray) -> np.ndarray:
        """The share of a voxel inside, from its signed distance to the border."""
        return np.clip(0.5 - distance_mm / self._pixel_mm, 0, 1)

    def paint(self, cover: np.ndarray, value) -> None:
        """Blends a value over the canvas, weighted by `cover`."""
        self.values += cover * (value - self.values)

    def blob(self, center, half_axes, angle: float, outline: int) -> np.ndarray:
        """Signed distance to an irregular ellipse."""
        r, theta = self.polar(center)
        return r - _ellipse(theta - angle, half_axes) * self.wobble(theta, outline)

    def wobble(self, theta: np.ndarray, outline: int) -> np.ndarray:
        """A factor near 1 that makes an outline irregular."""
        cosine, sine = self.subject.harmonics[outline % len(self.subject.harmonics)]
        return 1 + sum(
            cosine[k] * np.cos((k + 2) * theta) + sine[k] * np.sin((k + 2) * theta)
            for k in range(len(cosine))
        )


def _extent(is_in: np.ndarray) -> slice:
    """The slice from the first true element to the last; empty if there is none."""
    places = np.flatnonzero(is_in)
    return slice(places[0], places[-1] + 1) if places.size else slice(0)


def _deformation(waves: np.ndarray, x: np.ndarray, y: np.ndarray):
    phase = [2 * np.pi * (kx * x + ky * y) / 200 for kx, ky in waves[:, :2]]
    dx = sum(a * np.sin(p + s) for p, s, a in zip(phase, waves[:, 2], waves[:, 4]))
    dy = sum(a * np.sin(p + s) for p, s, a in zip(phase, waves[:, 3], waves[:, 5]))
    return dx, dy


def _ellipse(theta: np.ndarray, half_axes) -> np.ndarray:
    a, b = half_axes
    # Half axes may shrink to 0 along the heart.
    a, b = np.maximum(a, 1e-3), np.maximum(b, 1e-3)
    return a * b / np.hypot(b * np.cos(theta), a * np.sin(theta))


def paint_trunk(canvas: Canvas) -> None:
    """Skin fat, chest wall, lungs, liver, spine, vessels, distractors."""
    subject, tissues = canvas.subject, canvas.subject.tissues
    trunk = _trunk_distance(canvas)
    canvas.paint(canvas.cover(trunk), tissues.fat)
    canvas.paint(canvas.cover(trunk + subject.fat_mm), tissues.muscle * 1.1)
    # Muscle is thicker at the back and the sides; the ribs in it have bright marrow.
    x, y = canvas.offset((0, 8))
    depth = subject.fat_mm + 12 + 5 * np.clip(y / 60, -1, 1)
    rib = np.sin(0.13 * x + 1) * np.sin(0.15 * y) > 0.35
    band = canvas.cover(np.abs(trunk + subject.fat_mm + 7) - 3)
    canvas.paint(0.6 * band * rib, tissues.fat)
    lungs = canvas.cover(trunk + depth)
    canvas.paint(lungs, tissues.lung)
    _paint_vessels(canvas, lungs)
    _paint_mediastinum(canvas, trunk)
    _paint_abdomen(canvas, trunk)
    _paint_back(canvas)
    for blob in subject.blobs:
        _paint_distractor(canvas, blob)


def _trunk_distance(canvas: Canvas) -> np.ndarray:
    """Signed distance to the skin: a rounded box, flatter at the back."""
    a, b = canvas.subject.body_mm
    x, y = canvas.offset((0, 8))
    r, theta = np.hypot(x, y), np.arctan2(y, x)
    outline = (np.abs(np.cos(theta) / a) ** 2.5 + np.abs(np.sin(theta) / b) ** 2.5) ** (
        -1 / 2.5
    )
    wobble = 1 + 0.35 * (canvas.wobble(theta, 0) - 1)
    return r - outline * wobble * (1 - 0.05 * np.clip(np.sin(theta), 0, 1))


def _paint_vessels(canvas: Canvas, lungs: np.ndarray) -> None:
    blood, lung = canvas.subject.tissues.blood, canvas.subject.tissues.lung
    hx, hy = canvas.subject.heart.center_mm
    for x, y, radius, height in canvas.subject.vessels:
        # A branch runs obliquely through the slices.
        size = radius * np.clip(1.2 - 2.5 * np.abs(canvas.t - height), 0, 1)
        place = (hx - 10 + 1.25 * x + 14 * (canvas.t - height), hy + 0.8 * y)
        # On the whole canvas, vessels would take most of a subject's time.
        near, where = canvas.around(place, _VESSEL_REACH * radius)
        shape = near.blob(place, (1.4 * size, size), np.arctan2(y, x), 2)
        near.paint(0.75 * lungs[where] * near.cover(shape) * (size > 0.4), blood)
    # Lungs are a little brighter at the back, where perfusion is higher when lying.
    _, y = canvas.offset((0, 0))
    perfusion = 0.3 * lung * np.clip(y / 80, -1, 1)
    canvas.values += lungs * (canvas.values <= lung) * perfusion


def _paint_mediastinum(canvas: Canvas, trunk: np.ndarray) -> None:
    """Fat between the heart, the sternum and the spine."""
    subject = canvas.subject
    x, y = subject.heart.center_mm
    for place, half_axes in (
        ((x - 22, y - 46 + 12 * canvas.t), (24 - 12 * canvas.t, 42)),
        ((x + 8, y + 10), (44 - 16 * canvas.t, 20)),
        ((x - 16, y + 34), (22, 44)),
    ):
        behind = canvas.blob(place, half_axes, 0.2, 3)
        inside = np.maximum(behind, trunk + subject.fat_mm + 8)
        canvas.paint(canvas.cover(inside), 0.75 * subject.tissues.fat)


def _paint_abdomen(canvas: Canvas, trunk: np.ndarray) -> None:
    """Liver with a vessel, and stomach; the diaphragm rises towards the apex."""
    tissues, t = canvas.subject.tissues, canvas.t
    rise = 1.0 + 0.5 * t
    liver = canvas.blob((-62, 62 - 22 * t), (58 * rise, 36 * rise), 0.35, 1)
    canvas.paint(canvas.cover(np.maximum(liver, trunk + 14)), tissues.liver)
    vessel = canvas.blob((-70, 52), (7, 5), 0.8, 2)
    canvas.paint(canvas.cover(vessel), tissues.blood * 0.8)
    stomach = canvas.blob((66, 62 - 14 * t), (34 * rise, 26 * rise), -0.3, 3)
    inside = canvas.cover(np.maximum(stomach, trunk + 14))
    canvas.paint(inside, tissues.muscle)
    inside = canvas.cover(np.maximum(stomach + 6, trunk + 18))
    canvas.paint(inside, 0.7 * tissues.fat)


def _paint_back(canvas: Canvas) -> None:
    """Spine and descending aorta."""
    tissues, depth = canvas.subject.tissues, canvas.subject.body_mm[1]
    spine = canvas.blob((-12, depth - 24), (21, 16), 0, 4)
    canvas.paint(canvas.cover(spine), 0.5 * (tissues.fat + tissues.muscle))
    aorta = canvas.blob((18, depth - 36), (11, 11), 0, 5)
    canvas.paint(canvas.cover(aorta), tissues.blood)


def _paint_distractor(canvas: Canvas, blob: Blob) -> None:
    away = 2.2 * (canvas.t - blob.height)
    size = blob.radius_mm * np.sqrt(np.maximum(1 - away**2, 0))
    # Angle and outline need not be drawn: position and size are random already.
    angle, outline = blob.center_mm[0], int(blob.radius_mm)
    shape = canvas.blob(blob.center_mm, (size, 0.8 * size), angle, outline)
    # A ring is a muscular wall around something bright, as the LV is.
    muscle = canvas.subject.tissues.muscle
    canvas.paint(canvas.cover(shape), muscle if blob.wall_mm else blob.value)
    if blob.wall_mm:
        canvas.paint(canvas.cover(shape + blob.wall_mm), blob.value)


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
    canvas.paint(canvas.cover(rv - 3), tissues.muscle)  # The RV's thin free wall.
    in_rv = canvas.cover(rv)
    canvas.paint(in_rv, tissues.blood * heart.rv_blood)
    _paint_trabeculae(canvas, rv, theta, r)
    in_epi = canvas.cover(epi)
    canvas.paint(in_epi, tissues.muscle)
    wall = _wall_mm(heart, theta) * (0.75 + 0.25 * shrink)
    # Towards the apex, the cavity ends before the muscle does.
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
    """Muscle strands along the RV's free wall; they are labelled as cavity."""
    texture = np.sin(9 * theta + 0.25 * r) * np.sin(5 * theta - 0.4 * r)
    near_wall = canvas.cover(rv) * np.exp(-((rv + 4) ** 2) / 18)
    strands = near_wall * np.clip(texture, 0, 1) * (canvas.t > 0.15)
    canvas.paint(0.7 * strands, canvas.subject.tissues.muscle)


def _paint_papillaries(canvas: Canvas, center, cavity_radius, in_lv) -> None:
    """Two muscles inside the LV cavity at mid height; they are labelled as cavity."""
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
    """An angle wrapped to [-pi, pi]."""
    return np.angle(np.exp(1j * angle))
