//! Linear layers, on codes and on real values.

use super::epilogue::{Epilogue, SumsEpilogue};
use crate::{
    Fault, Kernel, Tensor,
    buffers::Element,
    kernel::{codes, reals},
    math::{
        direct::DirectLinear,
        matmul::{FloatWeights, IntegerWeights},
    },
};

/// Splits a tensor into rows of `cols`.
fn rows_of(x: &Tensor, cols: usize) -> Result<usize, Fault> {
    if cols == 0 || !x.len().is_multiple_of(cols) {
        return Err(Fault(format!("{:?} does not divide into rows of {cols}", x.shape())));
    }
    Ok(x.len() / cols)
}

/// The shape of a linear layer's output: the leading axes kept, the last replaced.
fn linear_shape(x: &Tensor, rows: usize, units: usize) -> Vec<usize> {
    let mut shape = x.shape().to_vec();
    shape.pop();
    if shape.iter().product::<usize>() != rows {
        shape = vec![rows];
    }
    shape.push(units);
    shape
}

/// `out[row, unit]` from `sums[unit, row]`.
fn transposed<T: Copy>(x: &[T], rows: usize, cols: usize) -> Vec<T> {
    (0..rows * cols).map(|at| x[at % cols * rows + at / cols]).collect()
}

/// A linear layer on codes.
pub(crate) struct IntegerLinear<E> {
    units: usize,
    cols: usize,
    weights: IntegerMatrix,
    zero_point: i32,
    epilogue: E,
}

enum IntegerMatrix {
    Direct(DirectLinear),
    Packed(IntegerWeights),
}

impl<E> IntegerLinear<E> {
    /// `weights` are units × inputs, with one zero point.
    pub(crate) fn new(weights: &[i8], units: usize, weight_zero: i32, zero_point: i32, epilogue: E) -> Self {
        let offsets: Vec<i32> = weights.iter().map(|&weight| i32::from(weight) - weight_zero).collect();
        let cols = weights.len() / units.max(1);
        let weights = match DirectLinear::new(&offsets, units) {
            Some(direct) => IntegerMatrix::Direct(direct),
            None => IntegerMatrix::Packed(IntegerWeights::pack(weights, units, weight_zero)),
        };
        Self { units, cols, weights, zero_point, epilogue }
    }
}

impl<E: SumsEpilogue> Kernel for IntegerLinear<E> {
    fn is_worth_keeping(&self, output: &Tensor) -> bool {
        output.as_codes().is_some()
    }

    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        let rows = rows_of(x, self.cols)?;
        let mut out = E::Finished::buffer(self.units * rows);
        match &self.weights {
            IntegerMatrix::Direct(direct) => {
                for (x, out) in codes.chunks_exact(self.cols).zip(out.chunks_exact_mut(self.units)) {
                    direct.run(x, self.zero_point, |sums| self.epilogue.column(sums, out));
                }
            }
            IntegerMatrix::Packed(weights) => {
                let columns = transposed(codes, self.cols, rows);
                let mut sums = vec![0; self.units * rows];
                weights.multiply(&columns, rows, self.zero_point, &mut sums);
                let sums = transposed(&sums, rows, self.units);
                for (sums, out) in sums.chunks_exact(self.units).zip(out.chunks_exact_mut(self.units)) {
                    self.epilogue.column(sums, out);
                }
            }
        }
        Ok(<E as Epilogue<i32>>::tensor(linear_shape(x, rows, self.units), out))
    }
}

/// A linear layer on real values.
pub(crate) struct FloatLinear<E> {
    weights: FloatWeights,
    epilogue: E,
}

impl<E> FloatLinear<E> {
    /// `weights` are units × inputs.
    pub(crate) fn new(weights: &[f32], units: usize, epilogue: E) -> Self {
        Self { weights: FloatWeights::pack(weights, units), epilogue }
    }
}

impl<E: Epilogue<f32>> Kernel for FloatLinear<E> {
    fn is_worth_keeping(&self, _output: &Tensor) -> bool {
        true
    }

    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let (units, rows) = (self.weights.rows(), rows_of(x, self.weights.cols())?);
        let columns = transposed(values, self.weights.cols(), rows);
        let mut sums = vec![0.0; units * rows];
        self.weights.multiply(&columns, rows, &mut sums);
        let sums = transposed(&sums, rows, units);
        let mut out = E::Out::buffer(units * rows);
        for (sums, out) in sums.chunks_exact(units).zip(out.chunks_exact_mut(units)) {
            self.epilogue.column(sums, out);
        }
        Ok(E::tensor(linear_shape(x, rows, units), out))
    }
}
