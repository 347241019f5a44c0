#!/usr/bin/env python3
"""Times one adversarial iteration of a DCGAN in PyTorch on the CPU, step by step as `src/train` does it.

    python3 scripts/bench_dcgan_in_pytorch.py [--ngf 64] [--batch 16] [--size 64] [--threads 2]

To be run in the same minute as `cargo bench --bench iteration`, on a machine that does nothing else. Discriminator step
(softplus losses on real and generated images, Adam), R1 on the real images (double backward, Adam) every 16th
iteration, generator step (Adam), averaged generator. BatchNorm2d stays in eval mode (running statistics), parameters are
random, and no gradient is computed that a step does not use. Each part is repeated, the median counts; of several
rounds the fastest is printed.
"""

import argparse
import copy
import statistics
import time

import torch
from torch import nn
from torch.nn.functional import softplus

LATENT, R1, R1_EVERY, LR = 100, 10.0, 16, 0.002
EMA_DECAY = 0.5 ** (32 / 10_000)


def generator(size, width):
    """PyTorch's DCGAN tutorial: 1 -> 4 -> ... -> size, `width` channels before the last layer."""
    channels = width * size // 8
    layers = [nn.ConvTranspose2d(LATENT, channels, 4, 1, 0, bias=False)]
    while channels > width:
        layers += [nn.BatchNorm2d(channels), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=False)]
        channels //= 2
    layers += [nn.BatchNorm2d(channels), nn.ReLU(True)]
    layers += [nn.ConvTranspose2d(channels, 3, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


def discriminator(size, width):
    """Its mirror image, without the sigmoid."""
    layers = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    channels, side = width, size // 2
    while side > 4:
        layers += [nn.Conv2d(channels, channels * 2, 4, 2, 1, bias=False)]
        channels, side = channels * 2, side // 2
        layers += [nn.BatchNorm2d(channels), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, 4, 1, 0, bias=False), nn.Flatten())


class Iteration:
    def __init__(self, arguments):
        torch.manual_seed(0)
        self.batch, self.size = arguments.batch, arguments.size
        self.g = generator(arguments.size, arguments.ngf).eval()
        self.d = discriminator(arguments.size, arguments.ngf).eval()
        for module in [*self.g.modules(), *self.d.modules()]:
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
        self.g_ema = copy.deepcopy(self.g).requires_grad_(False)
        self.g_optim = torch.optim.Adam(self.g.parameters(), LR, (0.0, 0.99))
        ratio = R1_EVERY / (R1_EVERY + 1)
        self.d_optim = torch.optim.Adam(self.d.parameters(), LR * ratio, (0.0, 0.99**ratio))
        self.real = torch.randn(arguments.batch, 3, arguments.size, arguments.size).clamp(-1, 1)

    def z(self):
        return torch.randn(self.batch, LATENT, 1, 1)

    def train_only(self, network):
        self.g.requires_grad_(network is self.g)
        self.d.requires_grad_(network is self.d)

    def d_step(self):
        self.train_only(self.d)
        with torch.no_grad():
            fake = self.g(self.z())
        loss = softplus(-self.d(self.real)).mean() + softplus(self.d(fake)).mean()
        self.d_optim.zero_grad()
        loss.backward()
        self.d_optim.step()

    def r1(self):
        self.train_only(self.d)
        real = self.real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.d(real).sum(), real, create_graph=True)
        penalty = slope.square().flatten(1).sum(1).mean()
        self.d_optim.zero_grad()
        (R1 / 2 * R1_EVERY * penalty).backward()
        self.d_optim.step()

    def g_step(self):
        self.train_only(self.g)
        loss = softplus(-self.d(self.g(self.z()))).mean()
        self.g_optim.zero_grad()
        loss.backward()
        self.g_optim.step()

    @torch.no_grad()
    def ema(self):
        averaged, current = list(self.g_ema.parameters()), list(self.g.parameters())
        torch._foreach_lerp_(averaged, current, 1 - EMA_DECAY)


def median_ms(step, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ngf", type=int, default=64, help="channels at the largest size, of both networks")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    iteration = Iteration(arguments)
    parts = {"d_step": 1, "r1": 1 / R1_EVERY, "g_step": 1, "ema": 1}
    for name in parts:
        getattr(iteration, name)()
    rounds = []
    for _ in range(arguments.rounds):
        times = {name: median_ms(getattr(iteration, name), arguments.repeats) for name in parts}
        rounds.append((sum(times[name] * share for name, share in parts.items()), times))
    whole, times = min(rounds, key=lambda measured: measured[0])
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    print(f"DCGAN-{arguments.size}, ngf {arguments.ngf}, batch {arguments.batch}")
    for name, share in parts.items():
        note = "" if share == 1 else f", every {R1_EVERY}th iteration"
        print(f"  {name:<7} {times[name]:8.1f} ms{note}")
    print(f"  whole   {whole:8.1f} ms an iteration on average")


if __name__ == "__main__":
    main()
