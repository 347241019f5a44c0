#!/usr/bin/env python3
"""MS-SSIM of the images that `src/train/ms_ssim.rs` tests itself with, by pytorch-msssim 1.0.0.

    pip install torch pytorch-msssim==1.0.0
    python3 scripts/ms_ssim_reference.py
"""

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_msssim.ssim import _fspecial_gauss_1d, _ssim, ms_ssim

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
WINDOW = 11


def pair(side, channels):
    c, y, x = np.meshgrid(np.arange(channels), np.arange(side), np.arange(side), indexing="ij")
    images = []
    for moved in (0.0, 0.4):
        image = 0.6 * np.sin(0.21 * x + 0.5 * c + moved) * np.cos(0.13 * y - moved) + 0.2 * np.sin(0.9 * x - 0.7 * y)
        if moved > 0:
            image = image + 0.1 * (((x * 7 + y * 13 + c * 5) % 11) / 5.0 - 1.0)
        images.append(torch.tensor(image.astype(np.float32).astype(np.float64))[None])
    return images


def fewer_scales(x, y):
    """`ms_ssim` with as many scales as the window fits into, their weights brought to the sum 1."""
    used = sum((x.shape[-1] >> scale) >= WINDOW for scale in range(len(WEIGHTS)))
    weights = np.array(WEIGHTS[:used])
    if used < len(WEIGHTS):
        weights = weights / weights.sum()
    window = _fspecial_gauss_1d(WINDOW, 1.5).repeat([x.shape[1], 1, 1, 1]).double()
    product = 1.0
    for scale, weight in enumerate(weights):
        ssim, contrast = _ssim(x, y, data_range=2.0, win=window)
        part = ssim if scale + 1 == used else contrast
        product = product * torch.relu(part) ** weight
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return used, float(product.mean())


for side, channels in ((32, 1), (64, 3), (192, 3)):
    x, y = pair(side, channels)
    used, value = fewer_scales(x, y)
    if used == len(WEIGHTS):
        whole = float(ms_ssim(x, y, data_range=2.0, size_average=True))
        assert abs(whole - value) < 1e-7, (whole, value)
        value = whole
    print(f"({side}, {channels}, {used}, {value:.9f}),")
