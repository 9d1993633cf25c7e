//! One input of the model, with an identity that lets its activations be cached.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::Tensor;

/// The tensors of one run: one per feed, in the program's order, each with its batch axis. Cheap to clone; clones share
/// cached activations.
#[derive(Clone, Debug)]
pub struct Sample {
    id: u64,
    tensors: Arc<[Tensor]>,
}

impl Sample {
    /// A sample of these tensors.
    pub fn new(tensors: Vec<Tensor>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), tensors: tensors.into() }
    }

    /// Its tensors.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Its identity.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}
