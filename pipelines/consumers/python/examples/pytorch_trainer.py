"""PyTorch scores the presample, taustream draws and weighs, PyTorch trains.

    npx taustream stream pipelines/moby-dick.ts --steps 200 --socket batches.sock &
    python3 pytorch_trainer.py batches.sock
"""

import sys
from typing import Any

import numpy as np
import torch

import taustream_consumer

CLASSES = 128


class CharLstm(torch.nn.Module):
    def __init__(self, units: int = 64) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(CLASSES, 32)
        self.lstm = torch.nn.LSTM(32, units, batch_first=True)
        self.head = torch.nn.Linear(units, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.lstm(self.embedding(x))
        return self.head(hidden)  # [b, T, C]


def main() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)
    model = CharLstm()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

    def losses_of(samples: Any) -> "tuple[torch.Tensor, torch.Tensor]":
        """Logits and the loss of each sample, [b]: the mean over its time steps."""
        x, y = torch.from_numpy(samples.x).long(), torch.from_numpy(samples.y).long()
        z = model(x)
        loss = torch.nn.functional.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="none")
        return z, loss.view(len(x), -1).mean(dim=1)

    @torch.no_grad()
    def upper_bound(samples: Any) -> np.ndarray:
        """The norm of the loss' gradient with respect to the logits: Katharopoulos & Fleuret 2018, eq. (20)."""
        z, _ = losses_of(samples)
        delta = torch.softmax(z, dim=-1)
        y = torch.from_numpy(samples.y).long()
        delta.scatter_add_(-1, y[..., None], torch.full_like(y[..., None], -1, dtype=delta.dtype))
        return (delta.flatten(1).norm(dim=1) / y.shape[1]).numpy()

    seen, opened = [], 0
    with taustream_consumer.connect(sys.argv[1], score=upper_bound, credit=1) as batches:
        for batch in batches:
            if batch.phase == "uniform":
                batch.report(upper_bound(batch))
            opened += batch.phase == "importance"
            optimizer.zero_grad()
            _, losses = losses_of(batch)
            loss = (losses * torch.from_numpy(batch.weights)).mean()
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
            if batch.number % 20 == 0:
                print(f"batch {batch.number}: loss {np.mean(seen[-20:]):.3f}, tau {batch.tau:.4f}", flush=True)
    print(f"{len(seen)} batches, {opened} drawn by importance: loss {seen[0]:.3f} -> {np.mean(seen[-20:]):.3f}")


if __name__ == "__main__":
    main()
