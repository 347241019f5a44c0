# make run and make test install what is missing (scripts/setup.sh), build, and do what they say.

# Rust installed by scripts/setup.sh is found without a new login.
export PATH := $(if $(CARGO_HOME),$(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

SHARED ?= ../shared
STUDIO := cargo run --quiet --release --

DEMO_MODEL := assets/models/avatars-64.safetensors
DEMO_MAE := assets/models/avatars-mae-64.safetensors
DEMO_LABELER := assets/labelers/avatars.onnx
DEMO_SETTINGS := --forget 'hat!=none' --labelled 3000 --samples 2000 --device cpu

.PHONY: help run demo demo-inpaint test bench bench-window check-models check-gpu deb appimage setup setup-window build build-package clean-out

help:
	@echo "make run           build, and open the window (make run MODEL=file.pt opens that model); without a screen, make demo"
	@echo "make demo          the demonstration: drawn faces forget hats, headless"
	@echo "make demo-inpaint  drawn faces are completed, and hats forgotten, headless"
	@echo "make test          build, and run all tests"
	@echo "make bench         time the training iteration and its parts"
	@echo "make bench-window  time the window's frames: resting, scrolling, training"
	@echo "make check-models  check against the larger models in $(SHARED), where they are"
	@echo "make check-gpu     compare all that is computed on a GPU with the CPU, also where the GPU is one in software (minutes)"
	@echo "make deb           a package for Debian and Ubuntu, in target/package"
	@echo "make appimage      a program in one file for any Linux, in target/package"
	@echo "make clean-out     remove what the demonstration wrote"

# What a masked autoencoder makes of pictures of which it sees little, before and after it forgets hats.
demo-inpaint: build
	@mkdir -p out
	$(STUDIO) unlearn $(DEMO_MAE) --pictures avatars --labeler $(DEMO_LABELER) $(DEMO_SETTINGS) \
	  --out out/mae-no-hats.safetensors --report out/mae-no-hats.json --grid out/mae-no-hats.png
	@echo
	@echo "out/mae-no-hats.png shows the pictures as completed before (left) and after (right); red frames: hats."

setup:
	@scripts/setup.sh

build: setup
	cargo build --release

setup-window:
	@scripts/setup.sh window

run: setup-window build
	@if [ -z "$$DISPLAY$$WAYLAND_DISPLAY" ] && [ "$$(uname -s)" = Linux ]; then \
	  echo; echo "There is no screen here, so the headless demonstration runs instead (make demo); for your own model:"; \
	  echo "  unlearn-studio unlearn MODEL --labeler CLASSIFIER.onnx --forget CLASS --out OUT.safetensors"; \
	  $(MAKE) --no-print-directory demo; \
	else $(STUDIO) $(MODEL); fi

demo: build
	@echo
	@echo "Drawn faces forget hats: the model and the classifier come with the program; a few minutes on two cores."
	@mkdir -p out
	$(STUDIO) unlearn $(DEMO_MODEL) --labeler $(DEMO_LABELER) $(DEMO_SETTINGS) \
	  --out out/no-hats.safetensors --report out/no-hats.json --grid out/no-hats.png
	@echo
	@echo "out/no-hats.png shows the samples before (left) and after (right); red frames: what was to be forgotten."

# Tuning kernels for a software adapter would take most of the time.
test: setup
	@mkdir -p target && : > target/skipped.txt
	@UNLEARN_SKIPPED="$(CURDIR)/target/skipped.txt" CUBECL_AUTOTUNE_LEVEL=minimal cargo test --release; passed=$$?; \
	echo "$$(wc -l < target/skipped.txt) tests were skipped"; cat target/skipped.txt; exit $$passed

bench: setup
	cargo bench

bench-window: setup-window build
	benches/window.sh

# Numbers against the authors' code, then the method on the digits, a few iterations only.
check-models: build
	@if [ -d "$(SHARED)/golden" ]; then \
	  UNLEARN_GOLDEN="$(abspath $(SHARED)/golden)" cargo test --release --test golden -- --nocapture; \
	else echo "check-models: there is no $(SHARED)/golden, so nothing was compared"; fi
	@if [ -f "$(SHARED)/models/digits-32.pt" ] && [ -f "$(SHARED)/models/lenet-mnist.onnx" ]; then \
	  mkdir -p out && $(STUDIO) unlearn "$(SHARED)/models/digits-32.pt" --labeler "$(SHARED)/models/lenet-mnist.onnx" \
	    --method adapt --forget 4 --iters 10 --adapt-iters 5 --labelled 500 --samples 500 --out out/check.safetensors; \
	else echo "check-models: there are no digits in $(SHARED)/models, so the method was not tried on them"; fi

# make test compares all of it on a real GPU, and a part of it in software.
check-gpu: setup
	UNLEARN_GPU=whole UNLEARN_NO_SKIP=1 CUBECL_AUTOTUNE_LEVEL=minimal cargo test --release --test wgpu -- --nocapture

# Linked once more for packages, with identical functions folded: 11 MB less. The linker that Rust brings for x86-64 Linux can do it.
comma := ,
FOLD := $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),-C link-arg=-Wl$(comma)--icf=all)

build-package: build
	cargo rustc --release --bin unlearn-studio -- $(FOLD)

# See packaging/README.md.
deb: build-package
	packaging/deb.sh

appimage: build-package
	packaging/appimage.sh

clean-out:
	rm -rf out
