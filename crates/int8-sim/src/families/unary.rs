//! Functions of each element beside the activations, and those with a constant for parameter.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::{
    OpKind,
    real::{self, Known},
};
use crate::{
    Fault, Kernel, Refusal, RefusalClass,
    cluster::Converter,
    cpu::CpuOp,
    operands::{axis_of, kernel, numbers, typed},
    program::Attributes,
};

const X: &[&str] = &["X"];
const CLIP: &[&str] = &["X", "Min", "Max"];
const PRELU: &[&str] = &["X", "Alpha"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind {
        types: &["abs", "floor", "gelu", "log", "sin", "softplus", "square"],
        inputs: X,
        cpu: |op| Ok(vec![map(op, function_of(op.op())?)]),
        npu: Some(|converter| {
            let name = match converter.lite().op_type.as_str() {
                "abs" => "ABS",
                "floor" => "FLOOR",
                "gelu" => "GELU",
                "log" => "LOG",
                "sin" => "SIN",
                "softplus" => "SOFTPLUS",
                _ => "SQUARE",
            };
            let x = converter.input("X", 0)?;
            converter.check_quantized_input("X", x, "Out")?;
            real::convert(converter, Known::new(name))
        }),
    },
    OpKind {
        types: &[
            "ceil",
            "cos",
            "elu",
            "erf",
            "hard_tanh",
            "reciprocal",
            "relu1",
            "round",
            "rsqrt",
            "sign",
            "softsign",
            "sqrt",
            "thresholded_relu",
        ],
        inputs: X,
        cpu: |op| Ok(vec![map(op, function_of(op.op())?)]),
        npu: None,
    },
    OpKind {
        types: &["pow"],
        inputs: X,
        cpu: |op| {
            let factor = f64::from(op.op().float("factor").unwrap_or(1.0));
            Ok(vec![map(op, Box::new(move |x| x.powf(factor)))])
        },
        npu: Some(|converter| {
            // The exponent is a float constant, and the device has no power of codes by floats (`converter/pow.cc`).
            if converter.output_step("Out", 0).is_some() {
                return Err(converter.refuse(RefusalClass::DataType, "POW of 8-bit codes and a float exponent"));
            }
            real::convert(converter, Known::new("POW"))
        }),
    },
    OpKind {
        types: &["clip"],
        inputs: CLIP,
        cpu: |op| {
            let bound = |name: &str| op.op().float(name).map_or(0.0, f64::from);
            let (min, max) = (bound("min"), bound("max"));
            Ok(vec![kernel(op, CLIP, move |given| {
                let x = given.one("X")?;
                let bound = |name: &str, default: f64| {
                    given.numbers(name).and_then(|values| values.first().copied()).unwrap_or(default)
                };
                let (min, max) = (bound("Min", min), bound("Max", max));
                let values = numbers(x).into_iter().map(|value| value.max(min).min(max)).collect();
                typed(x, x.shape().to_vec(), values)
            })])
        },
        npu: Some(|converter| real::convert(converter, Known::new("CLIP"))),
    },
    OpKind { types: &["prelu"], inputs: PRELU, cpu: |op| Ok(prelu(op)), npu: Some(convert_prelu) },
];

type Function = Box<dyn Fn(f64) -> f64 + Send + Sync>;

/// Applies a function to each element.
fn map(op: &CpuOp<'_>, function: Function) -> Arc<dyn Kernel> {
    kernel(op, X, move |given| {
        let x = given.one("X")?;
        typed(x, x.shape().to_vec(), numbers(x).into_iter().map(&function).collect())
    })
}

/// The function of an op, by its type and attributes.
fn function_of(op: &LiteOp) -> Result<Function, String> {
    let float = |name: &str, default: f32| f64::from(op.float(name).unwrap_or(default));
    Ok(match op.op_type.as_str() {
        "abs" => Box::new(f64::abs),
        "ceil" => Box::new(f64::ceil),
        "cos" => Box::new(f64::cos),
        "elu" => {
            let alpha = float("alpha", 1.0);
            Box::new(move |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
        }
        "erf" => Box::new(erf),
        "floor" => Box::new(f64::floor),
        "gelu" if op.flag("approximate").unwrap_or(false) => {
            let slope = (2.0 / std::f64::consts::PI).sqrt();
            Box::new(move |x| 0.5 * x * (1.0 + (slope * (x + 0.044_715 * x.powi(3))).tanh()))
        }
        "gelu" => Box::new(|x| 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))),
        "hard_tanh" => {
            let (min, max) = (float("t_min", -1.0), float("t_max", 1.0));
            Box::new(move |x| x.max(min).min(max))
        }
        "log" => Box::new(f64::ln),
        "reciprocal" => Box::new(f64::recip),
        "relu1" => Box::new(|x| x.clamp(0.0, 1.0)),
        // Half away from zero, as C's round.
        "round" => Box::new(f64::round),
        "rsqrt" => Box::new(|x| x.sqrt().recip()),
        "sign" => Box::new(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        "sin" => Box::new(f64::sin),
        "softplus" => {
            let (beta, threshold) = (float("beta", 1.0), float("threshold", 20.0));
            Box::new(move |x| if x * beta > threshold { x } else { (x * beta).exp().ln_1p() / beta })
        }
        "softsign" => Box::new(|x| x / (1.0 + x.abs())),
        "sqrt" => Box::new(f64::sqrt),
        "square" => Box::new(|x| x * x),
        "thresholded_relu" => {
            let threshold = float("threshold", 1.0);
            Box::new(move |x| if x > threshold { x } else { 0.0 })
        }
        other => return Err(format!("`{other}` is no function of one element")),
    })
}

/// The error function, by its series of positive terms.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, 0.0, 0.0);
    while sum + term != sum {
        sum += term;
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// x, or slope·x below zero; one slope, one a channel, or one an element.
fn prelu(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let mode = op.op().text("mode").unwrap_or("all").to_owned();
    vec![kernel(op, PRELU, move |given| {
        let (x, slopes) = (given.one("X")?, numbers(given.one("Alpha")?));
        let plane: usize = match mode.as_str() {
            "channel" => x.shape()[axis_of(1, x.shape().len())? + 1..].iter().product(),
            _ => 1,
        };
        let fault = || Fault(format!("{} slope(s) do not fit {:?}", slopes.len(), x.shape()));
        let period = if mode == "all" { 1 } else { slopes.len() };
        if period == 0 || plane == 0 || !x.len().is_multiple_of(period * plane) {
            return Err(fault());
        }
        let slope = |at: usize| slopes[at / plane % period];
        let values = numbers(x).into_iter().enumerate();
        let values = values.map(|(at, value)| if value < 0.0 { value * slope(at) } else { value }).collect();
        typed(x, x.shape().to_vec(), values)
    })]
}

/// The driver takes four axes and no slope an element (`converter/prelu.cc`).
fn convert_prelu(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    if converter.lite().text("mode") == Some("element") {
        return Err(converter.refuse(RefusalClass::Unsupported, "prelu with a slope an element"));
    }
    let x = converter.input("X", 0)?;
    if converter.operand(x).shape.len() != 4 {
        return Err(converter.refuse(RefusalClass::Unsupported, "prelu takes four axes only"));
    }
    real::convert(converter, Known::new("PRELU"))
}

/// The values of a tensor under another function; for families that end in an activation.
pub(super) fn fused(activation: &str) -> Result<fn(f64) -> f64, String> {
    Ok(match activation {
        "" => |x| x,
        "relu" => |x| x.max(0.0),
        "relu1" => |x| x.clamp(0.0, 1.0),
        "relu6" => |x| x.clamp(0.0, 6.0),
        "sigmoid" => |x| 1.0 / (1.0 + (-x).exp()),
        "tanh" => f64::tanh,
        other => return Err(format!("a fused `{other}` has no kernel")),
    })
}
