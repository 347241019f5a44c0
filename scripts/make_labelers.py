"""Writes the tiny ONNX labelers in tests/fixtures/labelers. Needs the packages onnx and numpy.

Each has weights one can compute by hand, so that the tests know every score:
- grey8.onnx    [N,1,8,8]   scores = 2 sums of halves and their difference; features = mean of each row (8)
- colour16.onnx [N,3,16,16] probabilities over 3 classes = the softmax of the channel means; no features; batch fixed to 2
- two8.onnx     [N,1,8,8]   two heads with named classes: half (the scores of grey8) and light (dark: 32, bright: the sum
                            of all); between them `map`, which is no head; features as in grey8
- wide.onnx     [N,1,8,8]   scores = those of grey8; features = all pixels 65 times (4160, more than are taken)
- flat.onnx     [N,64]      no image labeler
- channels4.onnx [N,4,8,8]  no image labeler
- loose.onnx    [N,1,H,W]   no size
- padded.onnx   [N,1,8,8]   a convolution that pads by 65536: 137 GB
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

FOLDER = Path(__file__).resolve().parent.parent / "tests/fixtures/labelers"


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def write(name, nodes, inputs, outputs, constants=(), metadata=None):
    constants = [numpy_helper.from_array(array, key) for key, array in constants]
    graph = helper.make_graph(nodes, "labeler", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    checker.check_model(model)
    save(model, FOLDER / name)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    halves = np.zeros((64, 3), np.float32)
    halves[:32, 0] = 1  # class 0: sum of the upper half
    halves[32:, 1] = 1  # class 1: sum of the lower half
    halves[:, 2] = 0.5  # class 2: half of all, wins between them only by the bias
    rows = np.kron(np.eye(8), np.full((8, 1), 1 / 8)).astype(np.float32)
    write(
        "grey8.onnx",
        [
            helper.make_node("Flatten", ["image"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "halves", "bias"], ["scores"]),
            helper.make_node("MatMul", ["flat", "rows"], ["features"]),
        ],
        [value("image", ["N", 1, 8, 8])],
        # The scores are the first output that is not the features.
        [value("features", ["N", 8]), value("scores", ["N", 3])],
        [("halves", halves), ("rows", rows), ("bias", np.array([0, 0, 1], np.float32))],
    )
    write(
        "wide.onnx",
        [
            helper.make_node("Flatten", ["image"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "halves", "bias"], ["scores"]),
            helper.make_node("Concat", ["flat"] * 65, ["features"], axis=1),
        ],
        [value("image", ["N", 1, 8, 8])],
        [value("features", ["N", 4160]), value("scores", ["N", 3])],
        [("halves", halves), ("bias", np.array([0, 0, 1], np.float32))],
    )
    light = np.stack([np.zeros(64), np.ones(64)], 1).astype(np.float32)
    write(
        "two8.onnx",
        [
            helper.make_node("Flatten", ["image"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "halves", "half_bias"], ["half"]),
            helper.make_node("Gemm", ["flat", "light_sums", "light_bias"], ["light"]),
            helper.make_node("MatMul", ["flat", "rows"], ["features"]),
            helper.make_node("Relu", ["image"], ["map"]),
        ],
        [value("image", ["N", 1, 8, 8])],
        [value("half", ["N", 3]), value("map", ["N", 1, 8, 8]), value("features", ["N", 8]), value("light", ["N", 2])],
        [
            ("halves", halves),
            ("rows", rows),
            ("light_sums", light),
            ("half_bias", np.array([0, 0, 1], np.float32)),
            ("light_bias", np.array([32, 0], np.float32)),
        ],
        {"classes": json.dumps({"half": ["upper", "lower", "both"], "light": ["dark", "bright"]})},
    )
    write(
        "padded.onnx",
        [
            helper.make_node("Conv", ["image", "one"], ["wide"], pads=[65536] * 4),
            helper.make_node("GlobalMaxPool", ["wide"], ["most"]),
            helper.make_node("Flatten", ["most"], ["scores"], axis=1),
        ],
        [value("image", ["N", 1, 8, 8])],
        [value("scores", ["N", 2])],
        [("one", np.ones((2, 1, 1, 1), np.float32))],
    )
    write(
        "colour16.onnx",
        [
            helper.make_node("GlobalAveragePool", ["image"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"], axis=1),
            helper.make_node("Softmax", ["flat"], ["probabilities"], axis=1),
        ],
        [value("image", [2, 3, 16, 16])],
        [value("probabilities", [2, 3])],
    )
    for name, shape in [("flat.onnx", ["N", 64]), ("channels4.onnx", ["N", 4, 8, 8]), ("loose.onnx", ["N", 1, "H", "W"])]:
        write(
            name,
            [helper.make_node("Flatten", ["image"], ["scores"], axis=1)],
            [value("image", shape)],
            [value("scores", ["N", "C"])],
        )


if __name__ == "__main__":
    sys.exit(main())
