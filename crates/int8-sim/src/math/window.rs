//! Sliding windows of pooling.

use std::ops::Range;

use super::simd::widest;
use crate::buffers::Element;

/// Where pooling windows lie; pairs are height, width.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub(crate) size: [usize; 2],
    pub(crate) strides: [usize; 2],
    /// Top, bottom, left, right.
    pub(crate) pads: [usize; 4],
    pub(crate) ceil: bool,
}

impl Window {
    /// A window over everything.
    pub(crate) fn global(height: usize, width: usize) -> Self {
        Self { size: [height, width], strides: [1, 1], pads: [0; 4], ceil: false }
    }

    /// The extent of the output.
    pub(crate) fn output_size(&self, height: usize, width: usize) -> [usize; 2] {
        let extent = |size: usize, pads: usize, axis: usize| {
            let room = (size + pads).saturating_sub(self.size[axis]);
            let stride = self.strides[axis];
            if self.ceil { room.div_ceil(stride) + 1 } else { room / stride + 1 }
        };
        [extent(height, self.pads[0] + self.pads[1], 0), extent(width, self.pads[2] + self.pads[3], 1)]
    }

    /// The elements of one axis that the window at an output position covers.
    pub(crate) fn inside(&self, index: usize, axis: usize, size: usize) -> Range<usize> {
        let (start, pad) = (index * self.strides[axis], self.pads[2 * axis]);
        start.saturating_sub(pad).min(size)..(start + self.size[axis]).saturating_sub(pad).min(size)
    }

    /// Folds the part of each window that lies inside, row by row, plane by plane.
    pub(crate) fn fold<T: Copy, U: Element>(
        &self,
        x: &[T],
        [height, width]: [usize; 2],
        init: U,
        f: impl Fn(U, T) -> U + Copy,
    ) -> Vec<U> {
        let [out_h, out_w] = self.output_size(height, width);
        let planes = x.len() / (height * width).max(1);
        let mut out = U::buffer(planes * out_h * out_w);
        out.fill(init);
        let is_global = [out_h, out_w] == [1, 1] && self.pads == [0; 4] && self.size == [height, width];
        widest(
            #[inline(always)]
            || {
                if is_global {
                    fold_whole(x, height * width, &mut out, f);
                    return;
                }
                for (plane, out) in x.chunks_exact(height * width).zip(out.chunks_exact_mut(out_h * out_w)) {
                    for (oy, out) in out.chunks_exact_mut(out_w).enumerate() {
                        for row in self.inside(oy, 0, height) {
                            let row = &plane[row * width..][..width];
                            (0..self.size[1]).for_each(|tap| self.fold_tap(row, tap, out, f));
                        }
                    }
                }
            },
        );
        out
    }

    /// Folds one element of each window of a row.
    #[inline(always)]
    fn fold_tap<T: Copy, U: Copy>(&self, row: &[T], tap: usize, out: &mut [U], f: impl Fn(U, T) -> U + Copy) {
        let (stride, pad) = (self.strides[1], self.pads[2]);
        let first = pad.saturating_sub(tap).div_ceil(stride).min(out.len());
        let Some(row) = row.get((first * stride + tap).saturating_sub(pad)..) else { return };
        let out = &mut out[first..];
        if stride == 1 {
            out.iter_mut().zip(row).for_each(|(out, &x)| *out = f(*out, x));
        } else if stride == 2 {
            let (pairs, last) = row.as_chunks::<2>();
            let (out, rest) = out.split_at_mut(pairs.len().min(out.len()));
            out.iter_mut().zip(pairs).for_each(|(out, &[x, _])| *out = f(*out, x));
            rest.iter_mut().zip(last).for_each(|(out, &x)| *out = f(*out, x));
        } else {
            out.iter_mut().zip(row.iter().step_by(stride)).for_each(|(out, &x)| *out = f(*out, x));
        }
    }
}

/// Folds each plane of `len` elements, in their order; several planes at a time, since each step of a fold waits for the one before.
#[inline(always)]
fn fold_whole<T: Copy, U: Copy>(x: &[T], len: usize, out: &mut [U], f: impl Fn(U, T) -> U + Copy) {
    const TOGETHER: usize = 8;
    let (groups, rest) = out.as_chunks_mut::<TOGETHER>();
    let (x, x_rest) = x.split_at(groups.len() * TOGETHER * len);
    for (planes, folds) in x.chunks_exact(TOGETHER * len).zip(groups) {
        let planes: [&[T]; TOGETHER] = std::array::from_fn(|plane| &planes[plane * len..][..len]);
        for at in 0..len {
            for (fold, plane) in folds.iter_mut().zip(planes) {
                *fold = f(*fold, plane[at]);
            }
        }
    }
    for (plane, fold) in x_rest.chunks_exact(len).zip(rest) {
        *fold = plane.iter().fold(*fold, |fold, &x| f(fold, x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_window_is_folded_in_the_order_of_its_elements(
            size in prop::array::uniform2(1usize..30), window in prop::array::uniform2(1usize..5),
            strides in prop::array::uniform2(1usize..4), pads in prop::array::uniform4(0usize..2),
            planes in 1usize..20, global in any::<bool>(), ceil in any::<bool>(),
        ) {
            let [height, width] = size;
            prop_assume!((0..2).all(|axis| size[axis] + pads[2 * axis] + pads[2 * axis + 1] >= window[axis]));
            let window = if global { Window::global(height, width) } else { Window { size: window, strides, pads, ceil } };
            let x: Vec<u32> = (0..(planes * height * width) as u32).collect();
            // No two orders give the same.
            let f = |fold: u64, x: u32| (fold ^ u64::from(x)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(7);
            let [out_h, out_w] = window.output_size(height, width);
            let mut expected = Vec::new();
            for plane in x.chunks_exact(height * width) {
                for (oy, ox) in (0..out_h).flat_map(|oy| (0..out_w).map(move |ox| (oy, ox))) {
                    let rows = window.inside(oy, 0, height);
                    let inside = rows.flat_map(|row| &plane[row * width..][window.inside(ox, 1, width)]);
                    expected.push(inside.fold(1, |fold, &x| f(fold, x)));
                }
            }
            let folds = window.fold(&x, size, Fold(1), |fold, x| Fold(f(fold.0, x)));
            prop_assert_eq!(folds.iter().map(|fold| fold.0).collect::<Vec<_>>(), expected);
        }
    }

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    struct Fold(u64);

    impl Element for Fold {}
}
