//! Paddings: `pad2d`, `pad3d`, `pad`; none of them runs on the NPU (spec/paddle-lite.md C1).

use std::sync::Arc;

use super::OpKind;
use crate::{
    Data, Fault, Kernel, Tensor,
    cpu::CpuOp,
    operands::{filled, kernel, numbers, strides},
    program::Attributes,
};

const PAD: &[&str] = &["X", "Paddings"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[OpKind { types: &["pad", "pad2d", "pad3d"], inputs: PAD, cpu: padded, npu: None }];

/// Where a position outside of the input takes its value from.
#[derive(Clone, Copy)]
enum Mode {
    Constant,
    /// Mirrored at the border, which is not repeated.
    Reflect,
    /// The border repeated.
    Edge,
    /// From the other end.
    Circular,
}

impl Mode {
    fn source(self, at: i64, extent: i64) -> Option<usize> {
        let inside = |at: i64| (0..extent).contains(&at).then_some(at as usize);
        match self {
            Self::Constant => inside(at),
            Self::Reflect => inside(if at < 0 { -at } else { at.min(2 * (extent - 1) - at) }),
            Self::Edge => inside(at.clamp(0, extent - 1)),
            Self::Circular => inside(at.rem_euclid(extent.max(1))),
        }
    }
}

fn padded(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let lite = op.op();
    let mode = match lite.text("mode").unwrap_or("constant") {
        "constant" => Mode::Constant,
        "reflect" => Mode::Reflect,
        "edge" | "replicate" => Mode::Edge,
        "circular" => Mode::Circular,
        other => return Err(format!("a padding by `{other}` has no kernel")),
    };
    let value = ["value", "pad_value"].iter().find_map(|name| lite.float(name)).map_or(0.0, f64::from);
    let own = lite.ints("paddings").unwrap_or_default();
    let op_type = lite.op_type.clone();
    let channels_last = lite.text("data_format").is_some_and(|format| format.ends_with('C'));
    Ok(vec![kernel(op, PAD, move |given| {
        let x = given.one("X")?;
        let paddings = given.integers("Paddings").unwrap_or_else(|| own.clone());
        let pairs = match op_type.as_str() {
            // [before, after] an axis, in the order of the axes.
            "pad" => paddings.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect(),
            _ => spatial(&paddings, x.shape().len(), channels_last, op_type == "pad3d")?,
        };
        pad(x, &pairs, mode, value)
    })])
}

/// The pairs of the spatial axes: `pad2d` names them from the outermost, `pad3d` from the innermost.
fn spatial(paddings: &[i64], rank: usize, channels_last: bool, inner_first: bool) -> Result<Vec<[i64; 2]>, Fault> {
    let mut pairs: Vec<[i64; 2]> = paddings.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
    if inner_first {
        pairs.reverse();
    }
    if pairs.len() + 2 != rank {
        return Err(Fault(format!("{paddings:?} do not pad a tensor of {rank} axes")));
    }
    let lead = if channels_last { 1 } else { 2 };
    let mut all = vec![[0; 2]; rank];
    all[lead..lead + pairs.len()].copy_from_slice(&pairs);
    Ok(all)
}

fn pad(x: &Tensor, pairs: &[[i64; 2]], mode: Mode, value: f64) -> Result<Tensor, Fault> {
    if pairs.len() != x.shape().len() {
        return Err(Fault(format!("{} pairs do not pad {:?}", pairs.len(), x.shape())));
    }
    // Along each axis the offset of the source, none where the constant goes.
    let mut shape = Vec::with_capacity(pairs.len());
    let mut positions = vec![Some(0)];
    for ((&[before, after], &extent), stride) in pairs.iter().zip(x.shape()).zip(strides(x.shape())) {
        let extent = extent as i64;
        let sources: Vec<Option<usize>> =
            (-before..extent + after).map(|at| Some(mode.source(at, extent)? * stride)).collect();
        shape.push(sources.len());
        let next = |at: &Option<usize>| {
            let at = *at;
            sources.iter().map(move |source| Some(at? + (*source)?)).collect::<Vec<_>>()
        };
        positions = positions.iter().flat_map(next).collect();
    }
    let values = numbers(x);
    let values = positions.into_iter().map(|at| at.map_or(value, |at| values[at]));
    match x.data() {
        Data::I8(_) => Err(Fault::new("a padding of 8-bit codes has no kernel")),
        _ => filled(shape, Data::F32(values.map(|value| value as f32).collect())),
    }
}
