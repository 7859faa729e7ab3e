"""A generator of any target at work: the number that is asked for, and nothing else."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import lab2rgb

from gan.control import ControlName
from gan.errors import UserError
from gan.inference import pixels
from gan.inference.colorizer import Colorizer
from gan.inference.outcomes import outcomes
from gan.inference.prepared import Prepared
from gan.inference.seen import SHIFTS
from tests.gan.test_colorizer import by_hand
from tests.support.saved_generators import colorizer, config, photograph, vivid

Array = NDArray[np.float64]
ANY: dict[str, Any] = {"saturation": {"target": "any"}}
BOTH: dict[str, Any] = {**ANY, "hue": {"target": "any"}}


def saturation(picture: NDArray[np.uint8]) -> float:
    rgb = picture.astype(np.float64)
    return float((np.ptp(rgb, axis=2) / rgb.max(axis=2).clip(1)).mean())


@pytest.mark.parametrize("target", [0.1, 0.62])
def test_the_network_is_given_the_very_number(target: float) -> None:
    # A faint head: all its colours are inside sRGB.
    generate = colorizer(controls=ANY, head_gain=0.05)
    picture = photograph() // 2 + 60
    expected = lab2rgb(by_hand(generate, picture, saturation=target)) * 255
    coloured = generate(picture, {"saturation": target}, raw=True)
    np.testing.assert_allclose(coloured, expected, atol=0.75)
    other = generate(picture, {"saturation": target + 0.3}, raw=True)
    assert np.abs(other.astype(int) - coloured).max() > 3


@pytest.mark.parametrize("target", [0.0, 0.1, 0.35, 0.5])
def test_then_exact_control_moves_the_picture_to_it(target: float) -> None:
    generate = colorizer(controls=ANY)
    coloured = generate(photograph(), {"saturation": target})
    assert saturation(coloured) == pytest.approx(target, abs=0.005)
    raw = generate(photograph(), {"saturation": target}, raw=True)
    assert abs(saturation(raw) - target) > 0.02, "it had to be moved"


@pytest.mark.parametrize(("controls", "runs"), [({}, 1), (ANY, 3)], ids=["baseline", "any"])
def test_several_targets_of_a_prepared_picture_are_what_each_alone_is(
    controls: dict[str, Any], runs: int
) -> None:
    generate, prepared = colorizer(controls=controls), Prepared(photograph())
    calls: list[Any] = []
    hook = generate.generator.register_forward_hook(lambda *call: calls.append(call))
    several = [generate(prepared, {"saturation": s}) for s in (0.2, 0.3, 0.5)]
    hook.remove()
    assert len(calls) == runs * len(SHIFTS), "once, or once a target that it is given"
    for coloured, target in zip(several, (0.2, 0.3, 0.5), strict=True):
        np.testing.assert_array_equal(coloured, generate(photograph(), {"saturation": target}))


def busy(height: int, width: int) -> NDArray[np.uint8]:
    """Noise, of which nothing is left in a smaller picture."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (height, width, 1), np.uint8).repeat(3, axis=2)


@pytest.mark.parametrize("target", [0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
def test_a_large_picture_of_fine_texture_is_met_at_full_size(target: float) -> None:
    coloured = colorizer(controls=ANY)(busy(900, 700), {"saturation": target})
    reachable = outcomes(coloured, {"saturation": target})["saturation"].reachable
    assert saturation(coloured) == pytest.approx(reachable, abs=0.003)
    assert reachable == pytest.approx(target, abs=0.03)


@pytest.mark.parametrize("target", [0.0, 0.35, 0.8])
def test_hue_is_met_at_full_size_too(target: float) -> None:
    wanted: dict[ControlName, float] = {"saturation": 0.3, "hue": target}
    found = outcomes(colorizer(controls=BOTH)(busy(600, 900), wanted), wanted)
    assert abs(found["saturation"].missed) < 0.003
    assert abs(found["hue"].missed) < 0.005


def test_what_is_transparent_counts_for_nothing() -> None:
    rgb = photograph(400, 300)
    alpha = np.where(np.arange(400)[:, None, None] < 250, 255, 0).repeat(300, 1).astype(np.uint8)
    picture = np.concatenate([rgb, alpha], axis=2)
    coloured = colorizer(controls=ANY)(picture, {"saturation": 0.6})
    assert saturation(coloured[:250, :, :3]) == pytest.approx(0.6, abs=0.003)


@pytest.mark.slow
def test_bands_of_a_moved_picture_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    generate, picture = colorizer(controls=ANY), busy(600, 500)
    whole = generate(picture, {"saturation": 0.9})
    monkeypatch.setattr(pixels, "BAND_PIXELS", 7 * 500)
    parts = generate(picture, {"saturation": 0.9})
    # Sums of many terms may be taken in another order.
    assert np.quantile(np.abs(parts.astype(int) - whole), 0.999) <= 1


def test_an_end_that_no_colouring_reaches_is_met_as_near_as_can_be() -> None:
    coloured = colorizer(controls=ANY)(photograph(), {"saturation": 1.0})
    found = outcomes(coloured, {"saturation": 1.0})["saturation"]
    assert found.achieved == pytest.approx(found.reachable, abs=0.003)


def test_several_targets_are_met_at_once() -> None:
    wanted: dict[ControlName, float] = {"saturation": 0.3, "hue": 0.6}
    coloured = colorizer(controls=BOTH)(photograph(), wanted)
    found = outcomes(coloured, wanted)
    assert found["saturation"].achieved == pytest.approx(0.3, abs=0.005)
    assert found["hue"].achieved == pytest.approx(0.6, abs=0.005)


@pytest.mark.parametrize(
    ("given", "named"),
    [({}, "hue, saturation"), ({"hue": 0.5}, "saturation"), ({"red": 0.5}, "hue, saturation")],
    ids=str,
)
def test_a_target_that_is_missing_is_one_line(given: Any, named: str) -> None:
    with pytest.raises(UserError) as caught:
        colorizer(controls=BOTH)(photograph(), given)
    assert str(caught.value) == f"this generator needs a target for {named}"


def test_a_target_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"saturation 1.2 is not in \[0, 1\]"):
        colorizer(controls=ANY)(photograph(), {"saturation": 1.2})


def test_a_fixed_trial_is_moved_to_its_own_target_or_to_another() -> None:
    generate = colorizer(controls={"saturation": {"target": 0.3}})
    assert saturation(generate(photograph())) == pytest.approx(0.3, abs=0.005)
    assert saturation(generate(photograph(), {"saturation": 0.5})) == pytest.approx(0.5, abs=0.005)
    raw = generate(photograph(), raw=True)
    assert abs(saturation(raw) - 0.3) > 0.02
    np.testing.assert_array_equal(generate(photograph(), {"saturation": 0.5}, raw=True), raw)
    assert generate.targets({"hue": 0.1}) == {"saturation": 0.3, "hue": 0.1}
    assert generate.targets({"saturation": 0.5}) == {"saturation": 0.5}


def test_a_baseline_is_moved_only_where_a_target_is_given() -> None:
    generate = colorizer()
    plain = generate(photograph())
    np.testing.assert_array_equal(plain, generate(photograph(), raw=True))
    assert saturation(generate(photograph(), {"saturation": 0.2})) == pytest.approx(0.2, abs=0.005)


def test_what_is_recoloured_to_any_target_needs_one_and_is_given_none() -> None:
    controls = {"saturation": {"target": "any", "weight": 0}}
    generate = Colorizer(vivid(config(controls=controls, recolour=True)))
    with pytest.raises(UserError, match="needs a target for saturation"):
        generate(photograph())
    assert saturation(generate(photograph(), {"saturation": 0.4})) == pytest.approx(0.4, abs=0.005)
    plain = colorizer()(photograph())
    np.testing.assert_array_equal(generate(photograph(), {"saturation": 0.4}, raw=True), plain)


def test_a_target_that_is_unknown_or_no_number_is_refused() -> None:
    picture = photograph()
    colorize = colorizer(controls={"saturation": {"target": "any"}})
    given: Any = {"Saturation": 0.5}
    with pytest.raises(UserError, match=r"Saturation: no such target; valid: .*saturation"):
        colorize(picture, given)
    for value in ("0.5", None, [0.5], True):
        given = {"saturation": value}
        with pytest.raises(TypeError, match="saturation: a target is a number, not"):
            colorize(picture, given)
    one, other = (colorize(picture, {"saturation": x}) for x in (0.5, np.float64(0.5)))
    np.testing.assert_array_equal(one, other)
