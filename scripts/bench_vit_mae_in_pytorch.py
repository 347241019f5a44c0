#!/usr/bin/env python3
"""Times a masked autoencoder of 64x64 pictures with transformers on the CPU: completing pictures, and a training step.

Beside `cargo bench --bench vit_mae`, in the same minute on the same threads. Needs torch and transformers.
"""
import sys
import time

import torch
from transformers import ViTMAEConfig, ViTMAEForPreTraining

BATCH = 64


def median(times):
    return sorted(times)[len(times) // 2]


def timed(step, runs):
    step()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1000 * median(times)


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    torch.manual_seed(0)
    config = ViTMAEConfig(
        image_size=64, patch_size=8, hidden_size=128, num_hidden_layers=6, num_attention_heads=4, intermediate_size=512,
        decoder_hidden_size=96, decoder_num_hidden_layers=3, decoder_num_attention_heads=4, decoder_intermediate_size=384,
        layer_norm_eps=1e-6,
    )
    model = ViTMAEForPreTraining(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05)
    pictures = torch.randn(BATCH, 3, 64, 64)

    def complete():
        with torch.no_grad():
            model(pictures)

    def train():
        optimizer.zero_grad()
        model(pictures).loss.backward()
        optimizer.step()

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH}")
    print(f"completing {timed(complete, runs):8.1f} ms")
    print(f"training   {timed(train, runs):8.1f} ms")


if __name__ == "__main__":
    main()
