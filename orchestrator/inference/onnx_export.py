"""Export of a generator: its weights, its config and its network as ONNX."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from gan import checkpoint
from gan.checkpoint import write_file
from gan.colour.conversion import AB_SCALE, L_SCALE
from gan.config import TrainConfig
from gan.errors import UserError
from gan.inference.seen import SCALE
from gan.model.networks import UNetGenerator
from gan.model.stored_generator import halved, load_generator

ONNX = "generator.onnx"
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
"""The extra ``export``."""
TOLERANCE = 1e-4
"""Largest difference of ab in [-1, 1]: a thousandth of a shade. Measured: 3e-7."""


def export_generator(
    path: Path, out: Path, *, half: bool = False, overwrite: bool = False
) -> tuple[UNetGenerator, float]:
    """Write a generator's weights, config and ONNX file.

    Args:
        path: of the generator, as ``load_generator`` takes it.
        out: directory to write into.
        half: whether to round the weights to 16 bits, in the ONNX file too.
        overwrite: whether existing files may be replaced.

    Returns:
        The generator, and the largest difference between PyTorch's and ONNX Runtime's ab in
        [-1, 1].

    Raises:
        UserError: a package is missing, there is no generator, it cannot be written, a file
            exists already, or ONNX Runtime disagrees with PyTorch; then nothing is written.
    """
    if lacking := [name for name in PACKAGES if find_spec(name) is None]:
        raise UserError(
            f"export: {', '.join(lacking)} not installed; pip install {' '.join(PACKAGES)}"
        )
    names = (checkpoint.GENERATOR, checkpoint.CONFIG, ONNX)
    there = [name for name in names if (out / name).exists()]
    if there and not overwrite:
        raise UserError(f"--out: {out} has {', '.join(there)} already; --overwrite replaces them")
    generator = load_generator(path)
    generator.config = _without_place(generator.config)
    weights = generator.state_dict()
    if half:
        weights = halved(weights)
        generator.load_state_dict(weights)  # keeps its own type
    onnx = to_onnx(generator)
    difference = largest_difference(generator, onnx)
    if not difference <= TOLERANCE:
        raise UserError(
            f"{path}: as ONNX its ab differs by {difference:.1g}, more than {TOLERANCE:g}; "
            "nothing is written"
        )
    files = {
        checkpoint.GENERATOR: checkpoint.pack(weights),
        checkpoint.CONFIG: generator.config.model_dump_json().encode(),
        ONNX: onnx,
    }
    for name, content in files.items():
        try:
            write_file(out / name, content)
        except OSError as error:
            raise UserError(f"{out / name}: cannot be written ({error.strerror})") from None
    return generator, difference


def _without_place(config: TrainConfig) -> TrainConfig:
    """Keep of the dataset's path only the last part: the rest is private."""
    if config.dataset_path is None:
        return config
    return config.model_copy(update={"dataset_path": Path(config.dataset_path).name or "pictures"})


class _Positional(nn.Module):
    """Generator whose targets are separate inputs, as in ONNX."""

    def __init__(self, generator: UNetGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, l: Tensor, *targets: Tensor) -> Tensor:  # noqa: E741
        ab: Tensor = self.generator(l, dict(zip(self.generator.conditions, targets, strict=True)))
        return ab


def to_onnx(generator: UNetGenerator) -> bytes:
    """Translate a generator to ONNX; batch, height and width stay free.

    Args:
        generator: on the CPU, in inference mode.
    """
    stride, size = generator.stride, generator.config.image_size
    free = {0: Dim("batch"), 2: stride * Dim("rows"), 3: stride * Dim("columns")}
    given = tuple(torch.full((2,), 0.5) for _ in generator.conditions)
    program = torch.onnx.export(
        _Positional(generator).eval(),
        (torch.zeros(2, 1, 3 * stride, 2 * stride), *given),
        input_names=["l", *generator.conditions],
        output_names=["ab"],
        # torch.export sees *targets as one argument; without targets, as none.
        dynamic_shapes=(free, *([tuple({0: Dim.AUTO} for _ in given)] if given else [])),
        external_data=False,
        verbose=False,
        dynamo=True,
    )
    assert program is not None, "with dynamo it is returned"
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # paths of this machine
    described = {
        "config": generator.config.model_dump_json(),
        "l": f"L* / {L_SCALE:g} - 1, (batch, 1, height, width); sides multiples of {stride}, "
        f"the shorter one best {size} to {SCALE * size}, a picture's own within that",
        "ab": f"a* / {AB_SCALE:g}, b* / {AB_SCALE:g}, (batch, 2, height, width); CIELAB, D65",
    }
    described |= {
        name: f"wanted {name} of each picture, (batch,), in [{low:g}, {high:g}]"
        for name in generator.conditions
        for low, high in [generator.config.controls[name].bounds(name)]
    }
    for key, value in described.items():
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString()
    return content


def largest_difference(generator: UNetGenerator, onnx: bytes) -> float:
    """Compare ONNX Runtime's ab with PyTorch's for noise of two sizes, one of them not square."""
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(0)
    size, stride = generator.config.image_size, generator.stride
    differences = []
    for shape in ((1, 1, size, size), (2, 1, size + stride, 2 * size)):
        l = torch.rand(shape, generator=random) * 2 - 1  # noqa: E741
        targets = {n: torch.rand(len(l), generator=random) for n in generator.conditions}
        with torch.inference_mode():
            expected: Tensor = generator(l, targets)
        given = {str(name): values.numpy() for name, values in targets.items()}
        (ab,) = session.run(["ab"], {"l": l.numpy(), **given})
        differences.append((torch.from_numpy(ab) - expected).abs().max().item())
    return max(differences)
