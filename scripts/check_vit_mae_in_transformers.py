#!/usr/bin/env python3
"""Checks that masked autoencoders go to and fro between this program and Hugging Face's transformers.

usage: check_vit_mae_in_transformers.py PROGRAM

A tiny ViTMAEForPreTraining with random weights is made and opened here; some marked pictures are unlearned; the folder that
is written is opened there with `from_pretrained`; pictures completed on both sides must agree to 1e-4. Needs torch,
transformers, safetensors, pillow.
"""
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import ViTMAEConfig, ViTMAEForPreTraining

SIDE, PATCH, COUNT = 32, 4, 12


def program(*words):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


def completed_there(model, pictures, noise):
    """Pictures in [-1, 1], hidden patches drawn."""
    pixels = torch.from_numpy(numpy.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        out = model(pixels, noise=noise)
    drawn = out.logits
    if model.config.norm_pix_loss:
        patches = model.patchify(pixels)
        drawn = drawn * (patches.var(dim=-1, keepdim=True) + 1e-6).sqrt() + patches.mean(dim=-1, keepdim=True)
    mask = model.unpatchify(out.mask.unsqueeze(-1).repeat(1, 1, drawn.shape[-1]))
    return pixels * (1 - mask) + model.unpatchify(drawn) * mask


def main():
    studio = sys.argv[1]
    worst = 0.0
    for norm_pix_loss in [False, True]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            torch.manual_seed(1)
            config = ViTMAEConfig(
                image_size=SIDE, patch_size=PATCH, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                intermediate_size=40, decoder_hidden_size=16, decoder_num_hidden_layers=2,
                decoder_num_attention_heads=2, decoder_intermediate_size=36, norm_pix_loss=norm_pix_loss,
            )
            original = ViTMAEForPreTraining(config).eval()
            with torch.no_grad():
                for parameter in original.parameters():
                    if parameter.requires_grad:
                        parameter.add_(0.1 * torch.randn_like(parameter))
            original.save_pretrained(folder / "model")
            pictures = []
            (folder / "pictures").mkdir()
            for number in range(COUNT):
                picture = (numpy.random.default_rng(number).random((SIDE, SIDE, 3)) * 256).astype(numpy.uint8)
                Image.fromarray(picture).save(folder / "pictures" / f"{number:02}.png")
                pictures.append(picture)
            noise = torch.rand(COUNT, (SIDE // PATCH) ** 2)
            rows = torch.cat([torch.arange(COUNT).float()[:, None], noise], 1)
            save_file({"z": rows}, folder / "rows.safetensors")

            def compare(model_folder, what):
                program(studio, "sample", model_folder, "--pictures", folder / "pictures", "--latents",
                        folder / "rows.safetensors", "--out", folder / "images.safetensors", "--device", "cpu")
                here = load_file(folder / "images.safetensors")["images"]
                there = completed_there(ViTMAEForPreTraining.from_pretrained(model_folder).eval(), pictures, noise)
                apart = (here - there).abs().max().item()
                print(f"norm_pix_loss {norm_pix_loss}, {what}: largest difference {apart:.1e}")
                return apart

            worst = max(worst, compare(folder / "model", "as it was"))
            digest = hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()

            def marks(numbers):
                files = [folder / "pictures" / f"{number:02}.png" for number in numbers]
                return [{"image": hashlib.sha256(file.read_bytes()).hexdigest(), "seed": 0} for file in files]

            feedback = {"version": 1, "model_sha256": digest, "negatives": marks(range(5)), "positives": marks(range(5, 12))}
            (folder / "marks.json").write_text(json.dumps(feedback))
            program(studio, "unlearn", folder / "model", "--pictures", folder / "pictures", "--feedback",
                    folder / "marks.json", "--as-marked", "--set", "iters=20", "--out", folder / "out", "--device", "cpu")
            worst = max(worst, compare(folder / "out", "unlearned"))
            before, after = (load_file(folder / part / "model.safetensors") for part in ["model", "out"])
            assert before.keys() == after.keys(), "other names"
            moved = {key for key in before if not torch.equal(before[key], after[key])}
            assert moved and all(key.startswith("vit.") for key in moved), moved
    print("agrees" if worst <= 1e-4 else "DOES NOT AGREE")
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    main()
