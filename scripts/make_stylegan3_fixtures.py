#!/usr/bin/env python3
"""Makes the StyleGAN3 pickles `sg3-*.pkl` of tests/fixtures/golden and their expected numbers, with NVlabs' own classes.

Needs a checkout of NVlabs' stylegan3, torch, numpy, scipy and safetensors:

    python3 scripts/make_stylegan3_fixtures.py CHECKOUT tests/fixtures/golden

The source text that such a pickle carries is left out. Parameters are random and none is zero.
"""

import copy
import pickle
import sys
from pathlib import Path

checkout, folder = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(checkout))

import torch
from safetensors.torch import save_file
from torch_utils import persistence

from training import networks_stylegan2, networks_stylegan3

COMMON = dict(
    z_dim=5, w_dim=6, img_resolution=16, channel_base=64, num_layers=4, margin_size=3, first_cutoff=1, first_stopband=2**1.1
)
# Translation, classes, no clamp, another output scale; rotation: radial filters, a turned input, one colour, no discriminator.
CASES = {
    "sg3-t-16-conditional": dict(
        COMMON, c_dim=3, img_channels=3, channel_max=5, conv_clamp=None, output_scale=0.5, mapping_kwargs=dict(num_layers=1)
    ),
    "sg3-r-16": dict(COMMON, c_dim=0, img_channels=1, channel_max=7, conv_kernel=1, use_radial_filters=True),
}


def shake(network, generator):
    for name, tensor in list(network.named_parameters()) + list(network.named_buffers()):
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("magnitude_ema"):
            tensor.copy_(1 + 0.3 * noise.abs())
        elif name.endswith("w_avg") or ".bias" in name or name.endswith("affine.weight"):
            tensor.add_(0.3 * noise)


@torch.no_grad()
def networks(kwargs, generator):
    g = networks_stylegan3.Generator(**kwargs)
    shake(g, generator)
    if kwargs["c_dim"] == 0:
        angle = torch.tensor(0.4)
        turn = torch.tensor([[angle.cos(), angle.sin(), 0.1], [-angle.sin(), angle.cos(), -0.2], [0, 0, 1]])
        g.synthesis.input.transform.copy_(turn)
    average = copy.deepcopy(g)
    shake(average, generator)
    d = networks_stylegan2.Discriminator(
        c_dim=kwargs["c_dim"], img_resolution=16, img_channels=kwargs["img_channels"], channel_base=64, channel_max=6,
        mapping_kwargs=dict(num_layers=2),
    )
    shake(d, generator)
    return g, average, d


for name, kwargs in CASES.items():
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(11)
    g, average, d = networks(kwargs, generator)
    snapshot = dict(G=g, D=None if kwargs["c_dim"] == 0 else d, G_ema=average, training_set_kwargs=dict(resolution=16))
    for key, value in snapshot.items():
        if isinstance(value, torch.nn.Module):
            snapshot[key] = value.eval().requires_grad_(False)
    sources = {kind: kind._orig_module_src for kind in persistence._decorators}
    for kind in sources:
        kind._orig_module_src = "# module source omitted\n"
    with open(folder / f"{name}.pkl", "wb") as file:
        pickle.dump(snapshot, file)
    for kind, source in sources.items():
        kind._orig_module_src = source

    z = torch.randn([4, kwargs["z_dim"]], generator=generator)
    c = torch.eye(3)[[0, 2, 1, 2]] if kwargs["c_dim"] else torch.zeros([4, 0])
    out = dict(z=z)
    if kwargs["c_dim"]:
        out["c"] = c
    out["ws"] = g.mapping(z, c)
    maps = {}
    for layer in ["input"] + g.synthesis.layer_names:
        number = layer if layer == "input" else layer[1:].split("_")[0]
        hook = lambda _, __, output, number=number: maps.__setitem__(f"layer.{number}.out", output[:1].clone())
        getattr(g.synthesis, layer).register_forward_hook(hook)
    out["image"] = g(z, c)
    out.update(maps)
    out["image_psi0.7"] = g(z, c, truncation_psi=0.7)
    out["image_ema"] = average(z, c)
    if snapshot["D"] is not None:
        out["d_fake"] = d(out["image"], c)
    trained = copy.deepcopy(g).requires_grad_(True)
    trained(z, c).square().mean().backward()
    for key, parameter in trained.named_parameters():
        out[f"image.grad.{key}"] = parameter.grad
    save_file({key: value.detach().contiguous() for key, value in out.items()}, folder / f"{name}.expected.safetensors")
    print(name, (folder / f"{name}.pkl").stat().st_size)
