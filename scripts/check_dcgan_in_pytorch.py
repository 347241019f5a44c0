#!/usr/bin/env python3
"""Renders latents with a DCGAN in PyTorch and compares the images with those that this program wrote.

    python3 scripts/make_latents.py latents.safetensors --width 100
    unlearn-studio sample MODEL --latents latents.safetensors --out images.safetensors
    python3 scripts/check_dcgan_in_pytorch.py MODEL latents.safetensors images.safetensors

MODEL is read with `weights_only=True`: a state dict in PyTorch's DCGAN layout, bare or somewhere inside dictionaries. The
layers are built from the tensors' shapes and order, named as in the file and loaded with `strict=True`. Exit code 1
if an image differs by more than one step of 1/255 (`--tolerance`, in steps).
"""

import argparse
import sys

import torch
from safetensors.torch import load_file
from torch import nn


class Generator(nn.Module):
    """Transposed convolutions, each but the last with an optional BatchNorm2d and ReLU behind it; Tanh at the end."""

    def __init__(self, state):
        super().__init__()
        self.order = []
        weights = [key for key in state if key.endswith("weight")]
        for key in weights:
            name = key.removesuffix("weight").removesuffix(".")
            tensor, bias = state[key], key.removesuffix("weight") + "bias" in state
            if tensor.ndim == 4:
                first = not self.order
                inputs, outputs, kernel, _ = tensor.shape
                stride, padding = (1, 0) if first else (2, kernel // 2 - 1)
                layer = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, bias=bias)
            else:
                layer = nn.BatchNorm2d(len(tensor))
            self.register(name, layer)
            self.order.append(layer)

    def register(self, name, layer):
        """Puts a layer at its path in the file, so that keys are the same."""
        *folders, last = name.split(".")
        place = self
        for folder in folders:
            if folder not in place._modules:
                place.add_module(folder, nn.Module())
            place = place._modules[folder]
        place.add_module(last, layer)

    def forward(self, z):
        x = z[:, :, None, None]
        for layer, following in zip(self.order, [*self.order[1:], None]):
            x = layer(x)
            if following is None:
                return x.tanh()
            if not isinstance(following, nn.BatchNorm2d):
                x = x.relu()


def state_dicts(value, path=""):
    """Every (path, dictionary of tensors) inside a value."""
    if isinstance(value, dict):
        if value and all(isinstance(tensor, torch.Tensor) for tensor in value.values()):
            yield path, value
        else:
            for key, inner in value.items():
                yield from state_dicts(inner, f"{path}.{key}" if path else str(key))


def is_generator(state):
    """Whether 4-d weights chain as [in, out, k, k] and end in 1 or 3 channels."""
    shapes = [tensor.shape for tensor in state.values() if tensor.ndim == 4]
    chained = all(a[1] == b[0] for a, b in zip(shapes, shapes[1:]))
    return len(shapes) > 1 and chained and shapes[-1][1] in (1, 3)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("latents", help="a safetensors file with z [n, width] and, with classes, c [n, classes]")
    parser.add_argument("images", help="a safetensors file with images [n, channels, height, width]")
    parser.add_argument("--tolerance", type=float, default=1.0, help="in steps of 1/255")
    arguments = parser.parse_args()

    checkpoint = torch.load(arguments.model, map_location="cpu", weights_only=True)
    found = [(path, state) for path, state in state_dicts(checkpoint) if is_generator(state)]
    if not found:
        raise SystemExit(f"{arguments.model}: no DCGAN generator in this file")
    path, state = found[0]
    generator = Generator(state)
    generator.load_state_dict(state, strict=True)
    generator.eval()

    latents = load_file(arguments.latents)
    z = torch.cat([latents[key] for key in ("z", "c") if key in latents], 1)
    width = generator.order[0].in_channels
    if z.shape[1] != width:
        raise SystemExit(f"{arguments.latents}: {z.shape[1]} values a latent, the generator takes {width}")
    expected, images = generator(z), load_file(arguments.images)["images"]
    if images.shape != expected.shape:
        raise SystemExit(f"{arguments.images}: {tuple(images.shape)} instead of {tuple(expected.shape)}")

    steps = lambda images: ((images.clamp(-1, 1) + 1) * 127.5).round()  # noqa: E731
    error = (images - expected).abs().max().item()
    rounded = (steps(images) - steps(expected)).abs()
    print(f"{path or 'bare'}: {len(state)} tensors, strict; {len(images)} images of {tuple(images.shape[1:])}")
    print(f"largest difference {error:.2e} in [-1, 1] = {error * 127.5:.4f} steps of 1/255")
    print(f"as bytes: largest difference {int(rounded.max())}, {int((rounded > 0).sum())} of {rounded.numel()} differ")
    return int(error * 127.5 > arguments.tolerance)


if __name__ == "__main__":
    sys.exit(main())
