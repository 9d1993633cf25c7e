//! Exact integer and float matrix products over packed weights, by `rten-gemm`'s run-time chosen SIMD kernels.

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedAMatrix};
use rten_tensor::NdTensorView;

thread_local! {
    static INTEGER: GemmExecutor<u8, i8, i32> = GemmExecutor::new();
    static FLOAT: GemmExecutor<f32> = GemmExecutor::new();
}

/// An int8 weight matrix, rows × cols, packed once for the left-hand side.
pub(crate) struct IntegerWeights {
    rows: usize,
    cols: usize,
    codes: Vec<i8>,
    zero_point: i32,
    /// The codes plus 128: the SIMD kernels take an unsigned left-hand side.
    packed: PackedAMatrix<u8>,
    /// `Σ (w - zw)` of each row.
    row_sums: Vec<i32>,
}

impl IntegerWeights {
    /// Packs `codes` (row-major); one zero point for all.
    pub(crate) fn pack(codes: &[i8], rows: usize, zero_point: i32) -> Self {
        let cols = codes.len() / rows.max(1);
        let unsigned: Vec<u8> = codes.iter().map(|&code| (i16::from(code) + 128) as u8).collect();
        let packed = INTEGER.with(|gemm| gemm.prepack_a(NdTensorView::from_data([rows, cols], unsigned.as_slice())));
        let row_sums = codes
            .chunks_exact(cols.max(1))
            .map(|row| row.iter().map(|&code| i32::from(code) - zero_point).sum())
            .collect();
        Self { rows, cols, codes: codes.to_vec(), zero_point, packed, row_sums }
    }

    /// The number of rows, one an output channel.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns, the length of each dot product.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// `out[rows × n] = Σ (w - zw)·(x - zx)` for `x` of cols × n.
    pub(crate) fn multiply(&self, x: &[i8], n: usize, zero_point: i32, out: &mut [i32]) {
        if INTEGER.with(GemmExecutor::may_saturate) {
            self.multiply_portably(x, n, zero_point, out);
            return;
        }
        let rhs = NdTensorView::from_data([self.cols, n], x);
        INTEGER
            .with(|gemm| {
                gemm.gemm(out, GemmInputA::Packed(&self.packed), GemmInputB::Unpacked(rhs), GemmOptions::default())
            })
            .expect("the shapes agree by construction");
        // Σ (w - zw)(x - zx) = Σ w·x - zw·Σ x - zx·Σ (w - zw)
        let mut column_terms = vec![0; n];
        for x in x.chunks_exact(n) {
            for (term, &x) in column_terms.iter_mut().zip(x) {
                *term += i32::from(x);
            }
        }
        for term in &mut column_terms {
            *term *= self.zero_point + 128;
        }
        for (out, &row_sum) in out.chunks_exact_mut(n).zip(&self.row_sums) {
            let row_term = zero_point * row_sum;
            for (out, &column_term) in out.iter_mut().zip(&column_terms) {
                *out -= column_term + row_term;
            }
        }
    }

    /// The same in plain loops, for machines whose int8 SIMD would saturate intermediate sums.
    pub(crate) fn multiply_portably(&self, x: &[i8], n: usize, zero_point: i32, out: &mut [i32]) {
        for (out, weights) in out.chunks_exact_mut(n).zip(self.codes.chunks_exact(self.cols)) {
            out.fill(0);
            for (x, &weight) in x.chunks_exact(n).zip(weights) {
                let weight = i32::from(weight) - self.zero_point;
                for (out, &x) in out.iter_mut().zip(x) {
                    *out += weight * (i32::from(x) - zero_point);
                }
            }
        }
    }
}

/// A float weight matrix, rows × cols, packed once for the left-hand side.
pub(crate) struct FloatWeights {
    rows: usize,
    cols: usize,
    packed: PackedAMatrix<f32>,
}

impl FloatWeights {
    /// Packs `values` (row-major).
    pub(crate) fn pack(values: &[f32], rows: usize) -> Self {
        let cols = values.len() / rows.max(1);
        Self { rows, cols, packed: FLOAT.with(|gemm| gemm.prepack_a(NdTensorView::from_data([rows, cols], values))) }
    }

    /// The number of rows, one an output channel.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns, the length of each dot product.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// `out[rows × n] = w·x` for `x` of cols × n.
    pub(crate) fn multiply(&self, x: &[f32], n: usize, out: &mut [f32]) {
        let rhs = NdTensorView::from_data([self.cols, n], x);
        FLOAT
            .with(|gemm| {
                gemm.gemm(out, GemmInputA::Packed(&self.packed), GemmInputB::Unpacked(rhs), GemmOptions::default())
            })
            .expect("the shapes agree by construction");
    }
}

/// `out[m × n] = a[m × k]·b[k × n]` for operands that change every call.
pub(crate) fn multiply_float(a: &[f32], b: &[f32], [m, k, n]: [usize; 3], out: &mut [f32]) {
    let (a, b) = (NdTensorView::from_data([m, k], a), NdTensorView::from_data([k, n], b));
    FLOAT
        .with(|gemm| gemm.gemm(out, GemmInputA::Unpacked(a), GemmInputB::Unpacked(b), GemmOptions::default()))
        .expect("the shapes agree by construction");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_simd_product_equals_the_portable_one_bit_for_bit(
            rows in 1usize..20, cols in 1usize..70, n in 1usize..40,
            zero_point in -128i32..128, weight_zero_point in -128i32..128, seed in any::<u64>(),
        ) {
            let mut state = seed | 1;
            let mut code = || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state as i8 };
            let weights = IntegerWeights::pack(&(0..rows * cols).map(|_| code()).collect::<Vec<_>>(), rows, weight_zero_point);
            let x: Vec<i8> = (0..cols * n).map(|_| code()).collect();
            let (mut simd, mut portable) = (vec![0; rows * n], vec![0; rows * n]);
            weights.multiply(&x, n, zero_point, &mut simd);
            weights.multiply_portably(&x, n, zero_point, &mut portable);
            prop_assert_eq!(simd, portable);
        }
    }
}
