"""The benchmark's networks in Keras, in a process of their own.

Reads jobs from standard input, one JSON object a line, and answers each on standard output with
images per CPU-second. A process of its own because the libraries of threads of TensorFlow and torch
would get in each other's way.
"""

import json
import os
import sys
import time

os.environ |= {
    "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1",
}  # fmt: skip

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

OPTIMIZERS = {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam}


class Stopwatch(keras.callbacks.Callback):
    """CPU time of an epoch, or of all batches: what a call costs beside would count too much."""

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self.begun = time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        """Stop the clock."""
        self.seconds = time.process_time() - self.begun

    def on_predict_begin(self, logs=None):
        """Start the clock."""
        self.on_epoch_begin(0)

    def on_predict_end(self, logs=None):
        """Stop the clock."""
        self.on_epoch_end(0)


def build(spec: dict, image_shape: list[int]) -> keras.Model:
    """Build what `nn.network.build` builds, with Keras' own initialisation and optimizer."""
    network, (channels, height, width) = spec["network"], image_shape
    image = features = keras.Input((height, width, channels))
    scalars = keras.Input((len(spec["scalars"]),))
    blocks = zip(network["filters"], network["kernels"], strict=True)
    for number, (filters, kernel) in enumerate(blocks, start=1):
        features = layers.Conv2D(filters, kernel, padding="same", activation="relu")(features)
        features = layers.BatchNormalization()(features)
        if number in network["pool_after"]:
            features = layers.MaxPooling2D()(features)
        if network["dropout"] > 0:
            features = layers.Dropout(network["dropout"])(features)
    features = layers.Dense(network["dense"], activation="relu")(layers.Flatten()(features))
    if spec["scalars"]:
        features = layers.Concatenate()([features, scalars])
    model = keras.Model(
        [image, scalars] if spec["scalars"] else [image],
        layers.Dense(len(spec["targets"]))(features),
    )
    model.compile(OPTIMIZERS[spec["optimizer"]](spec["learning_rate"]), loss="mse")
    return model


def main() -> None:
    """Answer jobs until there are no more."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rng = np.random.default_rng(1)
    answers, models = sys.stdout, {}
    sys.stdout = sys.stderr  # for whatever the libraries have to say
    for line in sys.stdin:
        job = json.loads(line)
        spec, (channels, height, width), n = job["spec"], job["image_shape"], job["n"]
        if job["name"] not in models:
            models[job["name"]] = build(spec, job["image_shape"])
        model = models[job["name"]]
        inputs = [rng.random((n, height, width, channels), np.float32)]
        if spec["scalars"]:
            inputs.append(rng.random((n, len(spec["scalars"])), np.float32))
        targets = rng.random((n, len(spec["targets"])), np.float32)
        stopwatch = Stopwatch()
        if job["task"] == "training":
            model.fit(
                inputs, targets, batch_size=spec["batch_size"], verbose=0, callbacks=[stopwatch]
            )
        else:
            model.predict(inputs, batch_size=job["batch"], verbose=0, callbacks=[stopwatch])
        parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        answer = {"rate": n / stopwatch.seconds, "parameters": parameters}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
