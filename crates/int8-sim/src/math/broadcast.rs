//! Element-wise binary loops with numpy-style broadcasting.

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
pub(crate) fn zip<T: Copy, U>(
    (a, a_shape): (&[T], &[usize]),
    (b, b_shape): (&[T], &[usize]),
    f: impl Fn(T, T) -> U,
) -> Vec<U> {
    if a_shape == b_shape {
        return a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect();
    }
    let shape: Vec<usize> = a_shape.iter().zip(b_shape).map(|(&a, &b)| a.max(b)).collect();
    let strides = |of: &[usize]| {
        let mut stride = 1;
        let mut strides: Vec<usize> = of
            .iter()
            .rev()
            .map(|&extent| {
                let step = if extent == 1 { 0 } else { stride };
                stride *= extent;
                step
            })
            .collect();
        strides.reverse();
        strides
    };
    let (a_strides, b_strides) = (strides(a_shape), strides(b_shape));
    // Trailing axes on which each operand is either whole or constant form one inner loop.
    let mut inner_axes = 0;
    let mut inner = 1;
    let (mut a_step, mut b_step) = (0, 0);
    for axis in (0..shape.len()).rev() {
        let steps = (usize::from(a_strides[axis] != 0), usize::from(b_strides[axis] != 0));
        if shape[axis] != 1 {
            if inner == 1 {
                (a_step, b_step) = steps;
            } else if steps != (a_step, b_step) {
                break;
            }
        }
        inner *= shape[axis];
        inner_axes += 1;
    }
    let outer = &shape[..shape.len() - inner_axes];
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut index = vec![0; outer.len()];
    for _ in 0..outer.iter().product() {
        let offset = |strides: &[usize]| index.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>();
        let (a, b) = (&a[offset(&a_strides)..], &b[offset(&b_strides)..]);
        match (a_step, b_step) {
            (0, 0) => out.extend(std::iter::repeat_with(|| f(a[0], b[0])).take(inner)),
            (0, _) => out.extend(b[..inner].iter().map(|&b| f(a[0], b))),
            (_, 0) => out.extend(a[..inner].iter().map(|&a| f(a, b[0]))),
            _ => out.extend(a[..inner].iter().zip(&b[..inner]).map(|(&a, &b)| f(a, b))),
        }
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            if index[axis] < outer[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out
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
