"""Formulas of the sun against published examples and against geometry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from wattscope.compute import solar
from wattscope.compute.solar import Sky, Sun
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_MINUTE, to_us

GREENWICH = (51.4779, 0.0)


def minutes_of(day: datetime) -> Int64Column:
    return to_us(day) + US_PER_MINUTE * np.arange(24 * 60, dtype=np.int64)


def column(*values: float) -> solar.Floats:
    return np.array(values)


def test_the_sun_stands_where_the_example_of_nrel_says() -> None:
    """Reda, Andreas (2008), Solar Position Algorithm, NREL/TP-560-34302, table A5.1.

    Its topocentric elevation without refraction is 39.872046, its azimuth 194.340241.
    """
    instant = to_us(datetime(2003, 10, 17, 19, 30, 30, tzinfo=UTC))
    sun = solar.find_sun(np.array([instant]), 39.742476, -105.1786)
    assert sun.elevation_deg == pytest.approx(39.872046, abs=0.01)
    assert sun.azimuth_deg == pytest.approx(194.340241, abs=0.01)


@pytest.mark.parametrize(
    ("day", "declination"),
    [
        # Instants of the solstices and equinoxes of 2024: United States Naval Observatory.
        (datetime(2024, 6, 20, tzinfo=UTC), 23.44),
        (datetime(2024, 12, 21, tzinfo=UTC), -23.44),
        (datetime(2024, 3, 20, tzinfo=UTC), 0.15),
        (datetime(2024, 9, 22, tzinfo=UTC), 0.0),
    ],
)
def test_noon_at_greenwich_is_as_high_as_geometry_says(day: datetime, declination: float) -> None:
    sun = solar.find_sun(minutes_of(day), *GREENWICH)
    noon = int(np.argmax(sun.elevation_deg))
    assert sun.elevation_deg[noon] == pytest.approx(90.0 - GREENWICH[0] + declination, abs=0.02)
    assert sun.azimuth_deg[noon] == pytest.approx(180.0, abs=0.3)


def test_a_day_of_the_equinox_lasts_twelve_hours_everywhere() -> None:
    for latitude in (-60.0, 0.0, 45.0):
        sun = solar.find_sun(minutes_of(datetime(2024, 3, 20, tzinfo=UTC)), latitude, 0.0)
        assert np.count_nonzero(sun.elevation_deg > 0) == pytest.approx(720, abs=6)


def test_the_sun_rises_in_the_east_and_sets_in_the_west() -> None:
    sun = solar.find_sun(minutes_of(datetime(2024, 9, 22, tzinfo=UTC)), 48.0, 2.0)
    up = np.flatnonzero(sun.elevation_deg > 0)
    assert sun.azimuth_deg[up[0]] == pytest.approx(90.0, abs=1.0)
    assert sun.azimuth_deg[up[-1]] == pytest.approx(270.0, abs=1.0)


def test_noon_is_north_below_the_southern_tropic() -> None:
    sun = solar.find_sun(minutes_of(datetime(2024, 6, 20, tzinfo=UTC)), -33.9, 18.4)
    noon = int(np.argmax(sun.elevation_deg))
    assert min(sun.azimuth_deg[noon], 360.0 - sun.azimuth_deg[noon]) < 1.0


def test_four_minutes_are_a_degree_of_longitude() -> None:
    instant = minutes_of(datetime(2024, 5, 1, tzinfo=UTC))
    here = solar.find_sun(instant + 4 * US_PER_MINUTE, 50.0, 10.0)
    east = solar.find_sun(instant, 50.0, 11.0)
    np.testing.assert_allclose(here.elevation_deg, east.elevation_deg, atol=0.01)


def test_polar_night_and_midnight_sun() -> None:
    winter = solar.find_sun(minutes_of(datetime(2024, 12, 21, tzinfo=UTC)), 78.2, 15.6)
    summer = solar.find_sun(minutes_of(datetime(2024, 6, 20, tzinfo=UTC)), 78.2, 15.6)
    assert winter.elevation_deg.max() < 0 < summer.elevation_deg.min()


def test_the_earth_is_nearest_to_the_sun_in_january() -> None:
    """Perihelion and aphelion: 3.4 % more and 3.3 % less than at the mean distance."""
    days = [datetime(2024, 1, 3, tzinfo=UTC) + timedelta(days=n) for n in range(366)]
    beyond = solar.extraterrestrial(np.array([to_us(day) for day in days]))
    assert int(np.argmax(beyond)) in {*range(5), *range(362, 366)}
    assert days[int(np.argmin(beyond))].month == 7
    assert beyond.max() / solar.SOLAR_CONSTANT_W_M2 == pytest.approx(1.0345, abs=0.002)
    assert beyond.min() / solar.SOLAR_CONSTANT_W_M2 == pytest.approx(0.9666, abs=0.002)


def test_a_clear_sky_gives_what_pvlib_documents() -> None:
    """Values of pvlib's own test of ``clearsky.haurwitz``."""
    found = solar.clear_sky(column(-20, -0.05, -0.001, 5, 10, 30, 50, 90))
    expected = [0, 0, 0, 48.6298687941956, 135.741748091813, 487.894132885425]
    np.testing.assert_allclose(found, [*expected, 778.766689344363, 1035.09203253450])


def test_light_is_split_as_pvlib_documents() -> None:
    """Values of pvlib's own test of ``irradiance.erbs``; its solar constant is 0.4 % larger."""
    instant = np.array(
        [to_us(datetime(2019, m, d, tzinfo=UTC)) for m, d in ((1, 1), (1, 1), (6, 20))]
    )
    sky = solar.split_sky(column(0.0, 50.0, 1000.0), column(-30.0, 5.0, 80.0), instant)
    np.testing.assert_allclose(sky.beam_w_m2, [0.0, 96.72, 842.0], rtol=0.02)
    np.testing.assert_allclose(sky.diffuse_w_m2, [0.0, 41.57, 170.8], rtol=0.02)


def test_the_parts_of_the_light_add_up() -> None:
    instant = minutes_of(datetime(2024, 5, 1, tzinfo=UTC))
    sun = solar.find_sun(instant, 48.0, 2.0)
    level = solar.clear_sky(sun.elevation_deg)
    sky = solar.split_sky(level, sun.elevation_deg, instant)
    high = sun.elevation_deg > 5.0
    total = sky.beam_w_m2 * np.sin(np.radians(sun.elevation_deg)) + sky.diffuse_w_m2
    np.testing.assert_allclose(total[high], level[high])


def test_a_level_plane_gets_the_light_of_level_ground() -> None:
    instant = minutes_of(datetime(2024, 5, 1, tzinfo=UTC))
    sun = solar.find_sun(instant, 48.0, 2.0)
    level = solar.clear_sky(sun.elevation_deg)
    sky = solar.split_sky(level, sun.elevation_deg, instant)
    plane = solar.plane_irradiance(sky, sun, instant, 0.0, 180.0)
    high = sun.elevation_deg > 5.0
    np.testing.assert_allclose(plane[high], level[high])


def test_a_plane_that_faces_the_sun_gets_all_of_the_beam() -> None:
    sun = Sun(column(40.0), column(200.0))
    assert solar.incidence_cosine(sun, 50.0, 200.0) == pytest.approx(1.0)
    assert solar.incidence_cosine(sun, 90.0, 20.0) == pytest.approx(0.0)


def test_a_plane_gets_nothing_of_the_beam_at_night() -> None:
    assert solar.incidence_cosine(Sun(column(-1.0), column(90.0)), 90.0, 90.0) == pytest.approx(0.0)


def test_east_wins_in_the_morning_and_west_in_the_evening() -> None:
    instant = minutes_of(datetime(2024, 6, 20, tzinfo=UTC))
    planes = solar.clear_sky_on_plane(instant, 48.0, 0.0, 30.0, column(90.0, 270.0)[:, None])
    assert planes.shape == (2, 1440)
    east, west = planes
    assert east[8 * 60] > 1.5 * west[8 * 60]
    assert west[16 * 60] > 1.5 * east[16 * 60]
    np.testing.assert_allclose(east.sum(), west.sum(), rtol=0.01)


def test_snow_gives_a_tilted_plane_more_from_the_ground() -> None:
    sky, sun = Sky(column(500.0), column(600.0), column(120.0)), Sun(column(30.0), column(180.0))
    instant = np.array([to_us(datetime(2024, 1, 10, 12, tzinfo=UTC))])
    grass = solar.plane_irradiance(sky, sun, instant, 60.0, 180.0)
    snow = solar.plane_irradiance(sky, sun, instant, 60.0, 180.0, albedo=0.7)
    assert snow - grass == pytest.approx(500.0 * 0.5 * (1 - np.cos(np.radians(60.0))) / 2)


def test_a_module_is_as_warm_as_pvlib_documents() -> None:
    """Values of pvlib's own tests of ``temperature.faiman`` and ``pvsystem.pvwatts_dc``."""
    assert solar.module_temperature(column(900.0), 20.0, 5.0) == pytest.approx(35.203, abs=1e-3)
    power = solar.dc_power(column(900.0), column(30.0), 100.0, -0.003)
    assert power == pytest.approx(88.65)


def test_what_is_not_known_stays_unknown() -> None:
    unknown = column(float("nan"))
    instant = np.array([to_us(datetime(2024, 6, 1, 12, tzinfo=UTC))])
    sun = solar.find_sun(instant, 48.0, 2.0)
    sky = solar.split_sky(unknown, sun.elevation_deg, instant)
    assert np.isnan(solar.plane_irradiance(sky, sun, instant, 30.0, 180.0)).all()
    assert np.isnan(solar.dc_power(unknown, column(25.0), 400.0)).all()
