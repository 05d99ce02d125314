"""The networks of the package, written in Keras and PyTorch: takes their weights and inputs from a folder that
bench/networks.ts wrote, and leaves the logits of a forward pass. Run as: networks_peer.py keras|torch FOLDER"""
import json
import os
import sys

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""


def keras_models():
    import keras
    from keras import layers as L

    def wide_resnet(depth, width, shape):
        def active(x, name):
            return L.ReLU()(L.BatchNormalization(name=f"{name}_norm", epsilon=1e-5)(x))

        def conv(x, filters, kernel, strides, name):
            return L.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)

        image = L.Input(shape)
        x = conv(image, 16, 3, 1, "stem")
        for group in (1, 2, 3):
            filters = 16 * width * 2 ** (group - 1)
            for block in range(1, (depth - 4) // 6 + 1):
                name, strides = f"group{group}_block{block}", 2 if group > 1 and block == 1 else 1
                before = active(x, f"{name}_1")
                inner = conv(before, filters, 3, strides, f"{name}_1_conv")
                outer = conv(active(inner, f"{name}_2"), filters, 3, 1, f"{name}_2_conv")
                same = strides == 1 and x.shape[-1] == filters
                x = L.Add()([outer, x if same else conv(before, filters, 1, strides, f"{name}_shortcut")])
        x = L.GlobalAveragePooling2D()(active(x, "last"))
        return keras.Model(image, L.Dense(10, name="classes")(x))

    def small_cnn(by):
        image = x = L.Input((28, 28, 1))
        for i, filters in enumerate((16, 32)):
            if by == "stride":
                x = L.Conv2D(filters, 3, strides=2, padding="same", activation="relu", name=f"conv_{i + 1}")(x)
            else:
                x = L.MaxPooling2D(2)(L.Conv2D(filters, 3, activation="relu", name=f"conv_{i + 1}")(x))
        x = L.Dense(64, activation="relu", name="dense")(L.Flatten()(x))
        return keras.Model(image, L.Dense(10, name="classes")(x))

    def series():
        x = i = L.Input((None, 12))
        x = L.LSTM(64, return_sequences=True, name="lstm_1")(L.Masking(0.0)(x))
        return keras.Model(i, L.Dense(9, name="classes")(L.LSTM(64, name="lstm_2")(x)))

    def text():
        i = L.Input((None,), dtype="int32")
        x = L.LSTM(64, name="lstm_1")(L.Embedding(500, 32, mask_zero=True, name="embedding")(i))
        return keras.Model(i, L.Dense(2, name="classes")(x))

    def pixels():
        i = L.Input((196, 1))
        return keras.Model(i, L.Dense(10, name="classes")(L.LSTM(128, name="lstm")(i)))

    return {
        "wrn-28-2": lambda: wide_resnet(28, 2, (32, 32, 3)),
        "wrn-28-10": lambda: wide_resnet(28, 10, (32, 32, 3)),
        "wrn-10-1": lambda: wide_resnet(10, 1, (28, 28, 1)),
        "resnet50": lambda: keras.applications.ResNet50(weights=None, classifier_activation=None),
        "small-cnn": lambda: small_cnn("stride"),
        "small-cnn-maximum": lambda: small_cnn("maximum"),
        "sequence-classifier": series,
        "text-classifier": text,
        "pixel-lstm": pixels,
    }


def in_reading_order(x, order):
    """Averages squares of 2 x 2 and lays pixels out in the order given, [B, 28, 28, 1] -> [B, 196, 1]."""
    small = x.reshape(len(x), 14, 2, 14, 2).mean(axis=(2, 4))
    return small.reshape(len(x), 196)[:, order][..., None]


def run_keras(case, x, weights):
    model = keras_models()[case["name"]]()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(weights.pop(layer.name))
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    return np.asarray(model(x, training=False)), trained


def torch_models():
    import torch
    import torch.nn.functional as F

    def conv(x, w, name, stride=1, padding=None):
        kernel = torch.tensor(w[name][0]).permute(3, 2, 0, 1)
        bias = torch.tensor(w[name][1]) if len(w[name]) > 1 else None
        return F.conv2d(x, kernel, bias, stride, kernel.shape[-1] // 2 if padding is None else padding)

    def norm(x, w, name, epsilon):
        gamma, beta, mean, variance = (torch.tensor(v) for v in w[name])
        return F.batch_norm(x, mean, variance, gamma, beta, False, 0, epsilon)

    def dense(x, w, name):
        return x @ torch.tensor(w[name][0]) + torch.tensor(w[name][1])

    def image(x):
        return torch.tensor(x).permute(0, 3, 1, 2)

    def wide_resnet(depth):
        def model(x, w):
            def active(x, name):
                return F.relu(norm(x, w, f"{name}_norm", 1e-5))

            x = conv(image(x), w, "stem")
            for group in (1, 2, 3):
                for block in range(1, (depth - 4) // 6 + 1):
                    name, stride = f"group{group}_block{block}", 2 if group > 1 and block == 1 else 1
                    before = active(x, f"{name}_1")
                    # 3 x 3 of stride 2 pads at the end alone, as TensorFlow does for even sizes.
                    padded = F.pad(before, (0, 1, 0, 1)) if stride == 2 else before
                    inner = conv(padded, w, f"{name}_1_conv", stride, 0 if stride == 2 else 1)
                    outer = conv(active(inner, f"{name}_2"), w, f"{name}_2_conv")
                    short = f"{name}_shortcut"
                    x = outer + (conv(before, w, short, stride, 0) if short in w else x)
            return dense(active(x, "last").mean((2, 3)), w, "classes")

        return model

    def resnet50(x, w):
        def part(x, name, stride=1):
            return norm(conv(x, w, f"{name}_conv", stride), w, f"{name}_bn", 1.001e-5)

        x = F.relu(part(image(x), "conv1", 2))
        x = F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2)
        for stack, blocks in enumerate((3, 4, 6, 3)):
            for block in range(1, blocks + 1):
                name, stride = f"conv{stack + 2}_block{block}", 2 if stack > 0 and block == 1 else 1
                short = part(x, f"{name}_0", stride) if block == 1 else x
                h = F.relu(part(F.relu(part(x, f"{name}_1", stride)), f"{name}_2"))
                x = F.relu(short + part(h, f"{name}_3"))
        return dense(x.mean((2, 3)), w, "predictions")

    def small_cnn(by):
        def model(x, w):
            x = image(x)
            for name in ("conv_1", "conv_2"):
                if by == "stride":
                    x = F.relu(conv(F.pad(x, (0, 1, 0, 1)), w, name, 2, 0))
                else:
                    x = F.max_pool2d(F.relu(conv(x, w, name, 1, 0)), 2)
            x = x.permute(0, 2, 3, 1).flatten(1)
            return dense(F.relu(dense(x, w, "dense")), w, "classes")

        return model

    def pixels(x, w):
        kernel, recurrent, bias = (torch.tensor(v) for v in w["lstm"])
        lstm = torch.nn.LSTM(1, 128, batch_first=True)
        with torch.no_grad():
            lstm.weight_ih_l0.copy_(kernel.T)
            lstm.weight_hh_l0.copy_(recurrent.T)
            lstm.bias_ih_l0.copy_(bias)
            lstm.bias_hh_l0.zero_()
        return dense(lstm(torch.tensor(x))[0][:, -1], w, "classes")

    return {
        "wrn-28-2": wide_resnet(28),
        "wrn-28-10": wide_resnet(28),
        "resnet50": resnet50,
        "small-cnn": small_cnn("stride"),
        "small-cnn-maximum": small_cnn("maximum"),
        "pixel-lstm": pixels,
    }


def run_torch(case, x, weights):
    import torch

    model = torch_models().get(case["name"])
    if model is None:
        return None, None
    with torch.no_grad():
        return model(x, weights).numpy(), None


def main(library, folder):
    if library == "keras":
        import keras
        import tensorflow as tf

        print(f"Keras {keras.__version__} on TensorFlow {tf.__version__}", file=sys.stderr)
    else:
        import torch

        print(f"PyTorch {torch.__version__}", file=sys.stderr)
    with open(os.path.join(folder, "cases.json")) as file:
        cases = json.load(file)
    for case in cases:
        data = np.fromfile(os.path.join(folder, f"{case['name']}.bin"), "<f4")
        taken = 0

        def tensor(shape):
            nonlocal taken
            count = int(np.prod(shape))
            taken += count
            return data[taken - count : taken].reshape(shape).copy()

        x = tensor(case["input"]).astype(case["dtype"])
        if case.get("order"):
            x = in_reading_order(x, case["order"])
        weights = {layer["name"]: [tensor(shape) for shape in layer["shapes"]] for layer in case["layers"]}
        weights.pop("order", None)
        output, trained = (run_keras if library == "keras" else run_torch)(case, x, weights)
        if output is None:
            continue
        print(json.dumps({"name": case["name"], "trained": trained, "output": np.asarray(output, float).ravel().tolist()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
