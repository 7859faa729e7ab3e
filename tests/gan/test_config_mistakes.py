from typing import Any

import pytest
from pydantic import ValidationError

from gan.config import TrainConfig

ANY: dict[str, Any] = {"saturation": {"target": "any"}}
BOTH: dict[str, Any] = {**ANY, "hue": {"target": "any"}}


def saturation(**fields: Any) -> dict[str, Any]:
    return {"controls": {"saturation": fields}}


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        (saturation(target=1.5), "controls", "saturation.target 1.5 is not in [0, 1]"),
        (saturation(target="all"), "controls.saturation.target", "'any'"),
        (
            saturation(target=0.5, min=0.1),
            "controls.saturation",
            "min, max and hold_out need target: any",
        ),
        (
            saturation(target=0.5, hold_out=[[0.4, 0.6]]),
            "controls.saturation",
            "need target: any",
        ),
        (saturation(min=-0.1), "controls", "saturation.min -0.1 is not in [0, 1]"),
        (saturation(max=1.1), "controls", "saturation.max 1.1 is not in [0, 1]"),
        (
            saturation(min=0.6, max=0.4),
            "controls",
            "saturation.min 0.6 is not below saturation.max 0.4",
        ),
        (
            saturation(hold_out=[[0.4, 1.2]]),
            "controls",
            "saturation.hold_out [0.4, 1.2] is no interval of [0, 1]",
        ),
        (
            saturation(min=0.2, hold_out=[[0.1, 0.3]]),
            "controls",
            "[0.1, 0.3] is no interval of [0.2, 1]",
        ),
        (saturation(hold_out=[[0.6, 0.4]]), "controls", "[0.6, 0.4] is no interval of [0, 1]"),
        (
            saturation(hold_out=[[0.1, 0.4], [0.3, 0.5]]),
            "controls",
            "[0.3, 0.5] is no interval of [0, 1] beside the others",
        ),
        (
            saturation(hold_out=[[0.0, 1.0]]),
            "controls",
            "saturation.hold_out leaves nothing to draw",
        ),
        (
            saturation(hold_out=[[0.1, 0.2, 0.3]]),
            "controls.saturation.hold_out.0",
            "at most 2 items",
        ),
        (
            saturation(target="any", weight=-1),
            "controls.saturation.weight",
            "greater than or equal to 0",
        ),
        (saturation(mean=0.5), "controls.saturation", "Field required"),
        (
            saturation(target="any", sigma=1),
            "controls.saturation.sigma",
            "Extra inputs are not permitted",
        ),
        (
            {"batch_size": 2},
            "",
            "too small for a distribution of colours: at least 8, or distribution_weight: 0",
        ),
        ({"distribution_scales": []}, "distribution_scales", "at least 1 item"),
        (
            {"distribution_scales": [0.0, 2.0]},
            "",
            "distribution_scales are parts of the image size, in [0, 1]",
        ),
        ({"distribution_weight": -1}, "distribution_weight", "greater than or equal to 0"),
        ({"fit": "data"}, "fit", "'none', 'l1', 'discriminator' or 'both'"),
        ({"conditioning": "concat"}, "conditioning", "'both', 'film' or 'plane'"),
        ({"upsampling": "bilinear"}, "upsampling", "'transposed' or 'resize'"),
        ({"penalty_on": "nothing"}, "penalty_on", "'generator', 'discriminator' or 'both'"),
        ({"penalty_from_step": 1.0}, "penalty_from_step", "less than 1"),
        ({"penalty_weight": -2}, "penalty_weight", "greater than or equal to 0"),
        ({"own_share": 1.5}, "own_share", "less than or equal to 1"),
        ({"eval_half": "third"}, "eval_half", "'all', 'first' or 'second'"),
        (
            {"controls": BOTH, "eval_targets": [{"hue": 0.5}]},
            "",
            "eval_targets: each must name hue and saturation, and no others",
        ),
        (
            {"controls": ANY, "eval_targets": [{"saturation": 0.5, "hue": 0}]},
            "",
            "eval_targets: each must name saturation, and no others",
        ),
        (
            {"controls": ANY, "eval_targets": [{"saturation": 2}]},
            "",
            "eval_targets: saturation 2 is not in [0, 1]",
        ),
        *(
            ({"controls": ANY, "eval_targets": given}, "eval_targets", "[{saturation: 0.1}, {")
            for given in ([0.1, 0.7], 0.1, {"saturation": 0.1})
        ),
        (
            {"controls": BOTH, "eval_targets": [{"hue": 0, "saturation": 1}] * 2},
            "",
            "eval_targets: the same targets are given twice",
        ),
        ({"recolour": True, "controls": ANY}, "", "recolour needs controls, with weight 0"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_field_and_what_is_valid(
    fields: dict[str, Any], place: str, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainConfig.model_validate({"steps": 100, **fields})
    errors = caught.value.errors()
    found = [(".".join(map(str, error["loc"])), error["msg"]) for error in errors]
    assert any(at.startswith(place) and message in text for at, text in found), found
    assert not any("\n" in text for _, text in found)
