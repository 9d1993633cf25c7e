//! Buffers that dropped tensors leave to the next ones, so that a run in its steady state allocates nothing.

use std::cell::RefCell;

/// A thread keeps this many buffers of a kind; the networks at hand have fewer activations alive at a time.
const KEPT: usize = 64;

/// Larger buffers are left to the allocator, so that an idle thread holds little.
const LARGEST: usize = 4 << 20;

thread_local! {
    static REALS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
    static CODES: RefCell<Vec<Vec<i8>>> = const { RefCell::new(Vec::new()) };
}

/// An element of a tensor.
pub(crate) trait Element: Copy + Default {
    /// A buffer of `len` elements of any value, all of which the caller writes.
    fn buffer(len: usize) -> Vec<Self> {
        vec![Self::default(); len]
    }
}

impl Element for f32 {
    fn buffer(len: usize) -> Vec<Self> {
        REALS.with_borrow_mut(|free| taken(free, len))
    }
}

impl Element for i8 {
    fn buffer(len: usize) -> Vec<Self> {
        CODES.with_borrow_mut(|free| taken(free, len))
    }
}

impl Element for f64 {}
impl Element for i32 {}
impl Element for i64 {}
impl Element for usize {}
impl<A: Element, B: Element> Element for (A, B) {}

/// The smallest buffer that suffices, or a new one.
fn taken<T: Copy + Default>(free: &mut Vec<Vec<T>>, len: usize) -> Vec<T> {
    let fitting = free.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
    let Some((at, _)) = fitting.min_by_key(|(_, buffer)| buffer.capacity()) else {
        return vec![T::default(); len];
    };
    let mut buffer = free.swap_remove(at);
    // What it holds need not be written again.
    buffer.resize(len, T::default());
    buffer
}

/// Keeps a buffer for later.
pub(crate) fn leave_reals(buffer: Vec<f32>) {
    // A thread that ends has no store any more.
    let _ = REALS.try_with(|free| left(&mut free.borrow_mut(), buffer));
}

/// Keeps a buffer for later.
pub(crate) fn leave_codes(buffer: Vec<i8>) {
    let _ = CODES.try_with(|free| left(&mut free.borrow_mut(), buffer));
}

fn left<T>(free: &mut Vec<Vec<T>>, buffer: Vec<T>) {
    if buffer.capacity() > 0 && size_of::<T>() * buffer.capacity() <= LARGEST && free.len() < KEPT {
        free.push(buffer);
    }
}
