//! The rewriting of a program that Paddle Lite does before it prints `subgraph operators:` (spec/paddle-lite.md A1): one pass a
//! file in `passes`, in Paddle Lite's order.

mod desc;
mod emit;
mod needed;
mod passes;
mod program;
mod scope;
mod ssa;

pub(crate) use needed::complete;
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

/// A release of Paddle Lite. They differ in the order in which constants are folded, and in tensors without dimensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiteRelease {
    /// 2.13-rc, as in the `paddlelite` wheel.
    V2_13Rc,
    /// The develop branch of March 2024.
    #[default]
    Develop,
}

/// Rewrites the root block and lists the result in log order.
pub(crate) fn build(model: &Model, options: LiteOptions) -> Result<LiteProgram, ModelError> {
    let Some(block) = model.program.blocks.first() else {
        return Err(ModelError::Content { file: "the program".to_owned(), problem: "it has no block".to_owned() });
    };
    needed::check(&model.program)?;
    let mut scope = Scope::new(model);
    let mut graph = SsaGraph::new(block, |name| model.params.contains_key(name));
    remove_fake_quantization(&mut graph, &mut scope)?;
    fold_constants(&mut graph, &mut scope, options.release)?;
    passes::identity_scale::run(&mut graph)?;
    passes::identity_dropout::run(&mut graph);
    passes::propagate_scales::run(&mut graph, options.scale_level);
    Ok(emit::emit(&graph, &scope))
}

/// `lite_quant_dequant_fuse_pass` (spec/paddle-lite.md D).
fn remove_fake_quantization(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    passes::delete_quant::run(graph, scope)?;
    passes::fuse_dequant::run(graph, scope)?;
    passes::quant_dequant::run(graph, scope)?;
    passes::quant_dequant_linear::run(graph, scope)?;
    passes::dequant_linear::run(graph, scope)
}

/// The passes between the quantization and the minimal set of fusions (spec/paddle-lite.md A1).
fn fold_constants(graph: &mut SsaGraph, scope: &mut Scope, release: LiteRelease) -> Result<(), ModelError> {
    use passes::{fold_assign_value, fold_fill_constant, fold_range, fold_reshape, fold_scale, fold_unsqueeze};
    if release == LiteRelease::Develop {
        passes::zero_dim::run(graph, scope);
    }
    passes::op_transformation::run(graph);
    fold_assign_value::run(graph, scope)?;
    passes::fold_ssd_boxes::run(graph, scope)?;
    passes::fuse_norm::run(graph);
    fold_fill_constant::run(graph, scope)?;
    fold_range::run(graph, scope)?;
    let last = match release {
        LiteRelease::V2_13Rc => [fold_scale::run, fold_unsqueeze::run, fold_reshape::run],
        LiteRelease::Develop => [fold_reshape::run, fold_unsqueeze::run, fold_scale::run],
    };
    last.iter().try_for_each(|fold| fold(graph, scope))
}
