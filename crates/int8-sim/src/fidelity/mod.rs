//! How faithful the simulator is: compared with what the real stack answered.

mod vectors;

pub use vectors::{OpVector, VectorError, VectorReport};
