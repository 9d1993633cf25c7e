//! Every deviation of the driven systems from plain arithmetic, each as one named function that cites its source.
//!
//! A kernel computes; what is peculiar about how the hardware or the stack computes it is here, so that a reader can list it.

pub mod lite;
pub mod npu;
pub(crate) mod stack;
