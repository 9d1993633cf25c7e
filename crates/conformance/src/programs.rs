//! Random Paddle programs: valid, small, and with the shapes that make clustering hard.

mod builder;
mod names;
mod quantization;
mod steps;

use paddle_model::Model;

use builder::ProgramBuilder;

pub use names::NameStyle;
pub use quantization::Quantization;

/// What a random program is made from; the same recipe gives the same program, byte for byte.
///
/// A program of fewer steps is a beginning of the program of more steps, but for its outputs, so that a failing
/// program shrinks by lowering `steps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Decides everything but the length.
    pub seed: u64,
    /// How many times the program grows; a step adds one to about five ops.
    pub steps: usize,
}

impl Recipe {
    /// A recipe of 2 to `most` steps.
    pub fn random(rng: &mut fastrand::Rng, most: usize) -> Self {
        Self { seed: rng.u64(..), steps: rng.usize(2..=most.max(2)) }
    }

    /// Makes the program, with parameters that fit it.
    pub fn model(&self) -> Model {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let names = NameStyle::random(&mut rng);
        let quantization = Quantization::random(&mut rng);
        let mut builder = ProgramBuilder::new(rng, names, quantization);
        for _ in 0..self.steps {
            steps::grow(&mut builder);
        }
        builder.finish()
    }
}
