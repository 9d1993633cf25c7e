//! Ops that only move elements: parts, joins and other shapes.

use paddle_model::{Attr, DType};

use crate::programs::builder::{Draft, ProgramBuilder, Value};

pub(super) fn concat(b: &mut ProgramBuilder) -> bool {
    let Some(first) = b.choose_map() else { return false };
    let mut parts = vec![first.clone()];
    for _ in 0..b.rng.usize(1..4) {
        let next = b.choose(|v| v.dims.len() == 4 && v.dims[2..] == first.dims[2..] && v.dtype == first.dtype);
        parts.extend(next);
    }
    let channels: usize = parts.iter().map(|part| part.dims[1]).sum();
    if parts.len() < 2 || channels > 24 {
        return false;
    }
    let names: Vec<_> = parts.iter().map(|part| b.read(part)).collect();
    let out = b.fresh("concat", &[1, channels, first.dims[2], first.dims[3]]);
    b.push(Draft::new("concat").inputs("X", &names).output("Out", &out.name).attr("axis", Attr::Int(1)));
    b.offer(out);
    true
}

pub(super) fn split(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[1] % 2 == 0 && v.dtype == DType::Float32) else {
        return false;
    };
    let parts = if x.dims[1].is_multiple_of(4) { b.pick(&[2, 2, 4]) } else { 2 };
    let size = x.dims[1] / parts;
    let read = b.read(&x);
    let outs: Vec<Value> = (0..parts).map(|_| b.fresh("split", &[1, size, x.dims[2], x.dims[3]])).collect();
    let names: Vec<_> = outs.iter().map(|out| out.name.clone()).collect();
    b.push(
        Draft::new("split")
            .input("X", &read)
            .outputs("Out", &names)
            .attr("axis", Attr::Int(1))
            .attr("num", Attr::Int(0))
            .attr("sections", Attr::Ints(vec![size as i32; parts])),
    );
    // Now and then the last part is dead: an output without any reader.
    let kept = if b.chance(15) { parts - 1 } else { parts };
    outs.into_iter().take(kept).for_each(|out| b.offer(out));
    true
}

pub(super) fn slice(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[1] >= 2 && v.dtype == DType::Float32) else { return false };
    let kept = x.dims[1] / 2;
    let read = b.read(&x);
    let out = b.fresh("slice", &[1, kept, x.dims[2], x.dims[3]]);
    b.push(
        Draft::new("slice")
            .input("Input", &read)
            .output("Out", &out.name)
            .attr("axes", Attr::Ints(vec![1]))
            .attr("starts", Attr::Ints(vec![0]))
            .attr("ends", Attr::Ints(vec![kept as i32]))
            .attr("infer_flags", Attr::Ints(vec![1]))
            .attr("decrease_axis", Attr::Ints(vec![])),
    );
    b.offer(out);
    true
}

/// There and back, with the `XShape` output that only training reads.
pub(super) fn transpose(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let mut from = x.clone();
    for axes in [[0, 2, 3, 1], [0, 3, 1, 2]] {
        let dims: Vec<usize> = axes.iter().map(|&axis| from.dims[axis as usize]).collect();
        let read = b.read(&from);
        let out = b.fresh("transpose", &dims);
        let shape = b.fresh("xshape", &[0]);
        b.push(
            Draft::new("transpose2")
                .input("X", &read)
                .output("Out", &out.name)
                .output("XShape", &shape.name)
                .attr("axis", Attr::Ints(axes.to_vec())),
        );
        from = out;
    }
    b.offer(from);
    true
}

pub(super) fn reshape(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[1] % 2 == 0 && v.dtype == DType::Float32) else {
        return false;
    };
    let dims = [1, x.dims[1] / 2, x.dims[2] * 2, x.dims[3]];
    let read = b.read(&x);
    let out = b.fresh("reshape2", &dims);
    let shape = b.fresh("xshape", &[0]);
    b.push(
        Draft::new("reshape2")
            .input("X", &read)
            .output("Out", &out.name)
            .output("XShape", &shape.name)
            .attr("shape", Attr::Ints(dims.iter().map(|&size| size as i32).collect())),
    );
    b.offer(out);
    true
}
