"""Serves one model with Paddle Lite's x86 kernels: a JSON request a line on standard input, a JSON answer a line on standard output.

    {"samples": [0, 5]}  ->  {"outputs": [{"shape": [1, 10]}, ...]}, the values of all samples in the file OUTPUTS
                             or {"refused": "output 1 is not float"}

The argument is a JSON object with the paths and input shapes; backend::LiteHost writes it. Values are little-endian float32.
"""

import array
import json
import math
import os
import sys

# Paddle Lite prints to standard output: that becomes standard error, and the answers get a channel of their own.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from paddlelite import lite  # noqa: E402


def load(job):
    """Every op on the CPU although an NPU is among the places: only then the mixed-precision file counts."""
    place, target, precision = lite.Place, lite.TargetType, lite.PrecisionType
    config = lite.CxxConfig()
    config.set_model_file(job["program"])
    config.set_param_file(job["params"])
    config.set_valid_places(
        [
            place(target.NNAdapter, precision.INT8),
            place(target.NNAdapter, precision.FP32),
            place(target.X86, precision.FP32),
            place(target.Host, precision.FP32),
        ]
    )
    config.set_nnadapter_device_names(["verisilicon_timvx"])
    config.set_nnadapter_subgraph_partition_config_path(job["partition"])
    if job["mixed_precision"]:
        config.set_nnadapter_mixed_precision_quantization_config_path(job["mixed_precision"])
    return lite.create_paddle_predictor(config)


def feed(predictor, shapes, inputs, sample):
    """The inputs of a sample lie one after the other, and so do the samples."""
    counts = [math.prod(shape) for shape in shapes]
    inputs.seek(4 * sample * sum(counts))
    for index, (shape, count) in enumerate(zip(shapes, counts)):
        values = array.array("f")
        values.fromfile(inputs, count)
        tensor = predictor.get_input(index)
        tensor.resize(shape)
        tensor.set_float_data(values.tolist())


def run(predictor, job, samples):
    """The outputs of each sample one after the other, each output in turn."""
    shapes = []
    with open(job["inputs"], "rb") as inputs, open(job["outputs"], "wb") as outputs:
        for sample in samples:
            feed(predictor, job["shapes"], inputs, sample)
            predictor.run()
            shapes = []
            for index in range(len(predictor.get_output_names())):
                tensor = predictor.get_output(index)
                if tensor.precision() != lite.PrecisionType.FP32:
                    return {"refused": f"output {index} is not float"}
                array.array("f", tensor.float_data()).tofile(outputs)
                shapes.append({"shape": tensor.shape()})
    return {"outputs": shapes}


def main():
    job = json.loads(sys.argv[1])
    predictor = None
    for line in sys.stdin:
        predictor = predictor or load(job)
        print(json.dumps(run(predictor, job, json.loads(line)["samples"])), file=answers, flush=True)
    os._exit(0)  # a predictor's end may hang (spec/measured.md)


main()
