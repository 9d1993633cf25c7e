#!/usr/bin/env python3
"""Times the simulator beside ONNX Runtime on the same quantized networks and the same images.

    python -m venv ort && . ort/bin/activate
    pip install paddlepaddle==2.6.2 paddle2onnx==1.2.11 onnxruntime==1.23.2 'numpy<2'
    cargo build --release -p xtask
    crates/fidelity/scripts/compare_onnxruntime.py --models fixtures/models

paddle2onnx converts the variants in onnx format (`pl_onnx`; `--variant` names another). Both sides run all images of a
model, on one thread and on two, in turns, `--rounds` times with TRIES runs each; the best time of each counts. Both get the same
number of runs, since on a busy machine the best of more runs is better. Neither loading nor packing of weights is timed. ONNX Runtime gets the images one by one, as the
simulator and a board do (`ort single`), and in batches, of which the best size counts (`ort batch`). The simulator runs
from scratch, with an empty cache: on the CPU alone (`lite`) and, where the stack does not refuse it, all on the NPU
(`timvx`). The ratios are ONNX Runtime's time over the simulator's: above 1 the simulator is faster.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import numpy
import onnxruntime
import paddle2onnx

BATCHES = (8, 32, 1 << 30)
TRIES = 3


def images(folder):
    """The images as the models expect them (spec/models.md)."""
    if (folder / "eval_masks.npy").exists():
        mean, std = numpy.full(3, 0.5), numpy.full(3, 0.5)
    else:
        mean, std = numpy.array([0.485, 0.456, 0.406]), numpy.array([0.229, 0.224, 0.225])
    pixels = numpy.load(folder / "eval_u8_nhwc.npy") / 255.0
    return numpy.ascontiguousarray(((pixels - mean) / std).transpose(0, 3, 1, 2).astype(numpy.float32))


def convert(folder, target):
    paddle2onnx.export(
        str(folder / "model.pdmodel"), str(folder / "model.pdiparams"), str(target),
        opset_version=13, deploy_backend="onnxruntime",
    )


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def time_onnxruntime(runner, inputs, batch):
    name = runner.get_inputs()[0].name
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        for first in range(0, len(inputs), batch):
            runner.run(None, {name: inputs[first:first + batch]})
        times.append((time.perf_counter() - start) * 1e3)
    return min(times)


def time_simulator(command, models, model, variant, threads):
    arguments = ["bench", "simulator", "--models", str(models), "--model", model, "--variant", variant,
                 "--rounds", str(TRIES), "--json"]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run([*command, *arguments], env=environment, check=True, capture_output=True, text=True)
    times = json.loads(done.stdout)[0]
    return times["lite_ms"], times["tim_vx_ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("fixtures/models"))
    parser.add_argument("--variant", default="pl_onnx")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--xtask", default="target/release/xtask", help="the command that stands for `cargo xtask`")
    arguments = parser.parse_args()

    print(f"onnxruntime {onnxruntime.__version__}, paddle2onnx {paddle2onnx.__version__}, {arguments.variant}")
    print(f"{'model':<26}{'threads':>8}{'images':>8}{'ort single':>12}{'ort batch':>11}{'lite':>9}{'timvx':>9}"
          f"{'single/lite':>13}{'batch/lite':>12}{'single/timvx':>14}{'batch/timvx':>13}")
    for folder in sorted(path.parent.parent for path in arguments.models.glob(f"*/{arguments.variant}/model.pdmodel")):
        with tempfile.TemporaryDirectory() as scratch:
            network = pathlib.Path(scratch) / "model.onnx"
            convert(folder / arguments.variant, network)
            inputs = images(folder)
            for threads in (1, 2):
                runner = session(network, threads)
                single, batch, lite, timvx = [], [], [], []
                for _ in range(arguments.rounds):
                    single.append(time_onnxruntime(runner, inputs, 1))
                    batch.append(min(time_onnxruntime(runner, inputs, size) for size in BATCHES))
                    times = time_simulator(arguments.xtask.split(), arguments.models, folder.name, arguments.variant, threads)
                    lite.append(times[0])
                    timvx.append(times[1] or float("nan"))
                single, batch, lite, timvx = min(single), min(batch), min(lite), min(timvx)
                print(f"{folder.name:<26}{threads:>8}{len(inputs):>8}{single:>12.1f}{batch:>11.1f}{lite:>9.1f}{timvx:>9.1f}"
                      f"{single / lite:>13.2f}{batch / lite:>12.2f}{single / timvx:>14.2f}{batch / timvx:>13.2f}", flush=True)


if __name__ == "__main__":
    main()
