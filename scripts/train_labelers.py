"""Trains the bundled labelers and writes them as ONNX to assets/labelers. Needs torch, numpy, onnx and pillow.

    python scripts/train_labelers.py avatars --studio target/release/unlearn-studio --work out/labelers
    python scripts/train_labelers.py digits --mnist ../shared/data/mnist
    python scripts/train_labelers.py clothes --fashion /usr/share/datasets/fashion-mnist

avatars: drawings of one seed by the program itself, held-out drawings of another.
digits: an IDX file of digits and its labels; every fifth digit is held out.
clothes: Fashion-MNIST's IDX files (Debian's dataset-fashion-mnist); its 10 000 test pictures are held out.

Each network has one output per attribute, the logits of its classes, and an output `features`. The names of the classes
stand in the file's metadata under `classes`, as JSON: {"hat": ["none", "cap", "beanie"], ...}. Weights are stored in half
precision and cast to single precision when the file is loaded; the accuracies printed are those of these weights.
"""

import argparse
import csv
import gzip
import json
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, checker, helper, numpy_helper, save
from PIL import Image
from torch import nn

FOLDER = Path(__file__).resolve().parent.parent / "assets/labelers"
FEATURES = 64
# The attributes of the drawings (src/data/avatars/attributes.rs), in its order.
AVATARS = {
    "skin": ["porcelain", "peach", "tan", "brown", "dark"],
    "hair": ["bald", "short", "long", "curly", "spiky"],
    "hair_colour": ["black", "brown", "blond", "red", "grey"],
    "hat": ["none", "cap", "beanie"],
    "glasses": ["none", "round", "square"],
    "mouth": ["smile", "neutral", "open"],
    "beard": ["no", "yes"],
    "background": ["sky", "mint", "sand", "rose", "lilac", "slate"],
}


# Fashion-MNIST's classes, in its order.
CLOTHES = ["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
# Channels and stride of the blocks for 32x32.
SMALL = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1)]


class Block(nn.Sequential):
    """A 3x3 convolution, batch normalisation, ReLU."""

    def __init__(self, inputs, outputs, stride):
        conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs), nn.ReLU())

    def folded(self):
        """Weight and bias of the convolution with the normalisation in it."""
        conv, norm = self[0], self[1]
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


class Labeler(nn.Module):
    """Images [N, C, S, S] in [0, 1] to features [N, 64] and, per head, logits [N, classes]."""

    def __init__(self, channels, side, layers, heads):
        super().__init__()
        self.shape, self.heads = [channels, side, side], heads
        blocks = []
        for width, stride in layers:
            blocks.append(Block(channels, width, stride))
            channels, side = width, side // stride
        self.blocks = nn.Sequential(*blocks)
        self.features = nn.Linear(channels * (side // 2) ** 2, FEATURES)
        self.logits = nn.ModuleList(nn.Linear(FEATURES, len(classes)) for classes in heads.values())

    def forward(self, x):
        x = F.max_pool2d(self.blocks(x), 2).flatten(1)
        features = F.relu(self.features(x))
        return features, [head(features) for head in self.logits]


def augment(x, noise, pixels, degrees, colour):
    """Images as a generator might have drawn them: moved, turned, softer or sharper, brighter or darker, noisy."""
    n, channels, side, _ = x.shape
    uniform = lambda low, high, *shape: torch.empty(n, *shape).uniform_(low, high)
    turn, scale = uniform(-degrees, degrees) * (np.pi / 180), uniform(0.96, 1.04)
    shift = uniform(-pixels, pixels, 2) * (2 / side)
    cos, sin = scale * turn.cos(), scale * turn.sin()
    matrix = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], 1).view(n, 2, 3)
    x = F.grid_sample(x, F.affine_grid(matrix, x.shape, False), padding_mode="border", align_corners=False)
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).expand(channels, 1, 3, 3)
    blurred = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)
    x = x + uniform(-0.4, 1.0, 1, 1, 1) * (blurred - x)
    x = x * uniform(1 - colour, 1 + colour, channels, 1, 1) + uniform(-colour, colour, 1, 1, 1)
    return (x + uniform(0, noise, 1, 1, 1) * torch.randn_like(x)).clamp_(0, 1)


def train(net, images, labels, steps, batch, rate, **strength):
    """Labels [N, heads]; a negative one is not known and not trained on."""
    decay = [p for p in net.parameters() if p.dim() > 1]
    rest = [p for p in net.parameters() if p.dim() == 1]
    groups = [{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.15)
    net.train()
    order, start, mean = torch.randperm(len(images)), time.time(), None
    for step in range(steps):
        at = step * batch % (len(images) - batch + 1)
        if at < batch and step:
            order = torch.randperm(len(images))
        chosen = order[at : at + batch]
        x = augment(images[chosen].float() / 255, **strength)
        _, logits = net(x.contiguous(memory_format=torch.channels_last))
        losses = [F.cross_entropy(z, labels[chosen, head], ignore_index=-1) for head, z in enumerate(logits)]
        loss = sum(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 100 == 99:
            parts = " ".join(f"{x.item():.3f}" for x in losses)
            print(f"step {step + 1} loss {mean:.4f} ({parts}) {time.time() - start:.0f} s", flush=True)
    net.eval()


def round_weights(net):
    """Folds the normalisation and rounds all weights to half precision; what is exported is what is measured."""
    with torch.no_grad():
        for block in net.blocks:
            weight, bias = block.folded()
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, block[0].stride, 1)
            conv.weight.copy_(weight)
            conv.bias.copy_(bias)
            block[0], block[1] = conv, nn.Identity()
        for parameter in net.parameters():
            parameter.copy_(parameter.half().float())


@torch.no_grad()
def answers(net, images, **strength):
    """The class of each head for each image, [N, heads]."""
    found = []
    for chunk in images.split(200):
        x = chunk.float() / 255
        _, logits = net(augment(x, **strength) if strength else x)
        found.append(torch.stack([z.argmax(1) for z in logits], 1))
    return torch.cat(found)


def accuracies(net, found, labels):
    """Per head: the part that is right, and the mean over classes of the part of each class that is right."""
    table = {}
    for head, name in enumerate(net.heads):
        known = labels[:, head] >= 0
        truth, right = labels[known, head], (found == labels)[known, head].float()
        balanced = torch.stack([right[truth == c].mean() for c in truth.unique()]).mean()
        table[name] = (right.mean().item(), balanced.item())
    return table


def export(net, path, args, data, held_out):
    nodes, weights = [], []

    def constant(name, tensor):
        weights.append(numpy_helper.from_array(tensor.detach().numpy().astype(np.float16), name + ".half"))
        nodes.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
        return name

    def parameters(layer, name):
        return [constant(f"{name}.weight", layer.weight), constant(f"{name}.bias", layer.bias)]

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])

    at = "image"
    for number, block in enumerate(net.blocks):
        name = f"block{number}"
        inputs = [at, *parameters(block[0], name)]
        nodes.append(helper.make_node("Conv", inputs, [name], pads=[1] * 4, strides=list(block[0].stride)))
        at = name + ".relu"
        nodes.append(helper.make_node("Relu", [name], [at]))
    nodes.append(helper.make_node("MaxPool", [at], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
    nodes.append(helper.make_node("Gemm", ["flat", *parameters(net.features, "dense")], ["dense"], transB=1))
    nodes.append(helper.make_node("Relu", ["dense"], ["features"]))
    for (name, _), head in zip(net.heads.items(), net.logits):
        inputs = ["features", *parameters(head, name)]
        nodes.append(helper.make_node("Gemm", inputs, [name], transB=1))
    outputs = [value(name, [len(classes)]) for name, classes in net.heads.items()]
    graph = helper.make_graph(
        nodes, path.stem, [value("image", net.shape)], [*outputs, value("features", [FEATURES])], weights
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="train_labelers.py"
    )
    metadata = {"data": data, "date": args.date, "seed": str(args.seed), "held_out": json.dumps(held_out)}
    helper.set_model_props(model, {"classes": json.dumps(net.heads), "licence": "MIT OR Apache-2.0", **metadata})
    checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(model, path)
    print(f"{path}: {path.stat().st_size} bytes")


def drawings(studio, folder, count, seed):
    """Images [count, 3, 64, 64] and the rows of attributes.csv, drawn by the program unless they are there."""
    table = folder / "attributes.csv"
    if not table.exists():
        subprocess.run([studio, "avatars", "--out", folder, "--count", str(count), "--seed", str(seed)], check=True)
    rows = list(csv.DictReader(table.open()))[:count]
    images = np.stack([np.asarray(Image.open(folder / row["file"])) for row in rows])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), rows


def numbered(rows):
    return torch.tensor([[classes.index(row[name]) for name, classes in AVATARS.items()] for row in rows])


def report(net, images, labels, strength):
    clean = accuracies(net, answers(net, images), labels)
    rough = accuracies(net, answers(net, images, **strength), labels)
    print("head           right  balanced  augmented")
    for name in net.heads:
        print(f"{name:<12}{100 * clean[name][0]:>7.2f} {100 * clean[name][1]:>9.2f} {100 * rough[name][0]:>10.2f}")
    return {name: round(right, 5) for name, (right, _) in clean.items()}


def avatars(args):
    images, rows = drawings(args.studio, args.work / "train", args.count, args.seed + 9001)
    held, held_rows = drawings(args.studio, args.work / "held", 4000, args.seed + 9002)
    net = Labeler(3, 64, [(16, 2), (32, 2), (32, 1), (64, 2), (64, 1)], AVATARS)
    strength = {"noise": 0.05, "pixels": 1.5, "degrees": 3, "colour": 0.03}
    labels, truth = numbered(rows), numbered(held_rows)
    train(net, images, labels, args.steps or 3500, 64, 4e-3, **strength)
    round_weights(net)
    right = report(net, held, truth, strength)
    # What a hat covers cannot be seen, nor the colour of hair that is not there.
    hatless = [row["hat"] == "none" for row in held_rows]
    coloured = [row["hair"] != "bald" or row["beard"] == "yes" for row in held_rows]
    for name, seen in [("hair", hatless), ("hair_colour", coloured)]:
        seen = torch.tensor(seen)
        right_seen = accuracies(net, answers(net, held[seen]), truth[seen])[name]
        print(f"{name} where it can be seen {100 * right_seen[0]:.2f} {100 * right_seen[1]:.2f}")
    data = f"{len(rows)} drawings of seed {args.seed + 9001}; held out: {len(held_rows)} of seed {args.seed + 9002}"
    export(net, args.out / "avatars.onnx", args, data, right)


def idx(folder, part):
    """Images [N, 1, 32, 32] and labels [N, 1] of a part, "train" or "t10k", of a data set in MNIST's format."""

    def values(name, header):
        with gzip.open(next(folder.glob(f"{part}-{name}*"))) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header).copy()

    images = torch.from_numpy(values("images", 16).reshape(-1, 1, 28, 28))
    images = F.pad(images, (2, 2, 2, 2))  # 32x32, as the program reads them
    return images, torch.from_numpy(values("labels", 8).astype(np.int64))[:, None]


def digits(args):
    images, labels = idx(args.mnist, "t10k")
    held = torch.arange(len(images)) % 5 == 0
    net = Labeler(1, 32, SMALL, {"digit": [str(digit) for digit in range(10)]})
    strength = {"noise": 0.1, "pixels": 2, "degrees": 12, "colour": 0.05}
    train(net, images[~held], labels[~held], args.steps or 4000, 64, 4e-3, **strength)
    round_weights(net)
    right = report(net, images[held], labels[held], strength)
    data = "MNIST, the 10000 digits of its test file; held out: every fifth"
    export(net, args.out / "digits.onnx", args, data, right)


def clothes(args):
    (images, labels), (held, truth) = idx(args.fashion, "train"), idx(args.fashion, "t10k")
    net = Labeler(1, 32, SMALL, {"clothes": CLOTHES})
    strength = {"noise": 0.05, "pixels": 1, "degrees": 3, "colour": 0.05}
    train(net, images, labels, args.steps or 5000, 64, 4e-3, **strength)
    round_weights(net)
    right = report(net, held, truth, strength)
    data = "Fashion-MNIST's 60000 training pictures; held out: its 10000 test pictures"
    export(net, args.out / "clothes.onnx", args, data, right)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labeler", choices=["avatars", "digits", "clothes"])
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--work", type=Path, default=Path("out/labelers"), help="where drawings are kept")
    parser.add_argument("--studio", default="target/release/unlearn-studio", help="the program, which draws")
    parser.add_argument("--count", type=int, default=24000, help="drawings to train on")
    parser.add_argument("--mnist", type=Path, default=Path("../shared/data/mnist"))
    parser.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--steps", type=int, help="training steps of 64 images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d"))
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    {"avatars": avatars, "digits": digits, "clothes": clothes}[args.labeler](args)


if __name__ == "__main__":
    main()
