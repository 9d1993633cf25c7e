//! What runs: one op of a compiled plan, on the tensors of one sample.

use std::sync::Arc;

use crate::{Data, Tensor, buffers::Element, families::activation::Function, math::simd, rules};

/// A prepared op: its weights are packed, its tables built. Equal inputs give equal outputs, bit for bit.
pub trait Kernel: Send + Sync {
    /// Computes the one output from the inputs, in the order the plan lists them.
    ///
    /// # Errors
    /// When shapes or element types do not fit, which a well-formed model does not cause.
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault>;

    /// Does this output of it cost clearly more to compute than to keep and find again?
    fn is_worth_keeping(&self, _output: &Tensor) -> bool {
        false
    }

    /// The same where nobody else reads the first input: a kernel may put its output in the input's place.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn run_in_place(&self, first: Tensor, rest: &[&Tensor]) -> Result<Tensor, Fault> {
        let inputs: Vec<&Tensor> = std::iter::once(&first).chain(rest.iter().copied()).collect();
        self.run(&inputs)
    }

    /// What it does to each element of its only input, where that is one of a few simple things.
    fn stage(&self) -> Option<Stage> {
        None
    }

    /// Itself with a following stage done in the same pass; none where it cannot take that over.
    fn with_stage(&self, _stage: &Stage) -> Option<Arc<dyn Kernel>> {
        None
    }
}

/// What is done to each real element, as a kernel before it can take it over where nobody else reads what lies between.
pub enum Stage {
    /// A number of each channel is added.
    AddChannels(Vec<f32>),
    /// An activation.
    Function(Function),
    /// A calib.
    Quantize(Quantize),
}

/// Why a kernel could not compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

impl Fault {
    /// A fault with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The input at `index`.
///
/// # Errors
/// When there is none.
pub(crate) fn input<'a>(inputs: &[&'a Tensor], index: usize) -> Result<&'a Tensor, Fault> {
    inputs.get(index).copied().ok_or_else(|| Fault(format!("input {index} is missing")))
}

/// The codes of the input at `index`.
///
/// # Errors
/// When it holds something else.
pub(crate) fn codes<'a>(inputs: &[&'a Tensor], index: usize) -> Result<(&'a Tensor, &'a [i8]), Fault> {
    let tensor = input(inputs, index)?;
    let codes = tensor.as_codes().ok_or_else(|| Fault(format!("input {index} holds no 8-bit codes")))?;
    Ok((tensor, codes))
}

/// The real values of the input at `index`.
///
/// # Errors
/// When it holds something else.
pub(crate) fn reals<'a>(inputs: &[&'a Tensor], index: usize) -> Result<(&'a Tensor, &'a [f32]), Fault> {
    let tensor = input(inputs, index)?;
    let values = tensor.as_f32().ok_or_else(|| Fault(format!("input {index} holds no real values")))?;
    Ok((tensor, values))
}

/// A code-to-code function as its 256 results.
pub(crate) struct Table([i8; 256]);

impl Table {
    /// Tabulates `f`.
    pub(crate) fn new(f: impl Fn(i8) -> i8) -> Self {
        Self(std::array::from_fn(|index| f(index as u8 as i8)))
    }

    /// Is it the identity?
    pub(crate) fn is_identity(&self) -> bool {
        self.0.iter().enumerate().all(|(index, &code)| index as u8 as i8 == code)
    }

    /// The result for one code.
    #[inline]
    pub(crate) fn get(&self, code: i8) -> i8 {
        self.0[usize::from(code as u8)]
    }

    /// The results for many.
    pub(crate) fn map(&self, codes: &[i8]) -> Vec<i8> {
        let mut out = i8::buffer(codes.len());
        out.iter_mut().zip(codes).for_each(|(out, &code)| *out = self.get(code));
        out
    }
}

impl Kernel for Table {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        Ok(Tensor::from_codes(x.shape().to_vec(), self.map(codes)))
    }

    fn run_in_place(&self, mut first: Tensor, _: &[&Tensor]) -> Result<Tensor, Fault> {
        let codes = first.as_codes_mut().ok_or_else(|| Fault::new("input 0 holds no 8-bit codes"))?;
        for code in codes {
            *code = self.get(*code);
        }
        Ok(first)
    }
}

/// A real function of each element.
pub(crate) struct MapReals<F>(pub(crate) F);

impl<F: Fn(f32) -> f32 + Copy + Send + Sync> Kernel for MapReals<F> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        Ok(Tensor::from_f32(x.shape().to_vec(), simd::map(values, self.0)))
    }

    fn run_in_place(&self, mut first: Tensor, _: &[&Tensor]) -> Result<Tensor, Fault> {
        let values = first.as_f32_mut().ok_or_else(|| Fault::new("input 0 holds no real values"))?;
        simd::each_in_place(values, self.0);
        Ok(first)
    }
}

/// Reals to codes, element by element.
pub(crate) struct ToCodes<F>(pub(crate) F);

impl<F: Fn(f32) -> i8 + Copy + Send + Sync> Kernel for ToCodes<F> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        Ok(Tensor::from_codes(x.shape().to_vec(), simd::map(values, self.0)))
    }

    /// It ends a chain of float ops, and is a quarter of their size.
    fn is_worth_keeping(&self, _output: &Tensor) -> bool {
        true
    }
}

/// Lite's calib from reals to codes.
#[derive(Clone, Copy)]
pub struct Quantize {
    /// The step of the codes.
    pub(crate) step: f32,
    /// How ties round: half away from zero on ARM, to even on the machine of the recordings.
    pub(crate) nearest_even: bool,
}

impl Quantize {
    /// One code.
    pub(crate) fn code(self, value: f32) -> i8 {
        if self.nearest_even {
            rules::lite::quantize_to_even(value, self.step)
        } else {
            rules::lite::quantize(value, self.step)
        }
    }
}

impl Kernel for Quantize {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let step = self.step;
        if self.nearest_even {
            return ToCodes(
                #[inline(always)]
                move |value| rules::lite::quantize_to_even(value, step),
            )
            .run(inputs);
        }
        ToCodes(
            #[inline(always)]
            move |value| rules::lite::quantize(value, step),
        )
        .run(inputs)
    }

    fn is_worth_keeping(&self, _output: &Tensor) -> bool {
        true
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Quantize(*self))
    }
}

/// Codes to reals, element by element.
pub(crate) struct ToReals<F>(pub(crate) F);

impl<F: Fn(i8) -> f32 + Copy + Send + Sync> Kernel for ToReals<F> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        Ok(Tensor::from_f32(x.shape().to_vec(), simd::map(codes, self.0)))
    }
}

/// Passes the elements on under a shape computed from the input's.
pub(crate) struct Reshape<F>(pub(crate) F);

impl<F: Fn(&[usize]) -> Result<Vec<usize>, Fault> + Send + Sync> Kernel for Reshape<F> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let x = input(inputs, 0)?;
        let shape = (self.0)(x.shape())?;
        if shape.iter().product::<usize>() != x.len() {
            return Err(Fault(format!("cannot reshape {:?} to {shape:?}", x.shape())));
        }
        Ok(x.reshaped(shape))
    }

    fn run_in_place(&self, first: Tensor, _: &[&Tensor]) -> Result<Tensor, Fault> {
        let shape = (self.0)(first.shape())?;
        if shape.iter().product::<usize>() != first.len() {
            return Err(Fault(format!("cannot reshape {:?} to {shape:?}", first.shape())));
        }
        Ok(first.into_shape(shape))
    }
}

/// Rearranges elements of any type: `order(shape)` gives the new shape and, for each new element, its old position.
pub(crate) struct Gather<F>(pub(crate) F);

impl<F: Fn(&[usize]) -> Result<(Vec<usize>, Vec<usize>), Fault> + Send + Sync> Kernel for Gather<F> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        fn pick<T: Copy>(data: &[T], order: &[usize]) -> Vec<T> {
            order.iter().map(|&at| data[at]).collect()
        }
        let x = input(inputs, 0)?;
        let (shape, order) = (self.0)(x.shape())?;
        let data = match x.data() {
            Data::F32(data) => Data::F32(pick(data, &order)),
            Data::I8(data) => Data::I8(pick(data, &order)),
            Data::I32(data) => Data::I32(pick(data, &order)),
            Data::I64(data) => Data::I64(pick(data, &order)),
        };
        Ok(Tensor::new(shape, data))
    }
}

/// One kernel after another.
pub(crate) struct Then(pub(crate) std::sync::Arc<dyn Kernel>, pub(crate) std::sync::Arc<dyn Kernel>);

impl Kernel for Then {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        self.1.run(&[&self.0.run(inputs)?])
    }
}
