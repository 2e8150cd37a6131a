import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config
from dscl_tf.cohort import geometry, orientation
from tests.cohort import making

# The usual normal of short-axis stacks: about as near to left as to anterior and
# inferior, so that the nearest letter changes from patient to patient.
SHORT_AXIS = np.array([0.62, -0.58, -0.53])
STACK_MM, EVEN_MM = (1.5, 1.5, 8.0), (1.0, 1.0, 1.2)


def frame_about(normal):
    """A right-handed frame whose third axis is `normal`: [3, 3], axes as columns."""
    normal = normal / np.linalg.norm(normal)
    first = np.cross(normal, [0, 0, 1.0])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first), normal], axis=1)


def scattered(count, degrees=10.0, seed=0):
    """Frames whose axes lie about 10 degrees around those of a short-axis stack."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        angles = np.radians(rng.normal(0, degrees, 3))
        turn = np.reshape(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix(), (3, 3))
        found.append(turn @ frame_about(SHORT_AXIS))
    return found


def any_order(frame, rng):
    """The same frame as another scanner stores it: axes in any order and sign."""
    order = rng.permutation(3)
    signs = rng.choice([-1, 1], 3)
    return (frame * signs)[:, order], np.array(STACK_MM)[order]


def test_oblique_stacks_begin_at_the_same_end():
    rng = np.random.default_rng(1)
    frames = scattered(300)
    stored = [any_order(frame, rng) for frame in frames]
    wanted = orientation.choose(
        [direction.ravel() for direction, _ in stored], [s for _, s in stored]
    )
    assert wanted.is_stack
    ends, rows = [], []
    for frame, (direction, spacing_mm) in zip(frames, stored):
        order, flips = orientation.axes_of(direction.ravel(), spacing_mm, wanted)
        assert spacing_mm[order[2]] == 8.0
        axes = direction[:, order] * np.where(flips, -1, 1)
        ends.append(np.sign(axes[:, 2] @ frame[:, 2]))
        # Columns and rows, too, lie along the same anatomy.
        rows.append(tuple(np.round(frame.T @ axes).astype(int).ravel()))
    assert len(set(ends)) == 1
    assert len(set(rows)) == 1


def test_each_volume_by_itself_does_not():
    # What the test above can see: the rule of earlier versions turns half around.
    codes = [
        orientation.code_of_one(frame.ravel(), STACK_MM) for frame in scattered(300)
    ]
    assert len(set(codes)) > 1


def test_a_cohort_of_one_orientation_is_turned_as_each_by_itself():
    for code in ("LPS", "RAI", "PIR", "ASL"):
        image = sitk.DICOMOrient(making.image_of(making.labels(), STACK_MM), code)
        place = image.GetDirection(), image.GetSpacing()
        wanted = orientation.choose([place[0]] * 3, [place[1]] * 3)
        together, alone = geometry.orient(image, wanted), geometry.orient(image)
        assert together.GetDirection() == alone.GetDirection()
        arrays = map(sitk.GetArrayFromImage, (together, alone))
        np.testing.assert_array_equal(*arrays)


def test_the_choice_does_not_depend_on_the_order_of_like_volumes():
    frames = scattered(50)
    spacings = [STACK_MM] * 50
    found = [
        orientation.choose([f.ravel() for f in each], spacings)
        for each in (frames, frames[::-1])
    ]
    np.testing.assert_allclose(found[0].axes, found[1].axes, atol=1e-6)


def test_stray_volumes_do_not_move_the_reference():
    frames = [frame.ravel() for frame in scattered(40)]
    long_axis = [frame_about(np.array([0.62, 0.58, 0.53])).ravel()] * 10
    usual = orientation.choose(frames, [STACK_MM] * 40)
    found = orientation.choose(long_axis + frames, [STACK_MM] * 50)
    axes = [np.reshape(each.axes, (3, 3)) for each in (usual, found)]
    assert np.degrees(np.arccos(abs(axes[0][:, 2] @ axes[1][:, 2]))) < 20
    assert orientation.tilt_deg(long_axis[0], STACK_MM, found) > 45
    tilts = [orientation.tilt_deg(frame, STACK_MM, found) for frame in frames]
    assert max(tilts) < 45


@pytest.mark.parametrize(
    ("num_stacks", "num_even", "is_stack"), [(3, 2, True), (2, 2, True), (1, 2, False)]
)
def test_stack_or_axial_is_chosen_once(num_stacks, num_even, is_stack):
    # Coronal stacks: (left, superior, posterior).
    coronal = np.eye(3)[:, [0, 2, 1]].ravel()
    spacings = [STACK_MM] * num_stacks + [EVEN_MM] * num_even
    wanted = orientation.choose([coronal] * len(spacings), spacings)
    assert wanted.is_stack == is_stack
    # All are cut alike: across posterior, or across superior.
    across = {orientation.axes_of(coronal, s, wanted)[0][2] for s in spacings}
    assert across == {2 if is_stack else 1}


def test_ratio_of_a_stack():
    assert orientation.is_stack((1, 8, 1)) and orientation.is_stack((1.4, 1, 2.2))
    assert not orientation.is_stack((1, 1.5, 1)) and not orientation.is_stack((8, 8, 1))


def test_an_axis_of_one_voxel_is_the_slice_axis():
    spacing = orientation.slice_spacing((2, 2, 2), (64, 1, 64))
    assert spacing == (2, np.inf, 2) and orientation.is_slice(spacing)
    for size in ((64, 64, 64), (64, 1, 1), (1, 1, 1)):
        assert orientation.slice_spacing((2, 2, 2), size) == (2, 2, 2)
    wanted = orientation.choose([np.eye(3).ravel()] * 2, [spacing] * 2)
    assert wanted.is_stack and wanted.axes[1::3] == (0, 0, 1)


def test_settings_refuse_an_incomplete_frame():
    with pytest.raises(Exception, match="9 direction cosines"):
        config.OrientationConfig((1.0, 0.0, 0.0), is_stack=True)


def test_rounding_in_headers_makes_no_stack():
    rounded = np.float32([0.8, 0.8, 1.2]).astype(float)
    assert rounded[2] > 1.5 * rounded[0]
    assert not orientation.is_stack(rounded) and orientation.is_stack((0.8, 0.8, 1.21))
