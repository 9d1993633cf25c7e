//! Parts of a tensor as outputs of their own: `split`, `unstack`.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::{
    OpKind,
    layout::Slice,
    real::{self, Known},
};
use crate::{
    Fault, Kernel, Refusal, RefusalClass,
    cluster::Converter,
    npu::{NpuOperation, Operand, ZeroPoints},
    operands::{axis_of, gather, kernel, positions},
    program::Attributes,
};

/// One output of the NNAdapter operation `SPLIT`.
#[derive(Clone, Debug)]
pub struct SplitPart(Slice);

impl NpuOperation for SplitPart {
    fn name(&self) -> &'static str {
        "SPLIT"
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Middle
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        self.0.kernel(inputs, outputs)
    }
}

const SPLIT: &[&str] = &["X", "AxisTensor", "SectionsTensorList"];
const UNSTACK: &[&str] = &["X"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind {
        types: &["split"],
        inputs: SPLIT,
        cpu: |op| {
            let lite = op.op();
            let parts = lite.outputs.get("Out").map_or(0, Vec::len);
            let (axis, count, sections) = attributes(lite);
            let part = |part: usize| {
                let sections = sections.clone();
                kernel(op, SPLIT, move |given| {
                    let x = given.one("X")?;
                    let axis = given.integers("AxisTensor").and_then(|axis| axis.first().copied()).unwrap_or(axis);
                    let axis = axis_of(axis, x.shape().len())?;
                    let sections = given.integers("SectionsTensorList").unwrap_or_else(|| sections.clone());
                    let sizes = sizes_of(x.shape()[axis], count, parts, &sections)?;
                    let start: usize = sizes.iter().take(part).sum();
                    let mut sources: Vec<Vec<usize>> = x.shape().iter().map(|&extent| (0..extent).collect()).collect();
                    sources[axis] = (start..start + sizes.get(part).copied().unwrap_or(0)).collect();
                    let shape = sources.iter().map(Vec::len).collect();
                    gather(x, shape, &positions(&sources, x.shape()))
                })
            };
            Ok((0..parts).map(part).collect())
        },
        npu: Some(convert_split),
    },
    OpKind {
        types: &["unstack", "unbind"],
        inputs: UNSTACK,
        cpu: |op| {
            let parts = op.op().outputs.get("Y").or(op.op().outputs.get("Out")).map_or(0, Vec::len);
            let axis = op.op().int("axis").unwrap_or(0);
            let part = |part: usize| {
                kernel(op, UNSTACK, move |given| {
                    let x = given.one("X")?;
                    let axis = axis_of(axis, x.shape().len())?;
                    let mut sources: Vec<Vec<usize>> = x.shape().iter().map(|&extent| (0..extent).collect()).collect();
                    sources[axis] = vec![part];
                    let mut shape = x.shape().to_vec();
                    shape.remove(axis);
                    gather(x, shape, &positions(&sources, x.shape()))
                })
            };
            Ok((0..parts).map(part).collect())
        },
        npu: Some(|converter| real::convert(converter, Known::new("UNSTACK").zero_points(ZeroPoints::Middle))),
    },
];

/// The axis, the number of equal parts (0: as the sections say), and the sections.
fn attributes(op: &LiteOp) -> (i64, usize, Vec<i64>) {
    let count = op.int("num").and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    (op.int("axis").unwrap_or(0), count, op.ints("sections").unwrap_or_default())
}

/// The extent of each part; one section may be -1, which takes what remains.
fn sizes_of(extent: usize, count: usize, parts: usize, sections: &[i64]) -> Result<Vec<usize>, Fault> {
    let fault = || Fault(format!("cannot split {extent} into {parts} part(s) of {sections:?}"));
    let equal = |count: usize| (count > 0 && extent.is_multiple_of(count)).then(|| vec![extent / count; count]);
    if count > 0 || sections.is_empty() {
        return equal(if count > 0 { count } else { parts }).ok_or_else(fault);
    }
    let known: i64 = sections.iter().filter(|&&section| section >= 0).sum();
    let sizes = sections.iter().map(|&section| if section < 0 { extent as i64 - known } else { section });
    let sizes: Option<Vec<usize>> = sizes.map(|size| usize::try_from(size).ok()).collect();
    sizes.filter(|sizes| sizes.iter().sum::<usize>() == extent).ok_or_else(fault)
}

/// One operation with an output a part, each a slice with a change of scale.
fn convert_split(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let (axis, count, sections) = attributes(converter.lite());
    let computed = SPLIT[1..].iter().any(|argument| converter.input_count(argument) > 0);
    if computed {
        return Err(converter.refuse(RefusalClass::Unsupported, "split needs a constant axis and constant sections"));
    }
    let x = converter.input("X", 0)?;
    let shape = converter.operand(x).shape.clone();
    let parts = converter.lite().outputs.get("Out").map_or(0, Vec::len);
    let fault = |fault: Fault| converter.refuse(RefusalClass::Unsupported, fault.to_string());
    let axis = axis_of(axis, shape.len()).map_err(fault)?;
    let sizes = sizes_of(shape[axis], count, parts, &sections).map_err(fault)?;
    let mut start = 0;
    for (part, size) in sizes.into_iter().enumerate() {
        let (mut starts, mut lengths) = (vec![0; shape.len()], shape.clone());
        (starts[axis], lengths[axis]) = (start, size);
        start += size;
        converter.emit_nth(SplitPart(Slice { starts, lengths }), vec![x], "Out", part);
    }
    Ok(())
}
