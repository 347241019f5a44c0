"""Opens a `.pt` as PyTorch does and holds it against a second one.

    python scripts/check_pt_with_torch.py WRITTEN.pt [ORIGINAL.pt]

WRITTEN is loaded with `weights_only=True`, so it may hold nothing but tensors and plain values; its keys and shapes
are printed. ORIGINAL, a file you trust, is loaded with `weights_only=False`; every tensor must be the same bit for
bit, every state dict must list the same keys in the same order, and every plain value must be equal. Optimizer states
are also loaded into `torch.optim.Adam` over parameters of the shapes they belong to. Exit code 1 on a difference.
"""

import argparse
import copy
import sys

import torch

NETWORKS = ("g", "d", "g_ema")
OPTIMIZERS = {"g_optim": "g", "d_optim": "d"}


def leaves(value, path=""):
    """Every (path, leaf) of nested dictionaries and lists; a Namespace is its dictionary, a tuple a list."""
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
        if not value:
            yield path, {}
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
        if not value:
            yield path, []
    else:
        yield path, value


def same(a, b):
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return (
            a.shape == b.shape
            and a.dtype == b.dtype
            and a.contiguous().view(-1).view(torch.uint8).equal(b.contiguous().view(-1).view(torch.uint8))
        )
    return type(a) is type(b) and a == b


def compare(written, original):
    """Prints what differs and returns how much did."""
    problems = []
    for name in NETWORKS:
        if list(written.get(name, ())) != list(original.get(name, ())):
            problems.append(f"{name}: keys differ or stand in another order")
    ours, theirs = dict(leaves(written)), dict(leaves(original))
    for path in sorted(ours.keys() - theirs.keys()):
        if path.split(".")[0] != "metadata":
            problems.append(f"{path}: only in the written file")
    for path in sorted(theirs.keys() - ours.keys()):
        problems.append(f"{path}: only in the original")
    shared = ours.keys() & theirs.keys()
    problems += [f"{path}: differs" for path in sorted(shared) if not same(ours[path], theirs[path])]
    tensors = sum(isinstance(ours[path], torch.Tensor) for path in shared)
    print(f"compared {tensors} tensors and {len(shared) - tensors} plain values: {len(problems)} differences")
    for problem in problems[:20]:
        print(" ", problem)
    return len(problems)


def is_buffer(key):
    return key.startswith("noises.") or key.endswith(".kernel")


def load_optimizers(checkpoint):
    """Loads every optimizer state into Adam and takes one step with it."""
    for name, network in OPTIMIZERS.items():
        if name not in checkpoint or network not in checkpoint:
            continue
        tensors = [value for key, value in checkpoint[network].items() if not is_buffer(key)]
        parameters = [torch.nn.Parameter(tensor.clone()) for tensor in tensors]
        adam = torch.optim.Adam(parameters)
        # A copy: the step below would otherwise change the loaded tensors, which Adam shares.
        adam.load_state_dict(copy.deepcopy(checkpoint[name]))
        for index, parameter in enumerate(parameters):
            for moment in ("exp_avg", "exp_avg_sq"):
                state = adam.state[parameter]
                if state and state[moment].shape != parameter.shape:
                    raise SystemExit(f"{name}: the {moment} of parameter {index} has shape {state[moment].shape}")
            parameter.grad = torch.ones_like(parameter)
        adam.step()
        steps = sorted({float(state["step"]) for state in adam.state.values()})
        states = len(checkpoint[name]["state"])
        print(f"{name}: Adam took {states} states for {len(parameters)} parameters and a step, now at {steps}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("written")
    parser.add_argument("original", nargs="?")
    parser.add_argument("--quiet", action="store_true", help="do not list the keys")
    arguments = parser.parse_args()

    written = torch.load(arguments.written, map_location="cpu", weights_only=True)
    if not arguments.quiet:
        for path, leaf in leaves(written):
            print(path, tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else repr(leaf))
    load_optimizers(written)
    if arguments.original is None:
        return 0
    original = torch.load(arguments.original, map_location="cpu", weights_only=False)
    return 1 if compare(written, original) else 0


if __name__ == "__main__":
    sys.exit(main())
