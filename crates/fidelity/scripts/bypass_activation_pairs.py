"""Shows where a `pl_old_full` variant and Paddle Lite part: in the activation pairs that Lite computes in float.

Runs Paddle's own fake quantization on the first 8 samples of a model three times: `pl_old_full` as exported, `pl_old_full` with every
`fake_quantize_dequantize_moving_average_abs_max` bypassed (convolutions and matrix products keep their own quantize ops), and `pl_old`.

    python3 -m venv paddle && paddle/bin/pip install paddlepaddle==2.6.2 'numpy<2'
    paddle/bin/python crates/fidelity/scripts/bypass_activation_pairs.py fixtures/models/*/
"""

import pathlib
import sys

import numpy as np
import paddle

PAIR = "fake_quantize_dequantize_moving_average_abs_max"
IMAGENET = (np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]))
HALF = (np.float32(0.5), np.float32(0.5))


def samples(model):
    mean, std = HALF if model.name == "digits_seg" else IMAGENET
    images = np.load(model / "eval_u8_nhwc.npy")[:8].astype("float32") / 255
    return ((images - mean) / std).transpose(0, 3, 1, 2).astype("float32")


def bypass_pairs(block):
    """Every reader of a pair's output reads its input instead; gives the number of pairs."""
    source, pairs = {}, []
    for index, op in enumerate(block.ops):
        if op.type == PAIR:
            read = op.input("X")[0]
            source[op.output("Out")[0]] = source.get(read, read)
            pairs.append(index)
            continue
        for name in set(op.input_arg_names) & source.keys():
            op._rename_input(name, source[name])
    for index in reversed(pairs):
        block._remove_op(index)
    return len(pairs)


def outputs(variant, bypass=False):
    executor = paddle.static.Executor(paddle.CPUPlace())
    with paddle.static.scope_guard(paddle.static.Scope()):
        program, feeds, fetches = paddle.static.load_inference_model(str(variant / "model"), executor)
        pairs = bypass_pairs(program.global_block()) if bypass else 0
        runs = [executor.run(program, {feeds[0]: x[None]}, fetches) for x in samples(variant.parent)]
    return pairs, [np.concatenate([np.ravel(out) for out in outs]).astype("float64") for outs in zip(*runs)]


def sqnr(got, reference):
    noise = np.square(got - reference).sum()
    return "identical" if noise == 0 else f"{10 * np.log10(np.square(reference).sum() / noise):.1f} dB"


paddle.enable_static()
for model in map(pathlib.Path, sys.argv[1:]):
    if not (model / "pl_old_full").is_dir():
        continue
    _, full = outputs(model / "pl_old_full")
    pairs, bypassed = outputs(model / "pl_old_full", bypass=True)
    _, plain = outputs(model / "pl_old")
    for index, reference in enumerate(plain):
        print(f"{model.name} out{index}: against pl_old: as exported {sqnr(full[index], reference)}, "
              f"{pairs} pairs bypassed {sqnr(bypassed[index], reference)}")
