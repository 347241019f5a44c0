#!/usr/bin/env python3
"""Loads an exported `.pt` into the authors' own modules (`strict=True`) and compares what they compute with golden numbers.

    unlearn-studio export stylegan2-ada-32.pkl out.pt
    python3 scripts/check_pt_in_reference.py out.pt stylegan2-ada-32.expected.safetensors --code FOLDER

FOLDER is a checkout of rosinality/stylegan2-pytorch (`model.py` and `op/`). Its channel counts stand in a table inside
`__init__`, which is replaced by the file's. Exit code 1 above 1e-4.
"""

import argparse
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file


def reference(code, g):
    """The authors' module, its table of channels made to fit the generator `g`."""
    sys.path.insert(0, str(code))
    size = 4 << sum(bool(re.fullmatch(r"to_rgbs\.\d+\.bias", key)) for key in g)
    source = (code / "model.py").read_text()
    side, name = 4, "conv1"
    while side <= size:
        channels = g[f"{name}.conv.weight"].shape[1]
        source = re.sub(rf"(\n\s+){side}: [^,]+,", rf"\g<1>{side}: {channels},", source)
        name, side = f"convs.{2 * (side.bit_length() - 3) + 1}", side * 2
    names = {"__name__": "model"}
    exec(compile(source, "model.py", "exec"), names)
    depth = sum(bool(re.fullmatch(r"style\.\d+\.weight", key)) for key in g)
    return names["Generator"](size, g["style.1.weight"].shape[1], depth), names["Discriminator"](size)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("expected")
    parser.add_argument("--code", type=Path, required=True)
    arguments = parser.parse_args()
    checkpoint = torch.load(arguments.file, map_location="cpu", weights_only=True)
    expected = load_file(arguments.expected)
    generator, discriminator = reference(arguments.code, checkpoint["g_ema"])
    discriminator.load_state_dict(checkpoint["d"], strict=True)
    z, errors = [expected["z"]], {}

    def compare(key, found):
        errors[key] = ((found - expected[key]).norm() / expected[key].norm()).item()

    generator.load_state_dict(checkpoint["g_ema"], strict=True)
    compare("image_ema", generator(z, randomize_noise=False)[0])
    generator.load_state_dict(checkpoint["g"], strict=True)
    image = generator(z, randomize_noise=False)[0]
    compare("image", image)
    compare("d_fake", discriminator(image))
    mean = checkpoint.get("latent_avg")
    if mean is not None and "image_psi0.7" in expected:
        truncated = generator(z, truncation=0.7, truncation_latent=mean[None], randomize_noise=False)[0]
        compare("image_psi0.7", truncated)
    for key, error in errors.items():
        print(f"{key}: relative error {error:.1e}")
    return int(max(errors.values()) > 1e-4)


if __name__ == "__main__":
    sys.exit(main())
