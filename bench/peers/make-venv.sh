#!/bin/sh
# Makes bench/peers/.venv with the libraries that bench/engines.ts and bench/corpora.ts measure against: some GB, so it is
# made on demand. TAUSTREAM_TORCH_INDEX names an index with the CPU build of PyTorch, which is smaller than the default one.
set -eu
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
.venv/bin/pip install --quiet --disable-pip-version-check torch torchvision ${TAUSTREAM_TORCH_INDEX:+--index-url "$TAUSTREAM_TORCH_INDEX"}
.venv/bin/pip install --quiet --disable-pip-version-check webdataset mosaicml-streaming pillow
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps efficientnet-lite-pytorch==0.1.0
.venv/bin/python -c 'import tensorflow, torch; print("tensorflow", tensorflow.__version__, "torch", torch.__version__)'
