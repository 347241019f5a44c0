#!/usr/bin/env python3
"""Times one adversarial iteration and one image of a StyleGAN3-t in PyTorch on the CPU, step by step as `src/train` does it.

    python3 scripts/bench_stylegan3_in_pytorch.py CHECKOUT [--size 32] [--channels 32 32] [--batch 16] [--threads 2]

CHECKOUT is a checkout of NVlabs' stylegan3, whose classes and reference operators are timed; it needs torch, numpy and scipy.
To be run in the same minute as `cargo bench --bench iteration`, on a machine that does nothing else. Discriminator step
(softplus losses on real and generated images, Adam), R1 on the real images (double backward, Adam) every 16th
iteration, generator step (Adam), averaged generator. No style mixing, no path length; no gradient is computed that a step
does not use. Each part is repeated, the median counts; of several rounds the fastest is printed.
"""

import argparse
import copy
import statistics
import sys
import time

import torch
from torch.nn.functional import softplus

LATENT, R1, R1_EVERY, LR = 128, 10.0, 16, 0.002
EMA_DECAY = 0.5 ** (32 / 10_000)


class Iteration:
    def __init__(self, arguments):
        from training.networks_stylegan2 import Discriminator
        from training.networks_stylegan3 import Generator

        torch.manual_seed(0)
        self.batch, size = arguments.batch, arguments.size
        most, last = arguments.channels
        common = dict(c_dim=0, img_resolution=size, img_channels=3)
        # As `train --family stylegan3-t` lays it out.
        self.g = Generator(
            z_dim=LATENT, w_dim=LATENT, channel_max=most, channel_base=last * size, num_layers=2 * size.bit_length() - 6,
            margin_size=6 if size <= 64 else 10, mapping_kwargs=dict(num_layers=2), **common,
        ).eval()
        self.d = Discriminator(channel_max=most, channel_base=last * size, mapping_kwargs={}, **common).eval()
        self.g_ema = copy.deepcopy(self.g).requires_grad_(False)
        self.g_optim = torch.optim.Adam(self.g.parameters(), LR, (0.0, 0.99))
        ratio = R1_EVERY / (R1_EVERY + 1)
        self.d_optim = torch.optim.Adam(self.d.parameters(), LR * ratio, (0.0, 0.99**ratio))
        self.real = torch.randn(arguments.batch, 3, size, size).clamp(-1, 1)
        self.c = torch.zeros(arguments.batch, 0)

    def z(self):
        return torch.randn(self.batch, LATENT)

    def train_only(self, network):
        self.g.requires_grad_(network is self.g)
        self.d.requires_grad_(network is self.d)

    def d_step(self):
        self.train_only(self.d)
        with torch.no_grad():
            fake = self.g(self.z(), self.c)
        loss = softplus(-self.d(self.real, self.c)).mean() + softplus(self.d(fake, self.c)).mean()
        self.d_optim.zero_grad()
        loss.backward()
        self.d_optim.step()

    def r1(self):
        self.train_only(self.d)
        real = self.real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.d(real, self.c).sum(), real, create_graph=True)
        penalty = slope.square().flatten(1).sum(1).mean()
        self.d_optim.zero_grad()
        (R1 / 2 * R1_EVERY * penalty).backward()
        self.d_optim.step()

    def g_step(self):
        self.train_only(self.g)
        loss = softplus(-self.d(self.g(self.z(), self.c), self.c)).mean()
        self.g_optim.zero_grad()
        loss.backward()
        self.g_optim.step()

    @torch.no_grad()
    def sample(self):
        self.g_ema(torch.randn(1, LATENT), self.c[:1])

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
    parser.add_argument("checkout", help="a checkout of NVlabs' stylegan3")
    parser.add_argument("--channels", type=int, nargs=2, default=[32, 32], help="most channels, and those of the last layer")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    sys.path.insert(0, arguments.checkout)
    iteration = Iteration(arguments)
    parts = {"d_step": 1, "r1": 1 / R1_EVERY, "g_step": 1, "ema": 1, "sample": 0}
    for name in parts:
        getattr(iteration, name)()
    rounds = []
    for _ in range(arguments.rounds):
        times = {name: median_ms(getattr(iteration, name), arguments.repeats) for name in parts}
        rounds.append((sum(times[name] * share for name, share in parts.items()), times))
    whole, times = min(rounds, key=lambda measured: measured[0])
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    print(f"StyleGAN3-t {arguments.size}x{arguments.size}, {arguments.channels} channels, batch {arguments.batch}")
    for name, share in parts.items():
        note = {1: "", 0: ", one image"}.get(share, f", every {R1_EVERY}th iteration")
        print(f"  {name:<7} {times[name]:8.1f} ms{note}")
    print(f"  whole   {whole:8.1f} ms an iteration on average")


if __name__ == "__main__":
    main()
