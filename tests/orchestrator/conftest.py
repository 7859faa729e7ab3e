import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.support.saved_generators import PHOTOGRAPH, photograph, save, steered


@pytest.fixture
def here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a generator, and a folder of pictures."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # as the command would set it
    save(steered(saturation=0.5), workplace / "generator")
    (workplace / "in" / "below").mkdir(parents=True)
    Image.fromarray(photograph()).save("in/a.png")
    Image.fromarray(photograph()[..., 0]).save("in/below/a.png")
    shutil.copy(PHOTOGRAPH, "in/b.jpg")
    Path("in/notes.txt").write_text("no picture")
    return workplace
