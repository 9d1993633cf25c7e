//! Element-wise binary loops with numpy-style broadcasting.

use crate::buffers::Element;

use super::simd::{both, each, each_in_place, pair_in_place};

/// The shape two operands broadcast to; shorter shapes are aligned at `axis` (Paddle's rule; numpy's when it is none).
pub(crate) fn aligned(shape: &[usize], rank: usize, axis: Option<usize>) -> Vec<usize> {
    let lead = axis.unwrap_or(rank.saturating_sub(shape.len())).min(rank.saturating_sub(shape.len()));
    let mut aligned = vec![1; lead];
    aligned.extend_from_slice(shape);
    aligned.resize(rank.max(aligned.len()), 1);
    aligned
}

/// The common shape of two aligned shapes; none where they do not fit.
pub(crate) fn common(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| {
            if a == b || b == 1 {
                Some(a)
            } else if a == 1 {
                Some(b)
            } else {
                None
            }
        })
        .collect()
}

/// Applies `f` over two tensors of aligned shapes that have a common shape.
pub(crate) fn zip<T: Copy, U: Element>(
    (a, a_shape): (&[T], &[usize]),
    (b, b_shape): (&[T], &[usize]),
    f: impl Fn(T, T) -> U + Copy,
) -> Vec<U> {
    let shape: Vec<usize> = a_shape.iter().zip(b_shape).map(|(&a, &b)| a.max(b)).collect();
    let mut out = U::buffer(shape.iter().product());
    if a_shape == b_shape {
        both(&mut out, a, b, f);
        return out;
    }
    let blocks = Blocks::of(a_shape, b_shape);
    let mut offsets = blocks.offsets();
    for out in out.chunks_exact_mut(blocks.inner.max(1)) {
        let [a_at, b_at] = offsets.step();
        let (a, b) = (&a[a_at..], &b[b_at..]);
        match blocks.constant {
            [true, true] => out.fill(f(a[0], b[0])),
            [true, false] => {
                let a = a[0];
                each(
                    out,
                    b,
                    #[inline(always)]
                    move |b| f(a, b),
                );
            }
            [false, true] => {
                let b = b[0];
                each(
                    out,
                    a,
                    #[inline(always)]
                    move |a| f(a, b),
                );
            }
            [false, false] => both(out, a, b, f),
        }
    }
    out
}

/// Applies `f` over two tensors of aligned shapes, the first of which has the common shape and takes the results.
pub(crate) fn zip_in_place<T: Copy>(
    (a, a_shape): (&mut [T], &[usize]),
    (b, b_shape): (&[T], &[usize]),
    f: impl Fn(T, T) -> T + Copy,
) {
    let blocks = Blocks::of(a_shape, b_shape);
    let mut offsets = blocks.offsets();
    for a in a.chunks_exact_mut(blocks.inner.max(1)) {
        let b = &b[offsets.step()[1]..];
        if blocks.constant[1] {
            let b = b[0];
            each_in_place(
                a,
                #[inline(always)]
                move |a| f(a, b),
            );
        } else {
            pair_in_place(a, b, f);
        }
    }
}

/// Two aligned shapes as blocks over whose elements each operand is either whole or constant.
struct Blocks {
    /// The extents that are looped over; none more than the rank.
    outer: Vec<usize>,
    /// How far each operand moves along them.
    strides: Vec<[usize; 2]>,
    /// The elements of a block.
    inner: usize,
    /// Which operand is one element within a block.
    constant: [bool; 2],
}

impl Blocks {
    fn of(a_shape: &[usize], b_shape: &[usize]) -> Self {
        let shape: Vec<usize> = a_shape.iter().zip(b_shape).map(|(&a, &b)| a.max(b)).collect();
        let mut strides = vec![[0; 2]; shape.len()];
        for (operand, of) in [a_shape, b_shape].into_iter().enumerate() {
            let mut stride = 1;
            for (strides, &extent) in strides.iter_mut().zip(of).rev() {
                strides[operand] = if extent == 1 { 0 } else { stride };
                stride *= extent;
            }
        }
        let (mut inner, mut inner_axes, mut constant) = (1, 0, [true; 2]);
        for axis in (0..shape.len()).rev() {
            let still = strides[axis].map(|stride| stride == 0);
            if shape[axis] != 1 {
                if inner == 1 {
                    constant = still;
                } else if still != constant {
                    break;
                }
            }
            inner *= shape[axis];
            inner_axes += 1;
        }
        let mut outer = shape;
        outer.truncate(outer.len() - inner_axes);
        Self { outer, strides, inner, constant }
    }

    fn offsets(&self) -> Offsets<'_> {
        Offsets { blocks: self, index: vec![0; self.outer.len()] }
    }
}

/// Where each block starts in the two operands.
struct Offsets<'a> {
    blocks: &'a Blocks,
    index: Vec<usize>,
}

impl Offsets<'_> {
    fn step(&mut self) -> [usize; 2] {
        let at = |operand: usize| {
            let terms = self.index.iter().zip(&self.blocks.strides);
            terms.map(|(index, strides)| index * strides[operand]).sum::<usize>()
        };
        let offsets = [at(0), at(1)];
        for (index, &extent) in self.index.iter_mut().zip(&self.blocks.outer).rev() {
            *index += 1;
            if *index < extent {
                break;
            }
            *index = 0;
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(a_shape: &[usize], b_shape: &[usize]) {
        let numbers = |shape: &[usize], from: i64| (from..).take(shape.iter().product()).collect::<Vec<i64>>();
        let (a, b) = (numbers(a_shape, 0), numbers(b_shape, 1000));
        let shape = common(a_shape, b_shape).unwrap();
        let at = |data: &[i64], of: &[usize], index: &[usize]| {
            data[of.iter().zip(index).fold(0, |flat, (&extent, &i)| flat * extent + if extent == 1 { 0 } else { i })]
        };
        let mut expected = Vec::new();
        for flat in 0..shape.iter().product::<usize>() {
            let mut rest = flat;
            let mut index: Vec<usize> = shape
                .iter()
                .rev()
                .map(|&e| {
                    let i = rest % e;
                    rest /= e;
                    i
                })
                .collect();
            index.reverse();
            expected.push((at(&a, a_shape, &index), at(&b, b_shape, &index)));
        }
        assert_eq!(zip((&a, a_shape), (&b, b_shape), |a, b| (a, b)), expected);
        if shape == a_shape {
            let mut sums = a.clone();
            zip_in_place((&mut sums, a_shape), (&b, b_shape), |a, b| a + b);
            assert_eq!(sums, expected.iter().map(|(a, b)| a + b).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn every_element_meets_its_broadcast_partner(axes in prop::collection::vec((1usize..4, 0u8..3), 1..5)) {
            let a: Vec<usize> = axes.iter().map(|&(extent, kept)| if kept == 1 { 1 } else { extent }).collect();
            let b: Vec<usize> = axes.iter().map(|&(extent, kept)| if kept == 2 { 1 } else { extent }).collect();
            check(&a, &b);
        }
    }

    #[test]
    fn a_bias_is_aligned_at_the_channel_axis() {
        assert_eq!(aligned(&[16], 4, Some(1)), [1, 16, 1, 1]);
        assert_eq!(aligned(&[16], 4, None), [1, 1, 1, 16]);
        assert_eq!(aligned(&[], 2, None), [1, 1]);
    }
}
