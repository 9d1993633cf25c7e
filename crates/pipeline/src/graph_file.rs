//! The subject of a run as `graph.json`, for whoever has the run directory alone.

use int8_sim::deviations::{self, Harm};
use op_graph::{OpId, TensorId};
use trial_store::{GraphFile, GraphOp, GraphTensor, Risk};

use crate::{Subject, Units};

/// Everything a report shows of ops and tensors.
pub(crate) fn graph_file(subject: &Subject, units: &Units) -> GraphFile {
    let mut unit_of = vec![None; subject.graph.op_count()];
    for (unit, members) in units.iter().enumerate() {
        for member in members {
            unit_of[member.index()] = Some(unit as u32);
        }
    }
    GraphFile {
        ops: subject.graph.ops().map(|op| graph_op(subject, op, unit_of[op.index()])).collect(),
        tensors: subject.graph.tensors().map(|tensor| graph_tensor(subject, tensor)).collect(),
    }
}

fn graph_op(subject: &Subject, op: OpId, unit: Option<u32>) -> GraphOp {
    let positions = |tensors: Vec<TensorId>| tensors.iter().map(|tensor| tensor.index() as u32).collect();
    let record = subject.graph.record(op);
    GraphOp {
        record: String::from_utf8_lossy(&record.to_line()).into_owned(),
        op_type: record.op_type.to_string(),
        inputs: positions(subject.graph.inputs(op)),
        outputs: positions(subject.graph.outputs(op)),
        unit,
        candidate: subject.candidates.contains(op),
        risks: risks(subject, op),
    }
}

/// What is worse than rounding.
fn risks(subject: &Subject, op: OpId) -> Vec<Risk> {
    let known = deviations::known(&subject.graph, subject.program.as_ref(), op).into_iter();
    let worse = known.filter(|known| subject.candidates.contains(op) && known.harm < Harm::Rounding);
    let risk = |known: deviations::Deviation| Risk {
        certainty: known.certainty.word().to_owned(),
        text: known.text.to_owned(),
        cure: known.cure.to_owned(),
        source: known.source.to_owned(),
    };
    worse.map(risk).collect()
}

fn graph_tensor(subject: &Subject, tensor: TensorId) -> GraphTensor {
    let graph = &subject.graph;
    let consumers: Vec<u32> = graph.consumers(tensor).iter().map(|op| op.index() as u32).collect();
    let producer = graph.producer(tensor).map(|op| op.index() as u32);
    let known = subject.program.as_ref().map(|program| program.tensor(tensor));
    let feeds = consumers.iter().any(|&op| op_graph::is_feed_or_fetch(&graph.record(OpId::new(op as usize)).op_type));
    GraphTensor {
        name: graph.tensor_name(tensor).to_string(),
        producer,
        dims: known.map(|tensor| tensor.dims.clone()).unwrap_or_default(),
        scale: known.and_then(|tensor| tensor.scale),
        // A log does not tell weights from inputs; inputs come out of a feed.
        weight: known.map_or(producer.is_none() && !feeds, |tensor| tensor.persistable),
        consumers,
    }
}
