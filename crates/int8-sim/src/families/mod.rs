//! The ops, one file a family: what it computes on the CPU, what it becomes on the NPU, and what that computes.
//!
//! A new family is a new file and a line in `FAMILIES`.

pub mod activation;
pub mod batch_norm;
mod binary;
pub mod conv;
pub mod convert;
mod create;
mod detection;
pub mod elementwise;
mod extremes;
pub mod layout;
mod linear;
pub mod matmul;
mod norm;
mod pad;
pub mod pool;
pub mod real;
pub mod reduce;
pub mod resize;
pub mod scale;
mod select;
pub mod shuffle;
pub mod softmax;
pub mod split;
mod unary;

use std::sync::Arc;

use crate::{Kernel, Refusal, cluster::Converter, cpu::CpuOp};

/// Prepares the CPU kernel of each result, in the order of the op's result argument; else says why there is none.
pub(crate) type PrepareCpu = fn(&CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String>;

/// Converts an op to NNAdapter operations.
pub(crate) type ConvertNpu = fn(&mut Converter<'_>) -> Result<(), Refusal>;

/// Op types that share their code.
pub(crate) struct OpKind {
    /// Paddle's op types.
    pub(crate) types: &'static [&'static str],
    /// The input arguments whose variables the CPU kernel reads, in its order; constants among them are left out.
    pub(crate) inputs: &'static [&'static str],
    /// How it runs on the CPU.
    pub(crate) cpu: PrepareCpu,
    /// How it runs on the NPU; none where the simulator cannot.
    pub(crate) npu: Option<ConvertNpu>,
}

/// Every family.
const FAMILIES: &[&[OpKind]] = &[
    activation::OPS,
    batch_norm::OPS,
    binary::OPS,
    conv::OPS,
    create::OPS,
    detection::OPS,
    elementwise::OPS,
    extremes::OPS,
    layout::OPS,
    linear::OPS,
    matmul::OPS,
    norm::OPS,
    pad::OPS,
    pool::OPS,
    reduce::OPS,
    resize::OPS,
    scale::OPS,
    select::OPS,
    shuffle::OPS,
    softmax::OPS,
    split::OPS,
    unary::OPS,
];

/// The kind of an op type.
pub(crate) fn kind_of(op_type: &str) -> Option<&'static OpKind> {
    FAMILIES.iter().copied().flatten().find(|kind| kind.types.contains(&op_type))
}

/// What the simulator can do with an op type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Coverage {
    /// It has a CPU kernel.
    pub cpu: bool,
    /// It has NPU kernels.
    pub npu: bool,
}

/// Whether an op type has kernels; `feed` and `fetch` need none.
pub fn coverage(op_type: &str) -> Coverage {
    let needs_none = matches!(op_type, "feed" | "fetch");
    let kind = kind_of(op_type);
    Coverage { cpu: needs_none || kind.is_some(), npu: kind.is_some_and(|kind| kind.npu.is_some()) }
}
