#!/usr/bin/env python3
"""Makes the network pickles `ada-*.pkl` of tests/fixtures/golden and their expected numbers.

They have the shape that stylegan2-ada-pytorch gives its own: persistent objects (without their source text), parameters,
buffers, every storage a torch.save stream. What they should compute is computed here by plain functions over the same
tensors, written from the formulas. Needs torch and safetensors, nothing else:

    python3 scripts/make_network_pickle.py tests/fixtures/golden

With --large FILE it writes an unconditional 1024x1024 network pickle of random weights instead; with --smallest FOLDER the
smallest generator there is, three times: as usual, in protocol 2, which writes bytes as text, and with storages that are
zip archives.
"""

import collections
import io
import pickle
import sys
import types
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

# With what training gives: clamps, classes, several channels of standard deviation.
TRAINED = dict(
    SIDES=[4, 8], CHANNELS={4: 4, 8: 2}, Z=5, C=3, W=6, CLAMP=1.5, EMBED=4, CMAP=3, GROUP=2, FEATURES=2, CONVERTED=False
)
# As converted from TensorFlow: whole-batch groups, classes that are embedded only, frozen layers, no noise, protocol 3.
AS_CONVERTED = dict(
    SIDES=[4, 8, 16],
    CHANNELS={4: 4, 8: 3, 16: 2},
    Z=4,
    C=2,
    W=5,
    CLAMP=None,
    EMBED=3,
    CMAP=3,
    GROUP=None,
    FEATURES=1,
    CONVERTED=True,
)
LARGE = dict(
    SIDES=[4 << i for i in range(9)],
    CHANNELS={4 << i: min(32768 // (4 << i), 512) for i in range(9)},
    Z=512,
    C=0,
    W=512,
    CLAMP=None,
    EMBED=0,
    CMAP=1,
    GROUP=4,
    FEATURES=1,
    CONVERTED=False,
)
SMALLEST = dict(LARGE, SIDES=[4, 8], CHANNELS={4: 1, 8: 1}, Z=1, W=1)
# Layers of an unconditional mapping network.
DEPTH = 8
FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0])
FILTER = torch.outer(FILTER, FILTER) / 64


def _reconstruct_persistent_obj(meta):
    raise RuntimeError("this script only writes")


module = types.ModuleType("torch_utils.persistence")
module._reconstruct_persistent_obj = _reconstruct_persistent_obj
_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
sys.modules["torch_utils"] = types.ModuleType("torch_utils")
sys.modules["torch_utils.persistence"] = module


class Object:
    """A module: attributes, parameters, buffers, children."""

    def __init__(self, kind, parameters=(), buffers=(), modules=(), kwargs=(), **attributes):
        self.kind = kind
        self.state = dict(
            training=False,
            _parameters={k: torch.nn.Parameter(v, requires_grad=False) for k, v in dict(parameters).items()},
            _buffers=dict(buffers),
            _forward_hooks=collections.OrderedDict(),
            _modules=dict(modules),
            **attributes,
            _init_args=(),
            _init_kwargs=dict(kwargs),
        )

    def __reduce__(self):
        meta = dict(type="class", version=6, module_src="", class_name=self.kind, state=self.state)
        return _reconstruct_persistent_obj, (meta,)

    def __getattr__(self, name):
        state = self.__dict__["state"]
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in state[kind]:
                return state[kind][name]
        return state[name]


def dense(inputs, outputs, activation="linear", lr=1, bias=0.0):
    weight = torch.randn(outputs, inputs) / lr
    parameters = dict(weight=weight, bias=torch.randn(outputs) * 0.1 / lr + bias)
    return Object("FullyConnectedLayer", parameters, activation=activation, weight_gain=lr / inputs**0.5, bias_gain=lr)


def conv(inputs, outputs, size, bias=True, activation="lrelu", clamped=True, kind="Conv2dLayer"):
    weight = torch.randn(outputs, inputs, size, size)
    # As `channels_last` layers have it: strides that are not row-major.
    weight = weight.contiguous(memory_format=torch.channels_last)
    parameters = dict(weight=weight, bias=torch.randn(outputs) * 0.1 if bias else None)
    parameters = {k: v for k, v in parameters.items() if v is not None}
    return Object(kind, parameters, dict(resample_filter=FILTER), activation=activation, conv_clamp=CLAMP if clamped else None)


def synthesis_layer(inputs, outputs, side):
    layer = conv(inputs, outputs, 3, kind="SynthesisLayer")
    if not CONVERTED:
        layer.state["_buffers"]["noise_const"] = torch.randn(side, side)
        layer.state["_parameters"]["noise_strength"] = torch.nn.Parameter(torch.randn([]), requires_grad=False)
    layer.state["_modules"]["affine"] = dense(W, inputs, bias=1.0)
    return layer


def generator():
    blocks = {}
    for side in SIDES:
        outputs, inputs = CHANNELS[side], CHANNELS.get(side // 2)
        modules = dict(conv1=synthesis_layer(outputs, outputs, side))
        if inputs:
            modules["conv0"] = synthesis_layer(inputs, outputs, side)
        rgb = Object(
            "ToRGBLayer",
            dict(weight=torch.randn(3, outputs, 1, 1), bias=torch.randn(3) * 0.1),
            modules=dict(affine=dense(W, outputs, bias=1.0)),
            conv_clamp=CLAMP,
        )
        modules["torgb"] = rgb
        constant = {} if inputs else dict(const=torch.randn(outputs, side, side))
        buffers = dict(resample_filter=FILTER)
        blocks[f"b{side}"] = Object("SynthesisBlock", constant, buffers, modules, architecture="skip")
    synthesis = Object("SynthesisNetwork", modules=blocks, img_resolution=SIDES[-1])
    mapping = Object(
        "MappingNetwork",
        buffers=dict(w_avg=torch.randn(W) * 0.3),
        modules=dict(
            embed=dense(C, EMBED),
            fc0=dense(Z + EMBED, 7, "lrelu", 0.02),
            fc1=dense(7, W, "lrelu", 0.02),
        )
        if C
        else {f"fc{i}": dense(W, W, "lrelu", 0.01) for i in range(DEPTH)},
    )
    kwargs = dict(z_dim=Z, c_dim=C, w_dim=W, img_resolution=SIDES[-1], img_channels=3)
    return Object("Generator", modules=dict(synthesis=synthesis, mapping=mapping), kwargs=kwargs)


def freeze(layer):
    """What is not trained is kept as buffers."""
    layer.state["_buffers"].update({name: value.data for name, value in layer.state["_parameters"].items()})
    layer.state["_parameters"] = {}


def discriminator():
    modules = {}
    for side in reversed(SIDES[1:]):
        inputs, outputs = CHANNELS[side], CHANNELS[side // 2]
        layers = dict(
            conv0=conv(inputs, inputs, 3),
            conv1=conv(inputs, outputs, 3),
            skip=conv(inputs, outputs, 1, bias=False, activation="linear", clamped=False),
        )
        if side == SIDES[-1]:
            layers["fromrgb"] = conv(3, inputs, 1)
            if CONVERTED:
                freeze(layers["fromrgb"])
        modules[f"b{side}"] = Object("DiscriminatorBlock", modules=layers, architecture="resnet")
    last = CHANNELS[4]
    if C:
        layers = dict(embed=dense(C, CMAP))
        if not CONVERTED:
            layers["fc0"] = dense(CMAP, CMAP, "lrelu", 0.01)
        modules["mapping"] = Object("MappingNetwork", modules=layers)
    modules["b4"] = Object(
        "DiscriminatorEpilogue",
        modules=dict(
            mbstd=Object("MinibatchStdLayer", group_size=GROUP, num_channels=FEATURES),
            conv=conv(last + FEATURES, last, 3),
            fc=dense(last * 16, last, "lrelu"),
            out=dense(last, CMAP),
        ),
        architecture="resnet",
    )
    return Object("Discriminator", modules=modules, kwargs=dict(c_dim=C, img_resolution=SIDES[-1], img_channels=3))


def leaky(x, clamp=None, gain=1.0):
    x = F.leaky_relu(x, 0.2) * 2**0.5 * gain
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def apply_dense(layer, x):
    x = x @ (layer.weight * layer.weight_gain).T + layer.bias * layer.bias_gain
    return leaky(x) if layer.activation == "lrelu" else x


def normalize(x):
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def mapping(net, z, c):
    x = normalize(apply_dense(net.embed, c))
    x = x if z is None else torch.cat([normalize(z), x], dim=1)
    for name in ("fc0", "fc1"):
        if name in net._modules:
            x = apply_dense(getattr(net, name), x)
    return x


def blur(x, pad, gain=1.0, up=1, down=1):
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, h, up, w, up)
    wide[:, :, :, 0, :, 0] = x
    x = F.pad(wide.reshape(n, c, h * up, w * up), (pad[0], pad[1], pad[0], pad[1]))
    kernel = (FILTER * gain).flip([0, 1])[None, None].repeat(c, 1, 1, 1)
    return F.conv2d(x, kernel, groups=c)[:, :, ::down, ::down]


def modulated(layer, x, w, demodulate=True, up=False):
    style = apply_dense(layer.affine, w)
    weight = layer.weight
    if not demodulate:
        style = style / (weight.shape[1] * weight.shape[2] ** 2) ** 0.5
    weight = weight[None] * style[:, None, :, None, None]
    if demodulate:
        weight = weight * (weight.square().sum(dim=[2, 3, 4], keepdim=True) + 1e-8).rsqrt()
    out = []
    for sample, own in zip(x, weight):
        if up:
            # A convolution of the image with zeros between its pixels, which the transposed one computes.
            out.append(blur(F.conv_transpose2d(sample[None], own.transpose(0, 1), stride=2), (1, 1), gain=4.0))
        else:
            out.append(F.conv2d(sample[None], own, padding=own.shape[-1] // 2))
    return torch.cat(out)


def synthesis(net, ws, noise=True):
    x = image = None
    place = 0
    for side in SIDES:
        block = getattr(net, f"b{side}")
        if side == 4:
            x = block.const[None].repeat(len(ws), 1, 1, 1)
        for name in ("conv0", "conv1"):
            if name in block._modules:
                layer = getattr(block, name)
                x = modulated(layer, x, ws[:, place], up=name == "conv0")
                if noise and not CONVERTED:
                    x = x + layer.noise_const * layer.noise_strength
                x = leaky(x + layer.bias[:, None, None], CLAMP)
                place += 1
        rgb = modulated(block.torgb, x, ws[:, place], demodulate=False) + block.torgb.bias[:, None, None]
        rgb = rgb if CLAMP is None else rgb.clamp(-CLAMP, CLAMP)
        image = rgb if image is None else rgb + blur(image, (2, 1), gain=4.0, up=2)
    return image


def apply_conv(layer, x, down=False, gain=1.0, linear=False):
    weight = layer.weight / (layer.weight.shape[1] * layer.weight.shape[2] ** 2) ** 0.5
    size = weight.shape[-1]
    if down and size == 1:
        x = F.conv2d(blur(x, (1, 1), down=2), weight)
    elif down:
        x = F.conv2d(blur(x, (2, 2)), weight, stride=2)
    else:
        x = F.conv2d(x, weight, padding=size // 2)
    return x * gain if linear else leaky(x + layer.bias[:, None, None], CLAMP, gain)


def score(net, x, c):
    for side in reversed(SIDES[1:]):
        block = getattr(net, f"b{side}")
        if "fromrgb" in block._modules:
            x = apply_conv(block.fromrgb, x)
        skip = apply_conv(block.skip, x, down=True, gain=0.5**0.5, linear=True)
        x = skip + apply_conv(block.conv1, apply_conv(block.conv0, x), down=True, gain=0.5**0.5)
    n, channels, h, w = x.shape
    group = GROUP or n
    y = x.reshape(group, -1, FEATURES, channels // FEATURES, h, w)
    y = ((y - y.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt().mean(dim=[2, 3, 4])
    x = torch.cat([x, y.reshape(-1, FEATURES, 1, 1).repeat(group, 1, h, w)], dim=1)
    x = apply_dense(net.b4.fc, apply_conv(net.b4.conv, x).flatten(1))
    direction = mapping(net.mapping, None, c)
    return (apply_dense(net.b4.out, x) * direction).sum(dim=1, keepdim=True) / CMAP**0.5


def networks():
    torch.manual_seed(5)
    return dict(G=generator(), D=discriminator(), G_ema=generator(), training_set_kwargs=None, augment_pipe=None)


def write(data, path):
    with open(path, "wb") as file:
        pickle.dump(data, file, protocol=3 if CONVERTED else 4)


def fixture(folder, name, settings):
    globals().update(settings)
    data = networks()
    z, c = torch.randn(4, Z), F.one_hot(torch.arange(4) % C, C).float()
    num_ws = 2 * len(SIDES)
    w, ema = mapping(data["G"].mapping, z, c), mapping(data["G_ema"].mapping, z, c)
    repeat = lambda w: w[:, None].repeat(1, num_ws, 1)
    mean = data["G"].mapping.w_avg
    image = synthesis(data["G"].synthesis, repeat(w))
    expected = {
        "z": z,
        "c": c,
        "ws": repeat(w),
        "image": image,
        "image_psi0.7": synthesis(data["G"].synthesis, repeat(mean + 0.7 * (w - mean))),
        "image_ema": synthesis(data["G_ema"].synthesis, repeat(ema)),
        "image_none": synthesis(data["G"].synthesis, repeat(w), noise=False),
        "d_fake": score(data["D"], image, c),
    }
    write(data, Path(folder) / f"{name}.pkl")
    save_file({k: v.contiguous() for k, v in expected.items()}, Path(folder) / f"{name}.expected.safetensors")


def smallest(folder):
    globals().update(SMALLEST, DEPTH=1)
    torch.manual_seed(5)
    data = dict(G_ema=generator())
    for name, protocol in (("smallest", 4), ("smallest-protocol2", 2)):
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(data, protocol))

    def as_archive(storage):
        stream = io.BytesIO()
        torch.save(storage, stream)
        return torch.storage._load_from_bytes, (stream.getvalue(),)

    torch.storage.TypedStorage.__reduce__ = as_archive
    (folder / "smallest-zipped.pkl").write_bytes(pickle.dumps(data, 4))


if sys.argv[1] == "--smallest":
    smallest(Path(sys.argv[2]))
elif sys.argv[1] == "--large":
    globals().update(LARGE)
    write(networks(), sys.argv[2])
else:
    fixture(sys.argv[1], "ada-8-conditional", TRAINED)
    fixture(sys.argv[1], "ada-16-converted", AS_CONVERTED)
