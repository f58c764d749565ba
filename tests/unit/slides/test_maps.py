import numpy as np

from tsva.slides.grid import filled, per_pixel, smoothed


def test_a_plane_of_cells_is_a_plane_of_pixels_and_no_region_differs():
    rows, columns = np.mgrid[:5, :7]
    cells = 3.0 * rows - 2.0 * columns
    whole = per_pixel(cells, 0, 0, 300, 420)
    y, x = np.mgrid[32:288, 32:400]
    expected = 3 * ((y + 0.5) / 64 - 0.5) - 2 * ((x + 0.5) / 64 - 0.5)
    assert np.abs(whole[32:288, 32:400] - expected).max() < 1e-4
    for y0, x0, h, w in ((0, 0, 10, 10), (100, 37, 150, 301), (299, 419, 1, 1)):
        assert np.array_equal(per_pixel(cells, y0, x0, h, w), whole[y0 : y0 + h, x0 : x0 + w])


def test_unknown_cells_follow_their_neighbours():
    values = np.full((20, 30), np.nan)
    values[:, :10] = 2.0
    values[5, 5] = np.nan
    found = filled(values, np.isfinite(values), 9.0)
    assert np.allclose(found, 2.0)
    assert (filled(np.full((3, 3), np.nan), np.zeros((3, 3), bool), 9.0) == 9).all()


def test_smoothing_ignores_what_has_no_weight():
    values, weights = np.ones((9, 9), np.float32), np.ones((9, 9), np.float32)
    values[4, 4], weights[4, 4] = 100, 0
    assert np.allclose(smoothed(values, weights, 1.0), 1.0)
