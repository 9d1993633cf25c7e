//! The catalogue of ways in which a random program grows. To add one, write a function and name it in [`STEPS`].

mod activation;
mod convolution;
mod elementwise;
mod head;
mod layout;
mod spatial;

use super::builder::ProgramBuilder;

/// Adds ops if the program has tensors that fit, and says whether it did.
type Step = fn(&mut ProgramBuilder) -> bool;

/// Each way to grow with its weight in the draw.
const STEPS: &[(usize, Step)] = &[
    (14, convolution::conv),
    (4, convolution::depthwise_conv),
    (2, convolution::conv_transpose),
    (3, convolution::batch_norm),
    (14, activation::activation),
    (8, activation::unsupported),
    (3, spatial::pool),
    (3, spatial::gate),
    (14, elementwise::binary),
    (3, elementwise::binary_with_parameter),
    (2, elementwise::itself_twice),
    (6, layout::concat),
    (6, layout::split),
    (2, layout::slice),
    (3, activation::identity),
    (2, activation::in_place),
    (2, activation::dropout),
    (2, layout::transpose),
    (2, layout::reshape),
    (2, spatial::interp),
    (2, activation::softmax),
    (1, elementwise::constant),
    (2, head::head),
    (1, head::arg_max),
];

/// Grows the program once; where a draw does not fit its tensors, draws again.
pub(super) fn grow(b: &mut ProgramBuilder) {
    let total: usize = STEPS.iter().map(|(weight, _)| weight).sum();
    // An activation fits every program, so that the draws end; the bound only makes that plain.
    for _ in 0..1000 {
        let mut draw = b.rng.usize(..total);
        let step = STEPS.iter().find(|(weight, _)| {
            let found = draw < *weight;
            draw = draw.saturating_sub(*weight);
            found
        });
        if step.is_some_and(|(_, step)| step(b)) {
            return;
        }
    }
}
