#!/bin/sh
# Makes bench/peers/.venv with the libraries that bench/engines.ts and bench/corpora.ts measure against: some GB, so it is
# made on demand. TAUSTREAM_TORCH_INDEX names an index with the CPU build of PyTorch, which is smaller than the default one.
set -eu
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
.venv/bin/pip install --quiet --disable-pip-version-check torch torchvision ${TAUSTREAM_TORCH_INDEX:+--index-url "$TAUSTREAM_TORCH_INDEX"}
# MosaicML Streaming asks for the clients of five clouds and for transformers, and pip tries their versions against each
# other for half an hour. From local files it needs none of them: these are what its modules import.
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps mosaicml-streaming==0.13.0
.venv/bin/pip install --quiet --disable-pip-version-check webdataset pillow tqdm xxhash zstd brotli python-snappy catalogue
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps efficientnet-lite-pytorch==0.1.0
.venv/bin/python - <<'END'
import streaming, tensorflow, torch, torchvision, webdataset
from importlib.metadata import version
for name in ("tensorflow-cpu", "torch", "torchvision", "webdataset", "mosaicml-streaming", "numpy"):
    print(name, version(name))
END
