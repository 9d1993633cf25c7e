#!/usr/bin/env python3
"""Exports networks of paddle.vision.models with random weights, and quantizes them, for the comparison with Paddle Lite.

Needs `pip install paddlepaddle==2.6.2 paddleslim==2.6.0`. Writes OUT/<network>/<variant>/model.pdmodel and
model.pdiparams, the layout that `cargo xtask conformance --models OUT` reads. Variants: `fp32`, and `<weights>_<format>`
with weights `pl` (one scale a layer) or `pc` (one a channel) and format `old` (fake_quantize_*/fake_dequantize_*) or
`onnx` (quantize_linear/dequantize_linear).

Accuracy means nothing here: only the graph, its names and well-formed scales matter, so calibration is one batch of noise.
"""

import argparse
import pathlib
import shutil
import tempfile

import numpy as np
import paddle
from paddle.vision import models
from paddle.vision.models.resnet import BasicBlock, BottleneckBlock

# Narrow forms where the constructor offers one: the graph is the same and the weights stay small.
NETWORKS = {
    "resnet18": (lambda: models.ResNet(BasicBlock, 18, num_classes=10), 32),
    "resnet50": (lambda: models.ResNet(BottleneckBlock, 50, width=8, num_classes=10), 32),
    "mobilenet_v1": (lambda: models.MobileNetV1(scale=0.25, num_classes=10), 32),
    "mobilenet_v2": (lambda: models.MobileNetV2(scale=0.25, num_classes=10), 32),
    "mobilenet_v3_small": (lambda: models.MobileNetV3Small(scale=0.5, num_classes=10), 32),
    "mobilenet_v3_large": (lambda: models.MobileNetV3Large(scale=0.35, num_classes=10), 32),
    "shufflenet_v2": (lambda: models.ShuffleNetV2(scale=0.25, act="relu", num_classes=10), 64),
    "shufflenet_v2_swish": (lambda: models.ShuffleNetV2(scale=0.25, act="swish", num_classes=10), 64),
    "squeezenet": (lambda: models.SqueezeNet("1.1", num_classes=10), 64),
    "googlenet": (lambda: models.GoogLeNet(num_classes=10), 224),
    "densenet121": (lambda: models.DenseNet(layers=121, num_classes=10), 64),
}
QUANTIZED = {
    "pl_old": {"weight_quantize_type": "abs_max", "onnx_format": False},
    "pc_old": {"weight_quantize_type": "channel_wise_abs_max", "onnx_format": False},
    "pl_onnx": {"weight_quantize_type": "abs_max", "onnx_format": True},
    "pc_onnx": {"weight_quantize_type": "channel_wise_abs_max", "onnx_format": True},
}
QUANTIZABLE = ["conv2d", "depthwise_conv2d", "conv2d_transpose", "mul", "matmul", "matmul_v2"]


class Noise(paddle.io.Dataset):
    """One image of noise: enough to give every activation a scale."""

    def __init__(self, size):
        self.image = np.random.default_rng(0).standard_normal((3, size, size)).astype("float32")

    def __len__(self):
        return 1

    def __getitem__(self, _):
        return (self.image,)


def export_fp32(build, size, folder):
    """Saves the network in float, with batch-norm statistics that fit its random weights."""
    paddle.disable_static()
    paddle.seed(0)
    network = build()
    network.train()
    with paddle.no_grad():
        for _ in range(3):
            network(paddle.randn([4, 3, size, size]))
    network.eval()
    spec = paddle.static.InputSpec([1, 3, size, size], "float32", name="image")
    paddle.jit.save(network, str(folder / "model"), input_spec=[spec])
    for extra in folder.glob("*.info"):
        extra.unlink()


def quantize(fp32, size, folder, options):
    """Quantizes the saved network after training, as FastDeploy's users do."""
    from paddleslim.quant import quant_post_static

    paddle.enable_static()
    with paddle.static.program_guard(paddle.static.Program()):
        image = paddle.static.data("image", [1, 3, size, size], "float32")
    loader = paddle.io.DataLoader(
        Noise(size), feed_list=[image], places=paddle.CPUPlace(), batch_size=1, return_list=False
    )
    with tempfile.TemporaryDirectory() as scratch:
        quant_post_static(
            executor=paddle.static.Executor(paddle.CPUPlace()),
            model_dir=str(fp32),
            quantize_model_path=scratch,
            data_loader=loader,
            model_filename="model.pdmodel",
            params_filename="model.pdiparams",
            save_model_filename="model.pdmodel",
            save_params_filename="model.pdiparams",
            batch_size=1,
            batch_nums=1,
            algo="abs_max",
            quantizable_op_type=QUANTIZABLE,
            optimize_model=True,
            **options,
        )
        for name in ("model.pdmodel", "model.pdiparams"):
            (found,) = list(pathlib.Path(scratch).rglob(name))
            shutil.copyfile(found, folder / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="folder to write to")
    parser.add_argument("--networks", nargs="*", choices=sorted(NETWORKS), default=sorted(NETWORKS))
    parser.add_argument("--variants", nargs="*", choices=["fp32", *QUANTIZED], default=["fp32", *QUANTIZED])
    args = parser.parse_args()
    for name in args.networks:
        build, size = NETWORKS[name]
        fp32 = args.out / name / "fp32"
        if not (fp32 / "model.pdmodel").exists():
            fp32.mkdir(parents=True, exist_ok=True)
            export_fp32(build, size, fp32)
        for variant in args.variants:
            folder = args.out / name / variant
            if variant == "fp32" or (folder / "model.pdmodel").exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            try:
                quantize(fp32, size, folder, QUANTIZED[variant])
            except Exception as error:  # one network that Paddle cannot quantize must not stop the others
                shutil.rmtree(folder)
                print(f"{name}/{variant}: not quantized: {error}", flush=True)
                continue
            print(f"{name}/{variant}: done", flush=True)


if __name__ == "__main__":
    main()
