from typing import Any

from orchestrator.inference.demo_html import coloured
from orchestrator.inference.demo_photo import Photo
from tests.support.saved_generators import PHOTOGRAPH, colorizer

ANY_HUE: dict[str, Any] = {"hue": {"target": "any", "weight": 200}}


def test_a_move_that_is_refused_is_one_line_and_the_next_is_shown() -> None:
    photo = Photo(colorizer(controls=ANY_HUE), PHOTOGRAPH)
    after, table = coloured(photo, {"red": 0.5})
    assert after == ('<p role="alert" class="refused">this generator needs a target for hue</p>')
    assert table == ""
    after, table = coloured(photo, {"hue": 0.5})
    assert 'alt="After: castle-060.jpg" src="data:image/png' in after
    assert '<th scope="row">hue</th><td>0.500</td>' in table
