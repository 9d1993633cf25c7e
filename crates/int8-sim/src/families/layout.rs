//! Moving elements without computing: reshape, flatten, transpose, slice, concat.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::OpKind;
use crate::{
    Data, Fault, Kernel, Refusal, RefusalClass, Tensor,
    buffers::Element,
    cluster::Converter,
    families::convert::rescaling,
    kernel::{Gather, Reshape as ReshapeKernel, Table, Then, codes, input},
    npu::{NpuOperation, Operand, Precision, ZeroPoints, unsupported_types},
    operands::{axis_of, integers, is_integral, kernel},
    program::Attributes,
};

/// Appends the change of scale between two operands to a kernel that moves elements.
pub(super) fn then_rescale(
    kernel: Arc<dyn Kernel>,
    name: &str,
    from: &Operand,
    to: &Operand,
) -> Result<Arc<dyn Kernel>, String> {
    match (&from.precision, &to.precision) {
        (Precision::UInt8(_), Precision::UInt8(_)) => Ok(match rescaling(&from.precision, &to.precision) {
            Some(table) => Arc::new(Then(kernel, Arc::new(table))),
            None => kernel,
        }),
        (Precision::Float32, Precision::Float32) | (Precision::Int32, Precision::Int32) => Ok(kernel),
        _ => Err(unsupported_types(name, &[from, to])),
    }
}

/// The NNAdapter operations `RESHAPE`, `FLATTEN`, `SQUEEZE`, `UNSQUEEZE`: the output's shape is known.
#[derive(Clone, Debug)]
pub struct Reshape {
    pub(crate) shape: TargetShape,
}

/// A shape in terms of the input's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TargetShape {
    /// 0 copies the input's extent, -1 takes what remains.
    Dims(Vec<i64>),
    /// The axes from the first to the last become one; negative ones count from the end.
    Flatten(i64, i64),
    /// These axes of extent 1 go, or all such where none is named; one of another extent stays.
    Squeeze(Vec<i64>),
    /// Axes of extent 1 come in one after another; negative ones count from the end of the shape so far.
    Unsqueeze(Vec<i64>),
}

impl TargetShape {
    /// The shape for an input of `from`.
    pub(crate) fn of(&self, from: &[usize]) -> Result<Vec<usize>, Fault> {
        match self {
            Self::Dims(dims) => {
                let fault = || Fault(format!("cannot reshape {from:?} to {dims:?}"));
                let mut shape = Vec::with_capacity(dims.len());
                for (axis, &dim) in dims.iter().enumerate() {
                    shape.push(match dim {
                        0 => *from.get(axis).ok_or_else(fault)?,
                        -1 => 1,
                        dim => usize::try_from(dim).map_err(|_| fault())?,
                    });
                }
                if let Some(free) = dims.iter().position(|&dim| dim == -1) {
                    let known = shape.iter().product::<usize>().max(1);
                    shape[free] = from.iter().product::<usize>() / known;
                }
                Ok(shape)
            }
            &Self::Flatten(first, last) => {
                let axis = |axis: i64| if axis < 0 { axis + from.len() as i64 } else { axis } as usize;
                let (first, last) = (axis(first), axis(last));
                if first > last || last >= from.len() {
                    return Err(Fault(format!("cannot flatten the axes {first} to {last} of {from:?}")));
                }
                let mut shape = from[..first].to_vec();
                shape.push(from[first..=last].iter().product());
                shape.extend_from_slice(&from[last + 1..]);
                Ok(shape)
            }
            Self::Squeeze(axes) => {
                let axes = axes.iter().map(|&axis| axis_of(axis, from.len())).collect::<Result<Vec<_>, _>>()?;
                let goes = |axis: usize| from[axis] == 1 && (axes.is_empty() || axes.contains(&axis));
                Ok((0..from.len()).filter(|&axis| !goes(axis)).map(|axis| from[axis]).collect())
            }
            Self::Unsqueeze(axes) => {
                let mut shape = from.to_vec();
                for &axis in axes {
                    shape.insert(axis_of(axis, shape.len() + 1)?, 1);
                }
                Ok(shape)
            }
        }
    }
}

impl NpuOperation for Reshape {
    fn name(&self) -> &'static str {
        "RESHAPE"
    }

    fn hands_scale_on(&self) -> bool {
        !matches!(self.shape, TargetShape::Squeeze(_))
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        if outputs[0].shape.len() > 4 {
            return Err(format!("RESHAPE gives at most 4 axes, not {:?}", outputs[0].shape));
        }
        let target = self.shape.clone();
        let kernel = Arc::new(ReshapeKernel(move |from: &[usize]| target.of(from)));
        then_rescale(kernel, self.name(), inputs[0], outputs[0])
    }
}

/// The NNAdapter operation `TRANSPOSE`: output axis i is input axis `perm[i]`.
#[derive(Clone, Debug)]
pub struct Transpose {
    pub(crate) perm: Vec<usize>,
}

impl NpuOperation for Transpose {
    fn name(&self) -> &'static str {
        "TRANSPOSE"
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        then_rescale(self.cpu_kernel(), self.name(), inputs[0], outputs[0])
    }
}

impl Transpose {
    pub(crate) fn cpu_kernel(&self) -> Arc<dyn Kernel> {
        let perm = self.perm.clone();
        Arc::new(Gather(move |from: &[usize]| transposition(from, &perm)))
    }
}

/// The new shape and the old position of each new element.
fn transposition(from: &[usize], perm: &[usize]) -> Result<(Vec<usize>, Vec<usize>), Fault> {
    let mut seen = perm.to_vec();
    seen.sort_unstable();
    if !seen.iter().copied().eq(0..from.len()) {
        return Err(Fault(format!("{perm:?} does not permute the axes of {from:?}")));
    }
    let mut strides = vec![1; from.len()];
    for axis in (1..from.len()).rev() {
        strides[axis - 1] = strides[axis] * from[axis];
    }
    let shape: Vec<usize> = perm.iter().map(|&axis| from[axis]).collect();
    let order = positions(&shape, &perm.iter().map(|&axis| strides[axis]).collect::<Vec<_>>(), 0);
    Ok((shape, order))
}

/// The positions `offset + Σ index·stride` of every index of `shape`, the last axis fastest.
fn positions(shape: &[usize], strides: &[usize], offset: usize) -> Vec<usize> {
    let mut positions = vec![offset];
    for (&extent, &stride) in shape.iter().zip(strides) {
        positions = positions.iter().flat_map(|&at| (0..extent).map(move |index| at + index * stride)).collect();
    }
    positions
}

/// The NNAdapter operation `SLICE`, one start and length an axis.
#[derive(Clone, Debug)]
pub struct Slice {
    pub(crate) starts: Vec<usize>,
    pub(crate) lengths: Vec<usize>,
}

impl NpuOperation for Slice {
    fn name(&self) -> &'static str {
        "SLICE"
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        then_rescale(self.cpu_kernel(), self.name(), inputs[0], outputs[0])
    }
}

impl Slice {
    pub(crate) fn cpu_kernel(&self) -> Arc<dyn Kernel> {
        let Self { starts, lengths } = self.clone();
        Arc::new(Gather(move |from: &[usize]| {
            let fits = starts.len() == from.len()
                && lengths.len() == from.len()
                && from
                    .iter()
                    .zip(starts.iter().zip(&lengths))
                    .all(|(&extent, (&start, &length))| start + length <= extent);
            if !fits {
                return Err(Fault(format!("cannot slice {lengths:?} at {starts:?} out of {from:?}")));
            }
            let mut strides = vec![1; from.len()];
            for axis in (1..from.len()).rev() {
                strides[axis - 1] = strides[axis] * from[axis];
            }
            let offset = starts.iter().zip(&strides).map(|(start, stride)| start * stride).sum();
            Ok((lengths.clone(), positions(&lengths, &strides, offset)))
        }))
    }
}

/// The NNAdapter operation `CONCAT`; a negative axis counts from the end.
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    pub(crate) axis: i64,
}

impl NpuOperation for Concat {
    fn name(&self) -> &'static str {
        "CONCAT"
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Middle
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let to = &outputs[0].precision;
        let mut tables = Vec::with_capacity(inputs.len());
        for operand in inputs {
            match (&operand.precision, to) {
                (Precision::UInt8(_), Precision::UInt8(_)) => tables.push(rescaling(&operand.precision, to)),
                (Precision::Float32, Precision::Float32) => tables.push(None),
                _ => return Err(unsupported_types(self.name(), &[operand, outputs[0]])),
            }
        }
        Ok(Arc::new(ConcatKernel { axis: self.axis, tables }))
    }
}

/// Joins tensors along an axis, each passed through its table first.
pub(crate) struct ConcatKernel {
    pub(crate) axis: i64,
    pub(crate) tables: Vec<Option<Table>>,
}

impl Kernel for ConcatKernel {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let first = input(inputs, 0)?;
        let rank = first.shape().len();
        let axis = if self.axis < 0 { self.axis + rank as i64 } else { self.axis };
        let axis = usize::try_from(axis).ok().filter(|&axis| axis < rank);
        let axis = axis.ok_or_else(|| Fault(format!("axis {} is not one of {:?}", self.axis, first.shape())))?;
        let fits = |x: &&Tensor| {
            x.shape().len() == rank
                && x.shape().iter().zip(first.shape()).enumerate().all(|(at, (a, b))| at == axis || a == b)
        };
        if !inputs.iter().all(fits) {
            let shapes: Vec<_> = inputs.iter().map(|x| x.shape()).collect();
            return Err(Fault(format!("cannot join {shapes:?} along axis {axis}")));
        }
        let mut shape = first.shape().to_vec();
        shape[axis] = inputs.iter().map(|x| x.shape()[axis]).sum();
        let outer: usize = shape[..axis].iter().product();
        let runs: Vec<usize> = inputs.iter().map(|x| x.shape()[axis..].iter().product()).collect();
        if let Data::F32(_) = first.data() {
            let parts = inputs.iter().map(|x| x.as_f32().ok_or_else(|| Fault::new("cannot join reals and codes")));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            return Ok(Tensor::from_f32(shape, interleave(&parts, &runs, outer)));
        }
        if is_integral(first) {
            let parts: Vec<Vec<i64>> = inputs.iter().map(|x| integers(x)).collect();
            let joined = interleave(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>(), &runs, outer);
            return Ok(match first.data() {
                Data::I32(_) => Tensor::new(shape, Data::I32(joined.into_iter().map(|value| value as i32).collect())),
                _ => Tensor::new(shape, Data::I64(joined)),
            });
        }
        let mut mapped = Vec::with_capacity(inputs.len());
        for (index, table) in (0..inputs.len()).zip(self.tables.iter().map(Some).chain(std::iter::repeat(None))) {
            let (_, codes) = codes(inputs, index)?;
            mapped.push(match table.and_then(Option::as_ref) {
                Some(table) => table.map(codes),
                None => codes.to_vec(),
            });
        }
        let parts: Vec<&[i8]> = mapped.iter().map(Vec::as_slice).collect();
        Ok(Tensor::from_codes(shape, interleave(&parts, &runs, outer)))
    }
}

/// Takes `runs[i]` elements of each part in turn, `outer` times.
fn interleave<T: Element>(parts: &[&[T]], runs: &[usize], outer: usize) -> Vec<T> {
    let mut out = T::buffer(runs.iter().sum::<usize>() * outer);
    let mut rest = out.as_mut_slice();
    for block in 0..outer {
        for (part, &run) in parts.iter().zip(runs) {
            let (to, after) = rest.split_at_mut(run);
            to.copy_from_slice(&part[block * run..][..run]);
            rest = after;
        }
    }
    out
}

const RESHAPE: &[&str] = &["X", "Shape", "ShapeTensor"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind {
        types: &[
            "reshape",
            "reshape2",
            "flatten_contiguous_range",
            "flatten2",
            "flatten",
            "squeeze",
            "squeeze2",
            "unsqueeze",
            "unsqueeze2",
        ],
        inputs: RESHAPE,
        cpu: |op| {
            if computed_shape(op.op()) {
                return Ok(vec![kernel(op, RESHAPE, |given| {
                    let x = given.one("X")?;
                    let dims = given.integers("Shape").or(given.integers("ShapeTensor")).unwrap_or_default();
                    ReshapeKernel(|from: &[usize]| TargetShape::Dims(dims.clone()).of(from)).run(&[x])
                })]);
            }
            let target = target_of(op.op())?;
            Ok(vec![Arc::new(ReshapeKernel(move |from: &[usize]| target.of(from)))])
        },
        npu: Some(convert_reshape),
    },
    OpKind {
        types: &["transpose", "transpose2"],
        inputs: &["X"],
        cpu: |op| Ok(vec![transpose_of(op.op())?.cpu_kernel()]),
        npu: Some(|converter| {
            let transpose = transpose_of(converter.lite());
            let transpose = transpose.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
            let x = converter.input("X", 0)?;
            converter.emit(transpose, vec![x], "Out");
            Ok(())
        }),
    },
    OpKind {
        types: &["concat"],
        inputs: &["X"],
        cpu: |op| Ok(vec![Arc::new(ConcatKernel { axis: op.op().int("axis").unwrap_or(0), tables: Vec::new() })]),
        npu: Some(|converter| {
            let axis = converter.lite().int("axis").unwrap_or(0);
            let inputs = (0..converter.input_count("X")).map(|index| converter.input("X", index));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            if inputs.is_empty() {
                return Err(converter.refuse(RefusalClass::Malformed, "concat of nothing"));
            }
            converter.emit(Concat { axis }, inputs, "Out");
            Ok(())
        }),
    },
];

/// Does the shape come from a tensor?
fn computed_shape(op: &LiteOp) -> bool {
    RESHAPE[1..].iter().any(|name| op.inputs.get(*name).is_some_and(|names| !names.is_empty()))
}

/// The shape an op gives.
fn target_of(op: &LiteOp) -> Result<TargetShape, String> {
    if computed_shape(op) {
        return Err("a reshape to a computed shape".into());
    }
    Ok(match op.op_type.as_str() {
        "flatten_contiguous_range" => {
            TargetShape::Flatten(op.int("start_axis").unwrap_or(1), op.int("stop_axis").unwrap_or(-1))
        }
        "squeeze" | "squeeze2" => TargetShape::Squeeze(op.ints("axes").unwrap_or_default()),
        "unsqueeze" | "unsqueeze2" => {
            TargetShape::Unsqueeze(op.ints("axes").filter(|axes| !axes.is_empty()).ok_or("an unsqueeze needs `axes`")?)
        }
        "flatten" | "flatten2" => match op.int("axis").unwrap_or(1) {
            0 => TargetShape::Dims(vec![1, -1]),
            1 => TargetShape::Flatten(1, -1),
            axis => return Err(format!("flatten at axis {axis} has no kernel")),
        },
        _ => TargetShape::Dims(op.ints("shape").ok_or("a reshape needs `shape`")?),
    })
}

fn transpose_of(op: &LiteOp) -> Result<Transpose, String> {
    Ok(Transpose { perm: op.sizes("axis").ok_or("a transpose needs `axis`")? })
}

fn convert_reshape(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let target = target_of(converter.lite());
    let shape = target.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
    let x = converter.input("X", 0)?;
    if converter.lite().op_type.starts_with("reshape") {
        converter.check_quantized_input("X", x, "Out")?;
    }
    converter.emit(Reshape { shape }, vec![x], "Out");
    Ok(())
}
