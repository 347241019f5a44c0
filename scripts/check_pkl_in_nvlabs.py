#!/usr/bin/env python3
"""Opens pickles with NVlabs' own `legacy.load_network_pkl` and compares what their generators draw with given images.

Needs a checkout of NVlabs' stylegan3, or of stylegan2-ada-pytorch for its pickles, torch, numpy, scipy and safetensors:

    unlearn-studio sample MODEL.pkl --latents Z.safetensors --out IMAGES.safetensors
    python3 scripts/check_pkl_in_nvlabs.py CHECKOUT MODEL.pkl Z.safetensors IMAGES.safetensors

Exits with 1 if an image differs by more than 1e-4 relative in the 2-norm. Pickles whose source text was left out, as in the
test fixtures, get the checkout's. With --latents CHECKOUT MODEL.pkl Z.safetensors it writes latents that fit a pickle.
"""

import sys
from pathlib import Path

latents_only = sys.argv[1] == "--latents"
checkout, pickle_path, latents_path = sys.argv[1 + latents_only : 4 + latents_only]
sys.path.insert(0, checkout)

import torch
from safetensors.torch import load_file, save_file
from torch_utils import persistence

import legacy

data = Path(pickle_path).read_bytes()
IS_3 = b"SynthesisInput" in data
MODULES = {2: "networks_stylegan2" if IS_3 else "networks", 3: "networks_stylegan3"}
OF_2 = ("Discriminator", "DiscriminatorBlock", "DiscriminatorEpilogue", "MinibatchStdLayer", "Conv2dLayer")


@persistence.import_hook
def add_source(meta):
    if len(meta.module_src) < 100:
        of_d = meta.class_name in OF_2 or meta.class_name == "MappingNetwork" and meta.state.get("num_ws") is None
        augment = meta.class_name == "AugmentPipe"
        module = "augment" if augment else MODULES[2 if of_d or not IS_3 else 3]
        meta.module_src = (Path(checkout) / f"training/{module}.py").read_text("utf-8-sig")
    return meta


with open(pickle_path, "rb") as file:
    networks = legacy.load_network_pkl(file)
g = networks["G_ema"]
print(pickle_path, "opened:", type(g).__name__, g.img_resolution, "augment_pipe:", networks["augment_pipe"] is not None)
if latents_only:
    torch.manual_seed(1)
    out = dict(z=torch.randn(4, g.z_dim))
    if g.c_dim:
        out["c"] = torch.eye(g.c_dim)[torch.arange(4) % g.c_dim]
    save_file(out, latents_path)
    sys.exit(0)
latents, ours = load_file(latents_path), load_file(sys.argv[4])["images"]
with torch.no_grad():
    images = g(latents["z"], latents.get("c", torch.zeros(len(latents["z"]), 0)), noise_mode="const")
error = ((images - ours).norm() / images.norm()).item()
print(f"relative error of {len(ours)} images: {error:.2e}")
sys.exit(error > 1e-4)
