//! From the rewritten graph to [`LiteProgram`]: ops in log order, and the constants they read.

use std::collections::{BTreeMap, HashMap};

use op_graph::{Name, OpGraph, OpId, OpRecord};

use super::{
    LiteOp, LiteProgram, Scales, Tensor, Weight, WeightScales,
    desc::{OpDesc, scale_key},
    scope::Scope,
    ssa::{OpIx, SsaGraph, VarIx},
};
use crate::{Arguments, Attr, TensorData};

/// Lists the graph's ops as Paddle Lite logs them.
pub(super) fn emit(ssa: &SsaGraph, scope: &Scope) -> LiteProgram {
    let order = ssa.topological_order();
    let graph = OpGraph::from_records(order.iter().map(|&op| record(ssa, op)).collect());
    let ops: Vec<LiteOp> = order.iter().map(|&op| lite_op(ssa.desc(op))).collect();
    LiteProgram {
        weights: weights(ssa, scope, &order),
        tensors: tensors(&graph, &ops, scope),
        feeds: by_column(&ops, "feed", |op| op.output("Out")),
        fetches: by_column(&ops, "fetch", |op| op.input("X")),
        visit_order: visit_order(&order),
        graph,
        ops,
    }
}

/// The positions in the log by creation number.
fn visit_order(order: &[OpIx]) -> Vec<OpId> {
    let mut positions: Vec<usize> = (0..order.len()).collect();
    positions.sort_unstable_by_key(|&position| order[position]);
    positions.into_iter().map(OpId::new).collect()
}

/// One name a link: where a removed quantization op stood between two readers' tensors, an op reads one name twice
/// (docs/log-format.md).
fn record(ssa: &SsaGraph, op: OpIx) -> OpRecord {
    let names = |vars: &[VarIx]| vars.iter().map(|&var| ssa.var(var).name.clone()).collect();
    let node = ssa.op(op);
    OpRecord {
        op_type: Name::from(node.desc.op_type.as_str()),
        inputs: names(&node.inputs),
        outputs: names(&node.outputs),
    }
}

fn lite_op(desc: &OpDesc) -> LiteOp {
    let mut attrs = desc.attrs.clone();
    let input_scales = scales(&desc.inputs, &desc.attrs);
    let output_scales = scales(&desc.outputs, &desc.attrs);
    for (argument, names) in desc.inputs.iter().chain(&desc.outputs) {
        for index in 0..names.len() {
            attrs.remove(&scale_key((argument, index)));
        }
    }
    LiteOp {
        op_type: desc.op_type.clone(),
        inputs: desc.inputs.clone(),
        outputs: desc.outputs.clone(),
        input_scales,
        output_scales,
        enable_int8: attrs.remove("enable_int8").and_then(|v| v.as_bool()).unwrap_or(false),
        bit_length: attrs.get("bit_length").and_then(Attr::as_int).map_or(8, |bits| bits as i32),
        attrs,
    }
}

/// A variable bound twice has its scale under its first place only; here it stands at both.
fn scales(arguments: &Arguments, attrs: &BTreeMap<String, Attr>) -> Scales {
    let stored = |argument: &str, index| attrs.get(&scale_key((argument, index))).and_then(Attr::as_floats);
    let mut by_name: HashMap<&Name, &[f32]> = HashMap::new();
    for (argument, names) in arguments {
        for (index, name) in names.iter().enumerate() {
            if let Some(scale) = stored(argument, index) {
                by_name.entry(name).or_insert(scale);
            }
        }
    }
    let of = |argument: &str, index, name: &Name| {
        stored(argument, index).or_else(|| by_name.get(name).copied()).map(<[f32]>::to_vec)
    };
    let list = |(argument, names): (&String, &Vec<Name>)| {
        (argument.clone(), names.iter().enumerate().map(|(index, name)| of(argument, index, name)).collect())
    };
    arguments.iter().map(list).collect()
}

/// By the names that the ops read, since a pass may have taken the link away (`fold_ssd_boxes`).
fn weights(ssa: &SsaGraph, scope: &Scope, order: &[OpIx]) -> BTreeMap<Name, Weight> {
    let mut weights: BTreeMap<Name, Weight> = BTreeMap::new();
    for &op in order {
        let desc = ssa.desc(op);
        for name in desc.inputs.values().flatten() {
            let computed = ssa.op(op).inputs.iter().any(|&v| ssa.var(v).name == *name && !ssa.var(v).is_weight);
            let Some((dims, data)) = scope.constant(name).filter(|_| !computed) else { continue };
            let weight = weights.entry(name.clone()).or_insert_with(|| Weight {
                dims: dims.iter().map(|&dim| dim as usize).collect(),
                data: data.clone(),
                scales: None,
            });
            if weight.scales.is_none() && matches!(data, TensorData::Int8(_)) {
                weight.scales = weight_scales(desc, name);
            }
        }
    }
    weights
}

/// The steps that the op has for its weight; equal ones, which Paddle Lite repeats per channel, become one.
fn weight_scales(desc: &OpDesc, name: &Name) -> Option<WeightScales> {
    let mut steps = desc.input_scale(name)?.to_vec();
    if steps.iter().all(|step| *step == steps[0]) {
        steps.truncate(1);
    }
    let axis = usize::from(!matches!(desc.op_type.as_str(), "conv2d" | "depthwise_conv2d"));
    Some(WeightScales { steps, axis })
}

fn tensors(graph: &OpGraph, ops: &[LiteOp], scope: &Scope) -> Vec<Tensor> {
    let tensor = |id| {
        let name = graph.tensor_name(id);
        let produced = graph.producer(id).and_then(|op| {
            let op = &ops[op.index()];
            single_scale(&op.outputs, &op.output_scales, name)
        });
        let consumed = || {
            graph.consumers(id).into_iter().find_map(|op| {
                let op = &ops[op.index()];
                single_scale(&op.inputs, &op.input_scales, name)
            })
        };
        let value = scope.get(name).cloned().unwrap_or_default();
        Tensor {
            dims: value.dims,
            dtype: value.dtype,
            persistable: value.data.is_some(),
            scale: produced.or_else(consumed),
        }
    };
    graph.tensors().map(tensor).collect()
}

fn single_scale(arguments: &Arguments, scales: &Scales, name: &Name) -> Option<f32> {
    let find = |(argument, names): (&String, &Vec<Name>)| {
        let index = names.iter().position(|n| n == name)?;
        match scales.get(argument)?.get(index)?.as_deref() {
            Some(&[step]) => Some(step),
            _ => None,
        }
    };
    arguments.iter().find_map(find)
}

fn by_column<'a>(ops: &'a [LiteOp], op_type: &str, name: impl Fn(&'a LiteOp) -> Option<&'a Name>) -> Vec<Name> {
    let column = |op: &LiteOp| op.attrs.get("col").and_then(Attr::as_int).unwrap_or(0);
    let mut found: Vec<&LiteOp> = ops.iter().filter(|op| op.op_type == op_type).collect();
    found.sort_by_key(|op| column(op));
    found.into_iter().filter_map(|op| name(op).cloned()).collect()
}
