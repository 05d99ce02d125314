"""PyTorch, eager, images in the faster of its two layouts. Reads `case steps` lines, answers with milliseconds a step and of processor time."""
import time

import torch
import torch.nn.functional as F
from torch import nn

from rounds import serve


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(i), nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(o), nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.shortcut = None if stride == 1 and i == o else nn.Conv2d(i, o, 1, stride, bias=False)

    def forward(self, x):
        h = F.relu(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(h)
        return self.conv2(F.relu(self.norm2(self.conv1(h)))) + shortcut


def wide_resnet(n=4, k=2):
    layers, i = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)], 16
    for o, stride in ((16 * k, 1), (32 * k, 2), (64 * k, 2)):
        for j in range(n):
            layers.append(Block(i, o, 1 if j else stride))
            i = o
    return nn.Sequential(*layers, nn.BatchNorm2d(i), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, 10))


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


class CharLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.dense = nn.Embedding(80, 64), nn.LSTM(64, 256, batch_first=True), nn.Linear(256, 80)

    def forward(self, x):
        return self.dense(self.lstm(self.embedding(x))[0]).flatten(0, 1)


def training(model, x, y, optimizer):
    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def seconds(step, count=3):
    step(), step()
    begun = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - begun


def image_training(make, x, y):
    def of(layout):
        model = make().to(memory_format=layout)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9)
        return training(model, x.to(memory_format=layout), y, optimizer)

    return min((of(layout) for layout in (torch.contiguous_format, torch.channels_last)), key=seconds)


def char_training():
    model = CharLstm()
    x, y = torch.randint(0, 80, (64, 64)), torch.randint(0, 80, (64 * 64,))
    return training(model, x, y, torch.optim.Adam(model.parameters(), 1e-3))


def lstm(t, b, i, h, gradient=True):
    layer, x = nn.LSTM(i, h), torch.randn(t, b, i)

    def forward():
        with torch.inference_mode():
            return layer(x)[0].sum().item()

    def step():
        layer.zero_grad()
        y = layer(x)[0].sum()
        y.backward()
        return y.item()

    return step if gradient else forward


CASES = {
    "lstm-64": lambda: lstm(64, 64, 128, 256),
    "lstm-784": lambda: lstm(784, 32, 1, 128),
    "lstm-forward": lambda: lstm(64, 640, 64, 256, gradient=False),
    "wide-resnet": lambda: image_training(wide_resnet, torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,))),
    "small-cnn": lambda: image_training(small_cnn, torch.randn(128, 1, 28, 28), torch.randint(0, 10, (128,))),
    "char-lstm": char_training,
}

if __name__ == "__main__":
    serve(f"PyTorch {torch.__version__}", CASES)
