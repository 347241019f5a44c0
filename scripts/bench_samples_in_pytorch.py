#!/usr/bin/env python3
"""Times drawing samples of a 256x256 StyleGAN2 of configuration F in PyTorch on the CPU.

    python3 scripts/bench_samples_in_pytorch.py CHECKOUT [--samples 64] [--batch 1 4 16] [--threads 2]

CHECKOUT is a checkout of rosinality's stylegan2-pytorch (`model.py` and `op/`), whose generator is timed with random weights; it needs
torch. To be run in the same minute as `cargo bench --bench iteration -- config_f`, on a machine that does nothing else. Each size of
batch is timed twice, after a batch that is not; the faster time is printed.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.utils.cpp_extension


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sys.path.insert(0, str(arguments.checkout))
    # Nothing is compiled: on the CPU the authors' operators are plain PyTorch.
    torch.utils.cpp_extension.load = lambda *_, **__: None
    from model import Generator

    torch.manual_seed(0)
    generator = Generator(256, 512, 8, channel_multiplier=2).eval()
    for batch in arguments.batch:
        latents = torch.randn(arguments.samples, 512).split(batch)
        generator([latents[0]], randomize_noise=False)
        times = []
        for _ in range(2):
            begin = time.perf_counter()
            for z in latents:
                generator([z], randomize_noise=False)
            times.append(time.perf_counter() - begin)
        print(f"{arguments.samples} samples in batches of {batch}: {min(times):.2f} s")


if __name__ == "__main__":
    main()
