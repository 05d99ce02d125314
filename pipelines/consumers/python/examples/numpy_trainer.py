"""Trains a softmax classifier on taustream's batches, with NumPy alone.

For windows of text it learns the next character from the last eight; for any other input it is linear.

    npx taustream stream pipelines/moby-dick.ts --steps 200 | python3 numpy_trainer.py
"""

import numpy as np

import taustream_consumer

CONTEXT = 8


def features(x: np.ndarray, classes: int) -> "tuple[np.ndarray, bool]":
    """Windows of ids [b, T] become one-hot rows of the last characters at each time step; numbers are flattened."""
    if x.dtype != np.int32:
        return x.reshape(len(x), -1).astype(np.float32), False
    b, steps = x.shape
    padded = np.concatenate([np.full((b, CONTEXT - 1), -1, np.int32), x], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT, axis=1)  # [b, T, CONTEXT]
    hot = (windows[..., None] == np.arange(classes)).astype(np.float32)
    return hot.reshape(b * steps, CONTEXT * classes), True


def main() -> None:
    batches = taustream_consumer.read()
    weight = None
    losses = []
    classes = 2
    for batch in batches:
        classes = max(classes, int(batch.y.max()) + 1, int(batch.x.max()) + 1 if batch.x.dtype == np.int32 else 2)
        if weight is None or weight.shape[1] < classes:
            classes = max(classes, 128 if batch.x.dtype == np.int32 else classes)
            weight = None
        inputs, is_text = features(batch.x, classes)
        if weight is None or weight.shape != (inputs.shape[1], classes):
            weight = np.zeros((inputs.shape[1], classes), np.float32)
        target = batch.y.reshape(-1)
        z = inputs @ weight
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(target)), target] + 1e-9)
        per_sample = loss.reshape(len(batch), -1).mean(axis=1)
        losses.append(float((batch.weights * per_sample).mean()))
        p[np.arange(len(target)), target] -= 1
        rows = np.repeat(batch.weights, len(target) // len(batch))[:, None] / len(target)
        weight -= (4.0 if is_text else 0.5) * (inputs.T @ (rows * p))
        if batch.number % 20 == 0:
            print(f"batch {batch.number}: loss {np.mean(losses[-20:]):.3f}", flush=True)
    print(f"{len(losses)} batches: loss {losses[0]:.3f} -> {np.mean(losses[-20:]):.3f}")


if __name__ == "__main__":
    main()
