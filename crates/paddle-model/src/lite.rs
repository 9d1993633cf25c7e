//! The rewriting of a program that Paddle Lite does before it prints `subgraph operators:` (spec/paddle-lite.md A1): one pass a
//! file in `passes`, in Paddle Lite's order.

#![expect(dead_code, reason = "the passes that use the rest come next")]

mod desc;
mod emit;
mod program;
mod scope;
mod ssa;

pub use program::{LiteOp, LiteProgram, Scales, Tensor, Weight, WeightScales};

use crate::{Model, ModelError};
use scope::Scope;
use ssa::SsaGraph;

/// Which Paddle Lite to follow, and how far its scale propagation may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiteOptions {
    /// The release to follow where releases differ.
    pub release: LiteRelease,
    /// `QUANT_AUTO_COMPLETE_SCALE_LEVEL`, 0 to 3 (spec/paddle-lite.md D); Paddle Lite's default is 0.
    pub scale_level: u8,
}

/// A release of Paddle Lite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiteRelease {
    /// 2.13-rc, as in the `paddlelite` wheel.
    V2_13Rc,
    /// The develop branch of March 2024.
    #[default]
    Develop,
}

/// Rewrites the root block and lists the result in log order.
pub(crate) fn build(model: &Model, _options: LiteOptions) -> Result<LiteProgram, ModelError> {
    let Some(block) = model.program.blocks.first() else {
        return Err(ModelError::Content { file: "the program".to_owned(), problem: "it has no block".to_owned() });
    };
    let scope = Scope::new(model);
    let graph = SsaGraph::new(block, |name| model.params.contains_key(name));
    Ok(emit::emit(&graph, &scope))
}
