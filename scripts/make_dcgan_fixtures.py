#!/usr/bin/env python3
"""Makes the small PyTorch files of tests/fixtures/dcgan: DCGANs as people save them, and what is no DCGAN.

Needs torch (any version from 1.6 on). The same seed gives the same weights; archives hold no time.

    python3 scripts/make_dcgan_fixtures.py tests/fixtures/dcgan
"""

import collections
import pathlib
import sys

import torch
from torch import nn


def generator(inputs, widths, channels, dropout=False, bias=False):
    """The tutorial's generator: 1x1 to 4x4, then doubling; `widths` at 4x4, 8x8, ..."""
    layers, before = [], inputs
    for number, width in enumerate(widths):
        stride, padding = (1, 0) if number == 0 else (2, 1)
        layers += [nn.ConvTranspose2d(before, width, 4, stride, padding, bias=bias), nn.BatchNorm2d(width), nn.ReLU(True)]
        if dropout:
            layers.append(nn.Dropout(0.3))
        before = width
    layers += [nn.ConvTranspose2d(before, channels, 4, 2, 1, bias=bias), nn.Tanh()]
    return nn.Sequential(*layers)


def discriminator(channels, widths):
    """The tutorial's discriminator for the same size."""
    layers, before = [], channels
    for number, width in enumerate(widths):
        layers.append(nn.Conv2d(before, width, 4, 2, 1, bias=False))
        if number > 0:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.LeakyReLU(0.2))
        before = width
    layers += [nn.Conv2d(before, 1, 4, 1, 0, bias=False), nn.Sigmoid()]
    return nn.Sequential(*layers)


def randomised(module):
    """Random parameters and running statistics, none of them at its initial value."""
    for name, tensor in module.state_dict().items():
        if tensor.dtype.is_floating_point:
            tensor.copy_(torch.rand_like(tensor) + 0.5 if name.endswith("running_var") else torch.randn_like(tensor) * 0.2)
    return module.state_dict()


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)

    def save(name, value, **options):
        torch.save(value, folder / name, **options)

    small = generator(10 + 3, [6, 5], 1, dropout=True, bias=True)
    # One channel, three classes behind a z of 10, dropout in between, biases, half precision, two dictionaries deep.
    save("conditional-16.pt", {"epoch": 3, "models": {"the_generator": collections.OrderedDict(
        (key, value.half() if value.dtype.is_floating_point else value) for key, value in randomised(small).items())}})
    # Trained and averaged generator beside a discriminator and an optimizer.
    pair = [randomised(generator(8, [6, 4], 3)) for _ in range(2)]
    net = discriminator(3, [4, 6])
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(2, 3, 16, 16)).sum().backward()
    optimizer.step()
    save("averaged-16.pth", {"G": pair[0], "G_ema": pair[1], "D": randomised(net), "optimizerD": optimizer.state_dict()})
    # A tensor that is a view with strides of its own.
    strided = randomised(generator(8, [6, 4], 3))
    strided["0.weight"] = strided["0.weight"].transpose(0, 1).contiguous().transpose(0, 1)
    save("strided-16.pt", strided)
    save("strided-16.legacy.pth", strided, _use_new_zipfile_serialization=False)

    broken = randomised(generator(8, [6, 4], 3))
    broken["3.weight"] = torch.randn(7, 4, 4, 4)
    save("broken-chain.pth", broken)
    save("classifier.pth", nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 10)).state_dict())
    save("mlp-gan.pt", {"netG": nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 64), nn.Tanh()).state_dict()})
    save("only-discriminator.pth", randomised(discriminator(3, [4, 6])))


if __name__ == "__main__":
    main(*sys.argv[1:])
