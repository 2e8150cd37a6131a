from dscl_tf import palette


def test_colors_are_distinct():
    colors = [palette.structure_color(label) for label in range(1, 20)]
    assert len(set(colors)) == 19
    assert all(len(color) == 7 and color[0] == "#" for color in colors)
