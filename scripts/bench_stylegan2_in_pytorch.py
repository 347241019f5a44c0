#!/usr/bin/env python3
"""Times one stage-2 iteration of Adapt then Unlearn on a StyleGAN2 in the authors' PyTorch code, part by part.

    python3 scripts/bench_stylegan2_in_pytorch.py CHECKOUT [--channels 32,32,32,32] [--batch 16] [--threads 2] [--device cuda]

CHECKOUT is one of rosinality's stylegan2-pytorch, on which the published code of the method stands: its `model.py`, `train.py` and
`op/` are used as they are, only the table of channels at 4x4, 8x8, ... is replaced. To be run in the same minute as `cargo bench
--bench iteration`, on a machine that does nothing else. `ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2` in the environment leave
AVX-512 out. On a GPU the authors' CUDA operators are compiled where there is `nvcc`; else their own PyTorch versions of them stand in,
which the output says. Each part is repeated, the median counts; of several rounds the fastest is printed. Repulsion from adapted
generators, under a millisecond there and here, is left out.
"""

import argparse
import copy
import re
import shutil
import statistics
import sys
import time
import types
from pathlib import Path

import torch

LR, R1, R1_EVERY, PATH, PATH_EVERY, PATH_SHRINK = 0.002, 10.0, 16, 2.0, 4, 2
EMA_DECAY = 0.5 ** (32 / 10_000)


def authors_code(checkout, channels, compiled):
    """`model` and `train` of the checkout; without `compiled`, no CUDA operator is compiled or used."""
    import torch.utils.cpp_extension

    sys.path.insert(0, str(checkout))
    if not compiled:
        torch.utils.cpp_extension.load = lambda *_, **__: None
        use_plain_operators()
    table = {4 * 2**i: c for i, c in enumerate(channels)}
    source = (checkout / "model.py").read_text()
    source, replaced = re.subn(r"channels = \{.*?\}", f"channels = {table}", source, flags=re.DOTALL)
    if replaced != 2:
        sys.exit(f"{checkout}/model.py: expected two tables of channels, found {replaced}")
    model = types.ModuleType("model")
    sys.modules["model"] = model
    exec(compile(source, str(checkout / "model.py"), "exec"), model.__dict__)
    unused = {name: Anything(name) for name in ["dataset", "distributed", "non_leaking", "tqdm", "torchvision"]}
    loaded = {name: sys.modules.get(name) for name in unused}
    sys.modules.update(unused)
    import train

    for name, module in loaded.items():
        del sys.modules[name]
        if module is not None:
            sys.modules[name] = module
    return model, train


def use_plain_operators():
    """The authors' operators on any device as on the CPU."""
    import op
    from torch.nn import functional as F

    resample, activate = sys.modules["op.upfirdn2d"], sys.modules["op.fused_act"]

    def upfirdn2d(x, kernel, up=1, down=1, pad=(0, 0)):
        return resample.upfirdn2d_native(x, kernel, up, up, down, down, *pad, *pad)

    def fused_leaky_relu(x, bias=None, negative_slope=0.2, scale=2**0.5):
        x = x if bias is None else x + bias.view(1, -1, *[1] * (x.ndim - bias.ndim - 1))
        return F.leaky_relu(x, negative_slope) * scale

    op.upfirdn2d = upfirdn2d
    op.fused_leaky_relu = activate.fused_leaky_relu = fused_leaky_relu


class Anything(types.ModuleType):
    """Stands for a module of which `train.py` imports names that no step uses."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name)


class Iteration:
    def __init__(self, model, train, arguments):
        torch.manual_seed(0)
        self.train, self.batch, self.latent, self.device = train, arguments.batch, arguments.latent, arguments.device
        side = 4 * 2 ** (len(arguments.channels) - 1)
        self.g = model.Generator(side, arguments.latent, arguments.mapping).to(self.device)
        self.d = model.Discriminator(side).to(self.device)
        self.g_ema = copy.deepcopy(self.g).requires_grad_(False)
        ratios = [PATH_EVERY / (PATH_EVERY + 1), R1_EVERY / (R1_EVERY + 1)]
        self.g_optim, self.d_optim = (
            torch.optim.Adam(network.parameters(), LR * ratio, (0.0, 0.99**ratio))
            for network, ratio in zip([self.g, self.d], ratios)
        )
        self.real = torch.randn(arguments.batch, 3, side, side, device=self.device).clamp(-1, 1)
        self.mean_path_length = 0

    def noise(self, batch):
        return self.train.mixing_noise(batch, self.latent, 0.9, self.device)

    def train_only(self, network):
        for each in [self.g, self.d]:
            self.train.requires_grad(each, each is network)

    def step(self, network, optimizer, loss):
        network.zero_grad()
        loss.backward()
        optimizer.step()

    def d_step(self):
        self.train_only(self.d)
        fake, _ = self.g(self.noise(self.batch))
        loss = self.train.d_logistic_loss(self.d(self.real), self.d(fake))
        self.step(self.d, self.d_optim, loss)

    def r1(self):
        self.train_only(self.d)
        real = self.real.clone().requires_grad_()
        seen = self.d(real)
        penalty = self.train.d_r1_loss(seen, real)
        self.step(self.d, self.d_optim, R1 / 2 * penalty * R1_EVERY + 0 * seen[0, 0])

    def g_step(self):
        self.train_only(self.g)
        fake, _ = self.g(self.noise(self.batch))
        self.step(self.g, self.g_optim, self.train.g_nonsaturating_loss(self.d(fake)))

    def path_length(self):
        self.train_only(self.g)
        fake, latents = self.g(self.noise(max(1, self.batch // PATH_SHRINK)), return_latents=True)
        loss, self.mean_path_length, _ = self.train.g_path_regularize(fake, latents, self.mean_path_length)
        self.step(self.g, self.g_optim, PATH * PATH_EVERY * loss + 0 * fake[0, 0, 0, 0])

    @torch.no_grad()
    def ema(self):
        self.train.accumulate(self.g_ema, self.g, EMA_DECAY)

    @torch.no_grad()
    def sample(self):
        self.g([torch.randn(1, self.latent, device=self.device)])

    @torch.no_grad()
    def sample_64(self):
        """64 images in batches of 8, as for a grid."""
        for _ in range(8):
            self.g([torch.randn(8, self.latent, device=self.device)])


def median_ms(part, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        part()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--channels", default="32,32,32,32", help="at 4x4, 8x8, ..., of both networks")
    parser.add_argument("--latent", type=int, default=128)
    parser.add_argument("--mapping", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--parts", help="only these, for large networks: d_step,g_step,...; no whole is printed")
    arguments = parser.parse_args()
    arguments.channels = [int(c) for c in arguments.channels.split(",")]
    torch.set_num_threads(arguments.threads)

    compiled = arguments.device != "cpu" and shutil.which("nvcc") is not None
    iteration = Iteration(*authors_code(arguments.checkout, arguments.channels, compiled), arguments)
    shares = {"d_step": 1, "r1": 1 / R1_EVERY, "g_step": 1, "path_length": 1 / PATH_EVERY, "ema": 1}
    names = arguments.parts.split(",") if arguments.parts else [*shares, "sample"]
    for name in names:
        getattr(iteration, name)()
    rounds = []
    for _ in range(arguments.rounds):
        times = {name: median_ms(getattr(iteration, name), arguments.repeats) for name in names}
        rounds.append((sum(times.get(name, 0) * share for name, share in shares.items()), times))
    whole, times = min(rounds, key=lambda measured: measured[0])
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    if arguments.device != "cpu":
        operators = "compiled" if compiled else "in plain PyTorch, as there is no nvcc"
        print(f"{torch.cuda.get_device_name()}, the authors' operators {operators}; peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    print(f"StyleGAN2, channels {arguments.channels}, batch {arguments.batch}")
    for name in names:
        every = round(1 / shares[name]) if name in shares else 1
        print(f"  {name:<11} {times[name]:9.1f} ms{'' if every == 1 else f', every {every}th iteration'}")
    if not arguments.parts:
        print(f"  whole       {whole:9.1f} ms an iteration on average")


if __name__ == "__main__":
    main()
