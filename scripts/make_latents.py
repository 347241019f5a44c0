#!/usr/bin/env python3
"""Writes latents for `unlearn-studio sample MODEL --latents`: z [count, width] and, with classes, one-hot c.

    python3 scripts/make_latents.py latents.safetensors --width 100 [--classes 10] [--count 64] [--seed 0]
"""

import argparse

import torch
from safetensors.torch import save_file


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--width", type=int, required=True, help="values of z, without classes")
    parser.add_argument("--classes", type=int, default=0)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    tensors = {"z": torch.randn(arguments.count, arguments.width)}
    if arguments.classes:
        classes = torch.arange(arguments.count) % arguments.classes
        tensors["c"] = torch.nn.functional.one_hot(classes, arguments.classes).float()
    save_file(tensors, arguments.out)


if __name__ == "__main__":
    main()
