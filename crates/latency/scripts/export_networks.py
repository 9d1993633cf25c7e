"""Exports the networks of `data/networks.tsv` with random weights: paddlepaddle 2.6.2, `python export_networks.py OUT`.

Then, for each: `cargo run -p latency --example features -- OUT/NAME NAME`.
"""

import sys

import paddle
from paddle import nn
from paddle.vision import models


def conv(inputs, outputs, kernel, stride=1):
    return nn.Sequential(
        nn.Conv2D(inputs, outputs, kernel, stride, kernel // 2, bias_attr=False), nn.BatchNorm2D(outputs), nn.ReLU()
    )


class SsdMobileNetV1(nn.Layer):
    """The detector of PaddleDetection's `ssd_mobilenet_v1_300`, without its decoding."""

    def __init__(self):
        super().__init__()
        self.body = models.mobilenet_v1(num_classes=0, with_pool=False)
        sizes = [(1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128)]
        self.extra = nn.LayerList([nn.Sequential(conv(a, b, 1), conv(b, c, 3, 2)) for a, b, c in sizes])
        maps = [(512, 3), (1024, 6), (512, 6), (256, 6), (256, 6), (128, 6)]
        self.boxes = nn.LayerList([nn.Conv2D(c, n * 4, 1) for c, n in maps])
        self.scores = nn.LayerList([nn.Conv2D(c, n * 21, 1) for c, n in maps])

    def forward(self, x):
        x = self.body.conv1(x)
        maps = []
        for at, block in enumerate(self.body.dwsl):
            x = block(x)
            if at == 10:
                maps.append(x)
        maps.append(x)
        for block in self.extra:
            x = block(x)
            maps.append(x)
        return [head(m) for heads in (self.boxes, self.scores) for head, m in zip(heads, maps)]


NETWORKS = {
    "mobilenet_v1": (models.mobilenet_v1, 224),
    "mobilenet_v2": (models.mobilenet_v2, 224),
    "mobilenet_v3": (models.mobilenet_v3_large, 224),
    "shufflenet_v2": (models.shufflenet_v2_x1_0, 224),
    "resnet50": (models.resnet50, 224),
    "ssd_mobilenet_v1": (SsdMobileNetV1, 300),
}

for name, (build, size) in NETWORKS.items():
    network = build()
    network.eval()
    spec = [paddle.static.InputSpec([1, 3, size, size], "float32")]
    paddle.jit.save(network, f"{sys.argv[1]}/{name}/model", input_spec=spec)
