"""The peers of bench/corpora.ts: tf.data, PyTorch DataLoader, WebDataset and MosaicML Streaming.

    corpora_peer.py prepare-tfrecord FOLDER              writes the same samples as TFRecord
    corpora_peer.py prepare-records|prepare-images FOLDER    writes them as tar and MDS
    corpora_peer.py SYSTEM CASE WORKERS FOLDER SEED      reads a shuffled epoch in batches, prints one line of JSON

TensorFlow and PyTorch clash in one process, so each measurement has its own. A case's files are what `prepare` in bench/corpora/files.ts has written. Each reader is written as its documentation
shows; where several ways are shown, the quickest is taken.
"""

import gc
import io
import json
import os
import random
import resource
import sys
import tarfile
import time
import zipfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
import numpy as np

WINDOW = 64
BUFFER = 8192
SIDE = 224
BATCHES = {"text": 128, "records": 128, "idx": 128, "images": 32}
WARM_SAMPLES = 0.1  # of an epoch: buffers fill, processes start, code is compiled
LIMIT_SECONDS = 2.5


def idx(folder):
    x = np.fromfile(f"{folder}/idx/train-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return x, np.fromfile(f"{folder}/idx/train-labels-idx1-ubyte", np.uint8, offset=8).astype(np.int32)


def windows(folder):
    text = np.memmap(f"{folder}/text.txt", np.uint8, "r")
    return text, (len(text) - 1) // WINDOW


def image_files(folder):
    archive = zipfile.ZipFile(f"{folder}/images.zip")
    names = [name for name in archive.namelist() if not name.endswith("/")]
    classes = sorted({name.split("/")[0] for name in names})
    return archive, names, [classes.index(name.split("/")[0]) for name in names]


def prepare_tfrecord(folder):
    import tensorflow as tf

    with tf.io.TFRecordWriter(f"{folder}/records.tfrecord") as out:
        for row, label in zip(*idx(folder)):
            features = {
                "x": tf.train.Feature(bytes_list=tf.train.BytesList(value=[row.tobytes()])),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            out.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def prepare(case, folder):
    from streaming import MDSWriter

    def tar(path, samples):
        with tarfile.open(path, "w") as archive:
            for key, fields in samples:
                for ending, data in fields.items():
                    info = tarfile.TarInfo(f"{key}.{ending}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))

    def mds(path, samples):
        with MDSWriter(out=path, columns={"x": "bytes", "y": "int"}) as out:
            for x, y in samples:
                out.write({"x": x, "y": int(y)})

    if case == "records":
        x, y = idx(folder)
        tar(f"{folder}/records.tar", ((f"{i:06d}", {"x": r.tobytes(), "cls": str(t).encode()}) for i, (r, t) in enumerate(zip(x, y))))
        mds(f"{folder}/records-mds", ((row.tobytes(), label) for row, label in zip(x, y)))
        return
    archive, names, labels = image_files(folder)
    tar(f"{folder}/images.tar", ((f"{i:06d}", {"jpg": archive.read(n), "cls": str(t).encode()}) for i, (n, t) in enumerate(zip(names, labels))))
    mds(f"{folder}/images-mds", ((archive.read(n), t) for n, t in zip(names, labels)))


def pixels(data):
    """Decodes and resizes; the whole image is stretched, as in every system here."""
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (SIDE, SIDE))  # lets libjpeg skip what is thrown away, as libvips and tf.io do
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.BILINEAR))


def tf_data(case, workers, folder, seed, antialias=True):
    import tensorflow as tf

    batch = BATCHES[case]
    if case == "text":
        text, count = windows(folder)
        rows = np.lib.stride_tricks.sliding_window_view(text, WINDOW + 1)[: count * WINDOW : WINDOW]
        data = tf.data.Dataset.from_tensor_slices(np.ascontiguousarray(rows)).shuffle(BUFFER, seed).batch(batch)
        split = lambda rows: (tf.cast(rows[:, :-1], tf.int32), tf.cast(rows[:, 1:], tf.int32))
        data = data.map(split, num_parallel_calls=workers)
    elif case == "idx":
        data = tf.data.Dataset.from_tensor_slices(idx(folder)).shuffle(BUFFER, seed).batch(batch)
    elif case == "records":
        features = {"x": tf.io.FixedLenFeature([], tf.string), "y": tf.io.FixedLenFeature([], tf.int64)}

        def parse(examples):
            parsed = tf.io.parse_example(examples, features)
            return tf.reshape(tf.io.decode_raw(parsed["x"], tf.uint8), [-1, 28, 28, 1]), parsed["y"]

        data = tf.data.TFRecordDataset(f"{folder}/records.tfrecord").shuffle(BUFFER, seed).batch(batch)
        data = data.map(parse, num_parallel_calls=workers)
    else:
        archive, names, labels = image_files(folder)
        files = [archive.read(name) for name in names]  # tf.data reads no zips: the packed bytes wait in memory

        def decode(bytes_, label):
            image = tf.io.decode_image(bytes_, 3, expand_animations=False)
            # as Pillow and libvips resize: without it, pixels between those that are looked at count for nothing
            return tf.cast(tf.image.resize(image, [SIDE, SIDE], antialias=antialias), tf.uint8), label

        data = tf.data.Dataset.from_tensor_slices((files, labels)).shuffle(BUFFER, seed)
        data = data.map(decode, num_parallel_calls=workers).batch(batch)
    options = tf.data.Options()
    options.threading.private_threadpool_size = workers
    return data.prefetch(2).with_options(options).as_numpy_iterator()


def loader(dataset, case, workers, **options):
    import torch

    torch.set_num_threads(1)
    return torch.utils.data.DataLoader(dataset, BATCHES[case], num_workers=workers, **options)


def torch_data(case, workers, folder, seed):
    import torch

    class Samples(torch.utils.data.Dataset):
        def __init__(self):
            if case == "text":
                self.text, self.count = windows(folder)
            elif case == "idx":
                self.x, self.y = idx(folder)
                self.count = len(self.y)
            else:
                self.archive, self.names, self.labels = image_files(folder)
                self.count = len(self.names)
                self.owner = os.getpid()

        def __len__(self):
            return self.count

        def __getitem__(self, i):
            if case == "text":
                row = torch.from_numpy(self.text[i * WINDOW : i * WINDOW + WINDOW + 1].astype(np.int32))
                return row[:-1], row[1:]
            if case == "idx":
                return torch.from_numpy(self.x[i]), int(self.y[i])
            if self.owner != os.getpid():  # a forked worker must not share the parent's file
                self.archive, self.owner = image_files(folder)[0], os.getpid()
            return torch.from_numpy(pixels(self.archive.read(self.names[i])).copy()), self.labels[i]

    torch.manual_seed(seed)
    return loader(Samples(), case, workers, shuffle=True)


def web_dataset(case, workers, folder, seed):
    import torch
    import webdataset

    decode = pixels if case == "images" else lambda data: np.frombuffer(data, np.uint8).reshape(28, 28, 1)
    field = "jpg" if case == "images" else "x"
    # one archive is one shard: only one worker can read it, so each has a copy of the list and takes its share
    data = webdataset.WebDataset(f"{folder}/{case}.tar", shardshuffle=False, nodesplitter=None, workersplitter=None)
    data = data.compose(lambda samples: share(samples)).shuffle(BUFFER if case == "records" else 500, rng=random.Random(seed))
    data = data.map(lambda sample: (torch.from_numpy(decode(sample[field]).copy()), int(sample["cls"])))
    return loader(data, case, workers)


def share(samples):
    import torch

    info = torch.utils.data.get_worker_info()
    for i, sample in enumerate(samples):
        if info is None or i % info.num_workers == info.id:
            yield sample


def mosaic(case, workers, folder, seed):
    import torch
    from streaming import StreamingDataset

    class Samples(StreamingDataset):
        def __getitem__(self, i):
            sample = super().__getitem__(i)
            data = sample["x"]
            x = pixels(data) if case == "images" else np.frombuffer(data, np.uint8).reshape(28, 28, 1)
            return torch.from_numpy(x.copy()), sample["y"]

    samples = Samples(local=f"{folder}/{case}-mds", shuffle=True, shuffle_seed=seed, batch_size=BATCHES[case])
    return loader(samples, case, workers)


SYSTEMS = {
    "tf.data": tf_data,
    "tf.data-aliased": lambda *asked: tf_data(*asked, antialias=False),
    "torch": torch_data, "webdataset": web_dataset, "mosaicml": mosaic}


def processor_seconds():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(batches, length):
    """Times an epoch but for its first tenth, up to some seconds; the processor time is of all of it, workers and all."""
    timed, whole = 0, 0
    before, started = processor_seconds(), None
    for x, y in batches:
        whole += len(y)
        if started is not None:
            timed += len(y)
            if time.perf_counter() - started > LIMIT_SECONDS:
                break
        elif whole >= WARM_SAMPLES * length:
            started = time.perf_counter()
    seconds = time.perf_counter() - started
    del batches, x, y
    gc.collect()  # ends the workers, whose processor time counts when they have ended
    return {"samples": whole, "perSecond": timed / seconds, "perProcessorSecond": whole / (processor_seconds() - before)}


def length_of(case, folder):
    if case == "text":
        return windows(folder)[1]
    return len(image_files(folder)[1] if case == "images" else idx(folder)[1])


if sys.argv[1] == "prepare-tfrecord":
    prepare_tfrecord(sys.argv[2])
elif sys.argv[1].startswith("prepare-"):
    prepare(sys.argv[1].removeprefix("prepare-"), sys.argv[2])
elif sys.argv[1] == "versions":
    from importlib.metadata import version

    names = ("tensorflow-cpu", "torch", "webdataset", "mosaicml-streaming", "pillow", "numpy")
    print(", ".join(f"{name} {version(name)}" for name in names))
else:
    system, case, workers, folder, seed = sys.argv[1:]
    print(json.dumps(measure(SYSTEMS[system](case, int(workers), folder, int(seed)), length_of(case, folder))))
