import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from equijax.periodic import minimum_image, wrap

BOX = np.array([3.0, 4.7, 15.05658])
COORDINATES = arrays(np.float64, (7, 3), elements=st.floats(-1e3, 1e3) | st.sampled_from([0.0, 3.0, -1e-9, -1e-17, 4.7, 15.05658]))


@given(COORDINATES)
def test_wrapped_coordinates_lie_in_the_half_open_box_and_are_images(positions):
    wrapped = wrap(positions, BOX)
    assert (wrapped >= 0).all()
    assert (wrapped < BOX).all()
    turns = (positions - wrapped) / BOX
    assert np.abs(turns - np.round(turns)).max() < 1e-12  # whole boxes, up to rounding of numbers near 1e3


@given(COORDINATES)
def test_the_minimum_image_is_the_shortest_of_27(vectors):
    shortest = minimum_image(vectors, BOX)
    shifts = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T * BOX
    rivals = np.linalg.norm(shortest[:, None] + shifts, axis=-1).min(1)
    assert (np.linalg.norm(shortest, axis=1) <= rivals + 1e-9).all()
