"""Keras on TensorFlow, each step one tf.function. Reads `case steps` lines, answers with milliseconds a step and of processor time. `keras_peer.py memory CASE`: see `memory`."""
import os
import resource
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers as L  # noqa: E402
from rounds import serve  # noqa: E402


def wide_resnet(n=4, k=2):
    def block(x, f, s):
        h = L.ReLU()(L.BatchNormalization()(x))
        shortcut = x if s == 1 and x.shape[-1] == f else L.Conv2D(f, 1, strides=s, use_bias=False)(h)
        h = L.Conv2D(f, 3, strides=s, padding="same", use_bias=False)(h)
        h = L.ReLU()(L.BatchNormalization()(h))
        return L.Add()([L.Conv2D(f, 3, padding="same", use_bias=False)(h), shortcut])

    i = L.Input((32, 32, 3))
    x = L.Conv2D(16, 3, padding="same", use_bias=False)(i)
    for f, s in ((16 * k, 1), (32 * k, 2), (64 * k, 2)):
        for j in range(n):
            x = block(x, f, 1 if j else s)
    x = L.ReLU()(L.BatchNormalization()(x))
    return keras.Model(i, L.Dense(10)(L.GlobalAveragePooling2D()(x)))


def small_cnn():
    return keras.Sequential(
        [
            L.Input((28, 28, 1)),
            L.Conv2D(16, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(32, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dense(64, activation="relu"),
            L.Dense(10),
        ]
    )


def char_lstm():
    return keras.Sequential([L.Input((64,)), L.Embedding(80, 64), L.LSTM(256, return_sequences=True), L.Dense(80)])


def training(model, x, y, optimizer):
    optimizer.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=model(x, training=True), labels=y)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return lambda: step().numpy()


def lstm(t, b, i, h, gradient=True):
    layer = L.LSTM(h, return_sequences=True)
    x = tf.random.normal([b, t, i])
    layer(x)

    @tf.function
    def forward():
        return [tf.reduce_sum(layer(x, training=False))]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(layer(x, training=True))
        return [y, *tape.gradient(y, layer.trainable_variables)]

    return lambda: (step if gradient else forward)()[0].numpy()


def classes(shape, n):
    return tf.random.uniform(shape, 0, n, tf.int32)


CASES = {
    "lstm-64": lambda: lstm(64, 64, 128, 256),
    "lstm-784": lambda: lstm(784, 32, 1, 128),
    "lstm-forward": lambda: lstm(64, 640, 64, 256, gradient=False),
    "wide-resnet": lambda: training(
        wide_resnet(), tf.random.normal([32, 32, 32, 3]), classes([32], 10), keras.optimizers.SGD(0.01, 0.9)
    ),
    "small-cnn": lambda: training(
        small_cnn(), tf.random.normal([128, 28, 28, 1]), classes([128], 10), keras.optimizers.SGD(0.01, 0.9)
    ),
    "char-lstm": lambda: training(char_lstm(), classes([64, 64], 80), classes([64, 64], 80), keras.optimizers.Adam(1e-3)),
}

def memory(name, steps=10):
    """Megabytes at most resident when the library was ready and at the end, and the milliseconds of the first call."""

    def megabytes():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    tf.constant(0.0) + 1
    ready = megabytes()
    step = CASES[name]()
    begun = time.perf_counter()
    step()
    first = time.perf_counter() - begun
    for _ in range(steps - 1):
        step()
    print(ready, megabytes(), first * 1e3)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        memory(sys.argv[2])
        sys.exit()
    serve(f"Keras {keras.__version__} on TensorFlow {tf.__version__}", CASES)
