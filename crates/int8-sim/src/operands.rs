//! Kernels of ops whose operands may each be a constant or a variable, and may be of any element type: the operands by
//! argument, and elements as numbers.

use std::{collections::BTreeMap, sync::Arc};

use paddle_model::{TensorData, Weight};

use crate::{
    Data, Fault, Kernel, Tensor,
    cpu::{CpuOp, constant},
    program::{read_version, real_values},
};

/// Where an operand comes from.
enum Slot {
    Constant(Tensor),
    /// The kernel's input at this position.
    Input(usize),
}

/// The operands of an op, by argument.
struct Slots(BTreeMap<&'static str, Vec<Slot>>);

impl Slots {
    /// Resolves the variables of `arguments`, which must be the op kind's `inputs`: the kernel gets the variable ones in that
    /// order.
    fn of(op: &CpuOp<'_>, arguments: &[&'static str]) -> Self {
        let mut position = 0;
        let mut slots = BTreeMap::new();
        for &argument in arguments {
            let names = op.op().inputs.get(argument).map_or(&[][..], Vec::as_slice);
            let mut bound = Vec::with_capacity(names.len());
            for (index, name) in names.iter().enumerate() {
                if let Some(weight) = constant(op.program, op.id, argument, index) {
                    bound.extend(tensor_of(weight).map(Slot::Constant));
                } else if read_version(op.program, op.id, name).is_some() {
                    bound.push(Slot::Input(position));
                    position += 1;
                }
            }
            slots.insert(argument, bound);
        }
        Self(slots)
    }
}

/// A constant as a tensor; truth values become 0 and 1.
fn tensor_of(weight: &Weight) -> Option<Tensor> {
    let data = match &weight.data {
        TensorData::Int32(values) => Data::I32(values.clone()),
        TensorData::Int64(values) => Data::I64(values.clone()),
        TensorData::Bool(values) => Data::I32(values.iter().map(|&value| i32::from(value)).collect()),
        _ => Data::F32(real_values(weight)?),
    };
    let filled = weight.dims.iter().product::<usize>() == weight.data.len();
    filled.then(|| Tensor::new(weight.dims.clone(), data))
}

/// The operands of one run.
pub(crate) struct Given<'a> {
    slots: &'a Slots,
    inputs: &'a [&'a Tensor],
}

impl<'a> Given<'a> {
    /// All variables of an argument.
    pub(crate) fn all(&self, argument: &str) -> Vec<&'a Tensor> {
        let slots = self.slots.0.get(argument).map_or(&[][..], Vec::as_slice);
        slots
            .iter()
            .filter_map(|slot| match slot {
                Slot::Constant(tensor) => Some(tensor),
                Slot::Input(position) => self.inputs.get(*position).copied(),
            })
            .collect()
    }

    /// The first variable of an argument, where there is one.
    pub(crate) fn maybe(&self, argument: &str) -> Option<&'a Tensor> {
        self.all(argument).first().copied()
    }

    /// The first variable of an argument.
    pub(crate) fn one(&self, argument: &str) -> Result<&'a Tensor, Fault> {
        self.maybe(argument).ok_or_else(|| Fault(format!("input `{argument}` is missing")))
    }

    /// The numbers of an argument's first variable, where there is one.
    pub(crate) fn numbers(&self, argument: &str) -> Option<Vec<f64>> {
        self.maybe(argument).map(numbers)
    }

    /// The integers that an argument's variables hold one after another: a shape, axes, positions; none where it is absent.
    pub(crate) fn integers(&self, argument: &str) -> Option<Vec<i64>> {
        let tensors = self.all(argument);
        let all = || tensors.iter().flat_map(|tensor| integers(tensor)).collect();
        (!tensors.is_empty()).then(all)
    }
}

struct WithOperands<F> {
    slots: Slots,
    compute: F,
}

impl<F: Fn(&Given<'_>) -> Result<Tensor, Fault> + Send + Sync> Kernel for WithOperands<F> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        (self.compute)(&Given { slots: &self.slots, inputs })
    }
}

/// A kernel that computes from the operands of `arguments`, which must be the op kind's `inputs`.
pub(crate) fn kernel(
    op: &CpuOp<'_>,
    arguments: &[&'static str],
    compute: impl Fn(&Given<'_>) -> Result<Tensor, Fault> + Send + Sync + 'static,
) -> Arc<dyn Kernel> {
    Arc::new(WithOperands { slots: Slots::of(op, arguments), compute })
}

/// The elements as numbers, whatever their type.
pub(crate) fn numbers(x: &Tensor) -> Vec<f64> {
    match x.data() {
        Data::F32(values) => values.iter().copied().map(f64::from).collect(),
        Data::I8(values) => values.iter().copied().map(f64::from).collect(),
        Data::I32(values) => values.iter().copied().map(f64::from).collect(),
        Data::I64(values) => values.iter().map(|&value| value as f64).collect(),
    }
}

/// The elements as integers, reals cut toward zero.
pub(crate) fn integers(x: &Tensor) -> Vec<i64> {
    match x.data() {
        Data::F32(values) => values.iter().map(|&value| value as i64).collect(),
        Data::I8(values) => values.iter().copied().map(i64::from).collect(),
        Data::I32(values) => values.iter().copied().map(i64::from).collect(),
        Data::I64(values) => values.clone(),
    }
}

/// Does it hold whole numbers?
pub(crate) fn is_integral(x: &Tensor) -> bool {
    matches!(x.data(), Data::I32(_) | Data::I64(_))
}

/// Numbers as a tensor of the element type of `like`, cut toward zero where that is integral.
pub(crate) fn typed(like: &Tensor, shape: Vec<usize>, values: Vec<f64>) -> Result<Tensor, Fault> {
    let data = match like.data() {
        Data::F32(_) => Data::F32(values.into_iter().map(|value| value as f32).collect()),
        Data::I8(_) => return Err(Fault::new("8-bit codes have no arithmetic on the CPU")),
        Data::I32(_) => Data::I32(values.into_iter().map(|value| value as i32).collect()),
        Data::I64(_) => Data::I64(values.into_iter().map(|value| value as i64).collect()),
    };
    filled(shape, data)
}

/// A tensor, where the data fills the shape.
pub(crate) fn filled(shape: Vec<usize>, data: Data) -> Result<Tensor, Fault> {
    let size = match &data {
        Data::F32(values) => values.len(),
        Data::I8(values) => values.len(),
        Data::I32(values) => values.len(),
        Data::I64(values) => values.len(),
    };
    if shape.iter().product::<usize>() != size {
        return Err(Fault(format!("{size} elements do not fill {shape:?}")));
    }
    Ok(Tensor::new(shape, data))
}

/// Elements of any type by their positions.
pub(crate) fn gather(x: &Tensor, shape: Vec<usize>, order: &[usize]) -> Result<Tensor, Fault> {
    fn pick<T: Copy>(data: &[T], order: &[usize]) -> Result<Vec<T>, Fault> {
        let picked: Option<Vec<T>> = order.iter().map(|&at| data.get(at).copied()).collect();
        picked.ok_or_else(|| Fault::new("a position lies outside of the tensor"))
    }
    let data = match x.data() {
        Data::F32(data) => Data::F32(pick(data, order)?),
        Data::I8(data) => Data::I8(pick(data, order)?),
        Data::I32(data) => Data::I32(pick(data, order)?),
        Data::I64(data) => Data::I64(pick(data, order)?),
    };
    filled(shape, data)
}

/// An axis of a tensor of `rank`; negative ones count from the end.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Result<usize, Fault> {
    let at = if axis < 0 { axis + rank as i64 } else { axis };
    let inside = usize::try_from(at).ok().filter(|&at| at < rank);
    inside.ok_or_else(|| Fault(format!("axis {axis} is not one of {rank}")))
}

/// The distance of neighbours along each axis.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The positions `Σ source(axis)[index]·stride` of every index, the last axis fastest: along each axis, where the elements
/// come from.
pub(crate) fn positions(sources: &[Vec<usize>], shape: &[usize]) -> Vec<usize> {
    let mut positions = vec![0];
    for (source, stride) in sources.iter().zip(strides(shape)) {
        positions = positions.iter().flat_map(|&at| source.iter().map(move |index| at + index * stride)).collect();
    }
    positions
}
