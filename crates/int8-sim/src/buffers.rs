//! Buffers that dropped tensors leave to the next ones, so that a run in its steady state allocates nothing.

use std::{
    cell::RefCell,
    sync::{Mutex, PoisonError},
};

/// A thread keeps this many small buffers of a kind; the networks at hand have fewer activations alive at a time.
const KEPT: usize = 64;

/// Buffers from this many bytes on are kept for all threads: outputs are dropped by another thread than the one that computes them.
const LARGE: usize = 64 << 10;

/// How many bytes of large buffers are kept.
const KEPT_LARGE: usize = 64 << 20;

thread_local! {
    static REALS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
    static CODES: RefCell<Vec<Vec<i8>>> = const { RefCell::new(Vec::new()) };
}

static LARGE_REALS: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
static LARGE_CODES: Mutex<Vec<Vec<i8>>> = Mutex::new(Vec::new());

/// An element of a tensor.
pub(crate) trait Element: Copy + Default {
    /// A buffer of `len` elements of any value, all of which the caller writes.
    fn buffer(len: usize) -> Vec<Self> {
        vec![Self::default(); len]
    }
}

impl Element for f32 {
    fn buffer(len: usize) -> Vec<Self> {
        if size_of::<Self>() * len >= LARGE {
            return taken(&mut LARGE_REALS.lock().unwrap_or_else(PoisonError::into_inner), len);
        }
        REALS.with_borrow_mut(|free| taken(free, len))
    }
}

impl Element for i8 {
    fn buffer(len: usize) -> Vec<Self> {
        if len >= LARGE {
            return taken(&mut LARGE_CODES.lock().unwrap_or_else(PoisonError::into_inner), len);
        }
        CODES.with_borrow_mut(|free| taken(free, len))
    }
}

impl Element for f64 {}
impl Element for i32 {}
impl Element for i64 {}
impl Element for usize {}
impl<A: Element, B: Element> Element for (A, B) {}

/// The smallest buffer that suffices and is not much too large, or a new one.
fn taken<T: Copy + Default>(free: &mut Vec<Vec<T>>, len: usize) -> Vec<T> {
    // Not a much larger one: what is short must not wait for what is long.
    let fitting = free.iter().enumerate().filter(|(_, buffer)| (len..=2 * len + 64).contains(&buffer.capacity()));
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
    if size_of::<f32>() * buffer.capacity() >= LARGE {
        left_large(&LARGE_REALS, buffer);
        return;
    }
    // A thread that ends has no store any more.
    let _ = REALS.try_with(|free| left(&mut free.borrow_mut(), buffer));
}

/// Keeps a buffer for later.
pub(crate) fn leave_codes(buffer: Vec<i8>) {
    if buffer.capacity() >= LARGE {
        left_large(&LARGE_CODES, buffer);
        return;
    }
    let _ = CODES.try_with(|free| left(&mut free.borrow_mut(), buffer));
}

fn left<T>(free: &mut Vec<Vec<T>>, buffer: Vec<T>) {
    if buffer.capacity() > 0 && free.len() < KEPT {
        free.push(buffer);
    }
}

fn left_large<T>(free: &Mutex<Vec<Vec<T>>>, buffer: Vec<T>) {
    let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
    let held: usize = free.iter().map(|buffer| size_of::<T>() * buffer.capacity()).sum();
    if held + size_of::<T>() * buffer.capacity() <= KEPT_LARGE {
        free.push(buffer);
    }
}
