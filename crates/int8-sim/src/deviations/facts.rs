//! The facts: which op types each is about, when it applies, and what it says.

use super::{
    Certainty::{Inferred, Measured, Read},
    Deviation, Harm, View,
};

/// A fact about op types. It applies where its condition holds, or cannot be checked for want of a model.
pub(super) struct Fact {
    pub(super) types: &'static [&'static str],
    pub(super) applies: fn(&View<'_>) -> bool,
    pub(super) deviation: Deviation,
}

const RESIZE: &[&str] = &["bilinear_interp", "bilinear_interp_v2"];
const NEAREST: &[&str] = &["nearest_interp", "nearest_interp_v2"];
const REDUCE: &[&str] = &["reduce_mean", "reduce_max", "reduce_sum"];
const CONV: &[&str] = &["conv2d", "depthwise_conv2d", "mul", "matmul", "matmul_v2", "fc"];

const fn deviation(
    harm: Harm,
    certainty: super::Certainty,
    text: &'static str,
    cure: &'static str,
    source: &'static str,
) -> Deviation {
    Deviation { harm, certainty, text, cure, source }
}

pub(super) const FACTS: &[Fact] = &[
    Fact {
        types: &["scale"],
        applies: |view| view.is_in_place(),
        deviation: deviation(
            Harm::Wrong,
            Measured,
            "a scale that writes its own input gives garbage on the NPU, without a message, where it ends the model",
            "let the op write another tensor (export again with another output name), or drop an identity scale",
            "spec/measured.md, What placements do",
        ),
    },
    Fact {
        types: &["scale"],
        applies: |view| !view.is_in_place() && has_bias(view),
        deviation: deviation(
            Harm::Saturates,
            Read,
            "the product is quantized with the scale of the final output before the bias is added, so it is cut off where |x·scale| exceeds \
             the output's range",
            "fold scale and bias into the convolution before it",
            "spec/paddle-lite.md D",
        ),
    },
    Fact {
        types: RESIZE,
        applies: half_pixel_mismatch,
        deviation: deviation(
            Harm::Wrong,
            Read,
            "align_mode is ignored: the NPU takes half-pixel centres only where it enlarges more than four times, so other pixels are mixed \
             than in Paddle",
            "export with align_mode=1 and align_corners=False up to ×4, or align_corners=True, or resize to the nearest",
            "spec/paddle-lite.md E",
        ),
    },
    Fact {
        types: NEAREST,
        applies: |_| true,
        deviation: deviation(
            Harm::Wrong,
            Measured,
            "half_pixel_centers has no effect: floor(i·in/out) with align_corners=0, half up of i·(in−1)/(out−1) with 1",
            "train and export with asymmetric coordinates (Paddle's default)",
            "spec/numerics.md",
        ),
    },
    Fact {
        types: &["pool2d"],
        applies: |view| is_average(view) && is_padded(view) && view.flag("exclusive") != Some(false),
        deviation: deviation(
            Harm::Wrong,
            Measured,
            "an average over a padded window divides by the whole window, the padding included; exclusive=True is ignored",
            "export with exclusive=False, or without padding",
            "spec/numerics.md; spec/paddle-lite.md E",
        ),
    },
    Fact {
        types: &["pool2d"],
        applies: is_average,
        deviation: deviation(
            Harm::Rounding,
            Measured,
            "averages of 2×2 windows round ties toward zero",
            "",
            "spec/numerics.md",
        ),
    },
    Fact {
        types: REDUCE,
        applies: |view| view.flag("keep_dim") != Some(true) && view.flag("reduce_all") != Some(true),
        deviation: deviation(
            Harm::Wrong,
            Inferred,
            "with keep_dim=False the axes are mapped with the rank of the output, which reduces other axes",
            "export with keep_dim=True and reshape after it",
            "spec/paddle-lite.md E",
        ),
    },
    Fact {
        types: REDUCE,
        applies: |_| true,
        deviation: deviation(Harm::Rounding, Measured, "means round ties toward zero", "", "spec/numerics.md"),
    },
    Fact {
        types: &["sigmoid", "softmax", "log_softmax"],
        applies: |_| true,
        deviation: deviation(
            Harm::Saturates,
            Read,
            "the output gets zero point 0: codes above 127 are cut off where the CPU reads them back",
            "calibrate its output to the full range 0..1",
            "spec/paddle-lite.md D",
        ),
    },
    Fact {
        types: &["sigmoid", "mish"],
        applies: |_| true,
        deviation: deviation(
            Harm::Rounding,
            Measured,
            "computed from a table of 16 straight pieces an octave",
            "",
            "spec/numerics.md",
        ),
    },
    Fact {
        types: &["hard_sigmoid", "log", "clip", "erf", "mish"],
        applies: |_| true,
        deviation: deviation(
            Harm::Coarse,
            Read,
            "may be computed from a table of 1,024 points on a half-precision grid, cut off at ±57,344",
            "relu6-like clips avoid the table",
            "spec/paddle-lite.md E",
        ),
    },
    Fact {
        types: &["concat"],
        applies: |view| ratio(&view.input_steps()).is_none_or(|ratio| ratio > 2.0),
        deviation: deviation(
            Harm::Coarse,
            Measured,
            "inputs are requantized to the one scale of the output: an input of a much smaller range loses resolution",
            "calibrate the inputs to one scale, or normalize the branches before they meet",
            "spec/numerics.md",
        ),
    },
    Fact {
        types: &["elementwise_add", "elementwise_sub"],
        applies: |view| view.op().is_some() && ratio(&view.input_steps()).is_some_and(|ratio| ratio > 16.0),
        deviation: deviation(
            Harm::Coarse,
            Inferred,
            "its two inputs differ more than 16 times in range, so the smaller one adds few codes",
            "calibrate both branches with a method that cuts outliers (KL, percentile)",
            "spec/numerics.md",
        ),
    },
    Fact {
        types: CONV,
        applies: unequal_channels,
        deviation: deviation(
            Harm::Coarse,
            Measured,
            "one scale for weights whose channels differ much in range: the small channels keep few codes. The CPU has the same weights, so \
             moving the op does not help",
            "quantize weights per channel, or equalize channels before quantization",
            "spec/models.md, digits_mobilenet_unequal",
        ),
    },
    Fact {
        types: CONV,
        applies: |_| true,
        deviation: deviation(
            Harm::Rounding,
            Measured,
            "the bias is cut to a whole code of the accumulator, the multiplier to 16 bits, and ties round to even; ARM keeps the bias in float and \
             rounds ties away from zero",
            "",
            "spec/numerics.md; spec/paddle-lite.md D, E",
        ),
    },
    Fact {
        types: &["elementwise_add", "elementwise_sub", "elementwise_mul", "tanh"],
        applies: |_| true,
        deviation: deviation(Harm::Rounding, Measured, "off by one code at most", "", "spec/numerics.md"),
    },
    Fact {
        types: &[
            "shape",
            "dropout",
            "meshgrid",
            "fill_constant",
            "fill_any_like",
            "fill_zeros_like",
            "fill_constant_batch_size_like",
        ],
        applies: |_| true,
        deviation: deviation(
            Harm::Refused,
            Read,
            "Paddle Lite gives it to the NPU, whose driver has no such operation: a cluster that still holds it does not compile",
            "export with fixed shapes so that it folds away, or keep it on the CPU",
            "spec/paddle-lite.md C1",
        ),
    },
    Fact {
        types: &["prelu"],
        applies: |_| true,
        deviation: deviation(
            Harm::Refused,
            Read,
            "only 4-D inputs are taken",
            "reshape before it",
            "spec/paddle-lite.md C1",
        ),
    },
    Fact {
        types: &["hard_swish"],
        applies: |view| view.op().is_none() || !is_standard_hard_swish(view),
        deviation: deviation(
            Harm::Refused,
            Read,
            "only the usual form (slope 1/6, offset 1/2) is taken",
            "use the usual hard_swish",
            "spec/paddle-lite.md C1",
        ),
    },
];

fn has_bias(view: &View<'_>) -> bool {
    if view.op().is_none() {
        return true;
    }
    let (factor, bias) = (view.float("scale").unwrap_or(1.0), view.float("bias").unwrap_or(0.0));
    let saturates = match (view.input_steps().first(), view.output_step()) {
        (Some(input), Some(output)) => input * factor.abs() > output,
        _ => true,
    };
    bias != 0.0 && saturates
}

fn half_pixel_mismatch(view: &View<'_>) -> bool {
    if view.op().is_none() {
        return true;
    }
    if view.flag("align_corners") == Some(true) {
        return false;
    }
    let half_pixel = view.int("align_mode").unwrap_or(1) == 0;
    view.enlarged().is_none_or(|times| half_pixel != (times > 4))
}

fn is_average(view: &View<'_>) -> bool {
    view.text("pooling_type").is_none_or(|kind| kind == "avg")
}

fn is_padded(view: &View<'_>) -> bool {
    let whole = view.flag("global_pooling") == Some(true) || view.flag("adaptive") == Some(true);
    !whole && view.ints("paddings").is_none_or(|paddings| paddings.iter().any(|&padding| padding != 0))
}

fn is_standard_hard_swish(view: &View<'_>) -> bool {
    let near = |name: &str, value: f32| view.float(name).is_none_or(|found| (found - value).abs() < 1e-3);
    near("scale", 6.0) && near("offset", 3.0) && near("threshold", 6.0)
}

/// The largest of some steps over the smallest; none for fewer than two.
fn ratio(steps: &[f32]) -> Option<f32> {
    if steps.len() < 2 {
        return None;
    }
    let (low, high) = steps.iter().fold((f32::INFINITY, 0.0_f32), |(low, high), &step| (low.min(step), high.max(step)));
    Some(high / low)
}

/// Is one scale used for weights of which a quarter of the channels keep less than 4 of 8 bits?
fn unequal_channels(view: &View<'_>) -> bool {
    const FEW_CODES: i32 = 8;
    let Some(program) = view.program else { return false };
    let weights = view.graph.record(view.id).inputs.iter().filter_map(|name| program.weights.get(name));
    weights.filter(|weight| weight.scales.as_ref().is_some_and(|scales| scales.steps.len() == 1)).any(|weight| {
        let (Some(codes), Some(&channels)) = (weight.data.as_i8(), weight.dims.first()) else { return false };
        let Some(size) = codes.len().checked_div(channels).filter(|&size| size > 0) else { return false };
        let small =
            codes.chunks(size).filter(|codes| codes.iter().all(|&code| i32::from(code).abs() < FEW_CODES)).count();
        small * 4 >= channels && channels > 1
    })
}
