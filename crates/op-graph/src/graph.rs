//! The graph itself: ops and tensor versions as nodes of one petgraph DAG.

use std::collections::HashMap;

use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
};
use serde::{Deserialize, Serialize};

use crate::{Name, OpRecord, TensorFacts};

/// An op, by its position in the log (and in the list the graph was built from).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(u32);

impl OpId {
    /// The op at this position.
    pub fn new(index: usize) -> Self {
        Self(index as u32)
    }

    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One version of a tensor: a name that several ops write in turn has one version a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TensorId(u32);

impl TensorId {
    /// The position in the graph's list of tensor versions.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Copy, Debug)]
enum Node {
    Op(OpId),
    Tensor(TensorId),
}

/// Ops and tensor versions as one DAG: tensor → op for an input, op → tensor for an output.
///
/// Every output is a new version of its name; an input refers to the latest version before it, or to a source
/// (spec/paddle-lite.md C2). Ops keep the order they were given in, which must be topological, as Paddle Lite's log is.
#[derive(Clone, Debug, Default)]
pub struct OpGraph {
    dag: DiGraph<Node, ()>,
    records: Vec<OpRecord>,
    op_nodes: Vec<NodeIndex>,
    tensor_names: Vec<Name>,
    tensor_nodes: Vec<NodeIndex>,
    facts: Vec<Option<TensorFacts>>,
}

impl OpGraph {
    /// Builds the graph from records in topological order.
    pub fn from_records(records: Vec<OpRecord>) -> Self {
        let mut graph = Self::default();
        let mut latest: HashMap<Name, TensorId> = HashMap::new();
        let mut last_reader: Vec<Option<NodeIndex>> = Vec::new(); // keeps the edges of a widely read tensor simple
        for (index, record) in records.iter().enumerate() {
            let op = graph.dag.add_node(Node::Op(OpId::new(index)));
            graph.op_nodes.push(op);
            for name in &record.inputs {
                let tensor = *latest.entry(name.clone()).or_insert_with(|| graph.add_tensor(name));
                last_reader.resize(graph.tensor_names.len(), None);
                if last_reader[tensor.index()].replace(op) != Some(op) {
                    graph.dag.add_edge(graph.tensor_nodes[tensor.index()], op, ());
                }
            }
            for name in &record.outputs {
                let tensor = graph.add_tensor(name);
                graph.dag.add_edge(op, graph.tensor_nodes[tensor.index()], ());
                latest.insert(name.clone(), tensor);
            }
        }
        graph.records = records;
        graph.facts = vec![None; graph.tensor_names.len()];
        graph
    }

    /// Attaches what is known of each tensor version; `facts_of` gets the version and its name.
    pub fn with_facts(mut self, mut facts_of: impl FnMut(TensorId, &Name) -> Option<TensorFacts>) -> Self {
        self.facts = self.tensors().map(|tensor| facts_of(tensor, self.tensor_name(tensor))).collect();
        self
    }

    fn add_tensor(&mut self, name: &Name) -> TensorId {
        let tensor = TensorId(self.tensor_names.len() as u32);
        self.tensor_names.push(name.clone());
        self.tensor_nodes.push(self.dag.add_node(Node::Tensor(tensor)));
        tensor
    }

    /// The number of ops, feed and fetch included.
    pub fn op_count(&self) -> usize {
        self.records.len()
    }

    /// The number of tensor versions.
    pub fn tensor_count(&self) -> usize {
        self.tensor_names.len()
    }

    /// All ops in log order.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = OpId> + use<> {
        (0..self.records.len()).map(OpId::new)
    }

    /// All tensor versions, in the order of their first appearance.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = TensorId> + use<> {
        (0..self.tensor_names.len() as u32).map(TensorId)
    }

    /// The record of an op.
    pub fn record(&self, op: OpId) -> &OpRecord {
        &self.records[op.index()]
    }

    /// All records in log order.
    pub fn records(&self) -> &[OpRecord] {
        &self.records
    }

    /// The name of a tensor version.
    pub fn tensor_name(&self, tensor: TensorId) -> &Name {
        &self.tensor_names[tensor.index()]
    }

    /// What is known of a tensor version beside its name: nothing, where the graph comes from a log.
    pub fn facts(&self, tensor: TensorId) -> Option<&TensorFacts> {
        self.facts[tensor.index()].as_ref()
    }

    /// The ops that read what this op writes: distinct, in log order.
    pub fn successors(&self, op: OpId) -> Vec<OpId> {
        let mut ops: Vec<OpId> = self
            .dag
            .neighbors_directed(self.op_nodes[op.index()], Direction::Outgoing)
            .flat_map(|tensor| self.dag.neighbors_directed(tensor, Direction::Outgoing))
            .filter_map(|node| match self.dag[node] {
                Node::Op(op) => Some(op),
                Node::Tensor(_) => None,
            })
            .collect();
        ops.sort_unstable();
        ops.dedup();
        ops
    }

    /// The tensor versions an op reads, in record order.
    pub fn inputs(&self, op: OpId) -> Vec<TensorId> {
        self.tensor_neighbours(op, Direction::Incoming)
    }

    /// The tensor versions an op writes, in record order.
    pub fn outputs(&self, op: OpId) -> Vec<TensorId> {
        self.tensor_neighbours(op, Direction::Outgoing)
    }

    /// The op that writes a tensor version; none for weights and other sources.
    pub fn producer(&self, tensor: TensorId) -> Option<OpId> {
        self.op_neighbours(tensor, Direction::Incoming).next()
    }

    /// The ops that read a tensor version, in log order.
    pub fn consumers(&self, tensor: TensorId) -> Vec<OpId> {
        let mut ops: Vec<OpId> = self.op_neighbours(tensor, Direction::Outgoing).collect();
        ops.sort_unstable();
        ops
    }

    fn tensor_neighbours(&self, op: OpId, direction: Direction) -> Vec<TensorId> {
        let mut tensors: Vec<TensorId> = self
            .dag
            .neighbors_directed(self.op_nodes[op.index()], direction)
            .filter_map(|node| match self.dag[node] {
                Node::Tensor(tensor) => Some(tensor),
                Node::Op(_) => None,
            })
            .collect();
        tensors.reverse(); // petgraph yields the newest edge first
        tensors
    }

    fn op_neighbours(&self, tensor: TensorId, direction: Direction) -> impl Iterator<Item = OpId> + '_ {
        self.dag.neighbors_directed(self.tensor_nodes[tensor.index()], direction).filter_map(|node| {
            match self.dag[node] {
                Node::Op(op) => Some(op),
                Node::Tensor(_) => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(lines: &[&str]) -> OpGraph {
        OpGraph::from_records(lines.iter().map(|line| OpRecord::parse(line.as_bytes()).unwrap()).collect())
    }

    fn ids(ops: &[OpId]) -> Vec<usize> {
        ops.iter().map(|op| op.index()).collect()
    }

    #[test]
    fn each_writer_of_a_name_makes_a_version_of_it() {
        let graph = graph(&["feed:feed:x", "relu:x:y", "scale:y:y", "relu:y:z", "relu:x:y", "tanh:y:u"]);
        let versions: Vec<TensorId> = graph.tensors().filter(|&tensor| *graph.tensor_name(tensor) == "y").collect();
        assert_eq!(versions.len(), 3);
        let readers: Vec<Vec<usize>> = versions.iter().map(|&version| ids(&graph.consumers(version))).collect();
        assert_eq!(readers, [vec![2], vec![3], vec![5]]);
        assert_eq!(
            versions.iter().map(|&version| graph.producer(version).unwrap().index()).collect::<Vec<_>>(),
            [1, 2, 4]
        );
    }

    #[test]
    fn neighbours_are_distinct_and_in_record_order() {
        let graph = graph(&["split:x:a,b", "concat:b,a,w:c", "elementwise_add:c,c:d"]);
        assert_eq!(ids(&graph.successors(OpId::new(0))), [1]);
        let names =
            |tensors: Vec<TensorId>| tensors.iter().map(|&t| graph.tensor_name(t).to_string()).collect::<Vec<_>>();
        assert_eq!(names(graph.inputs(OpId::new(1))), ["b", "a", "w"]);
        assert_eq!(names(graph.outputs(OpId::new(0))), ["a", "b"]);
        assert_eq!(names(graph.inputs(OpId::new(2))), ["c"]);
    }

    #[test]
    fn facts_belong_to_a_version() {
        let facts =
            TensorFacts { dims: vec![1], element: crate::ElementType::Fp32, persistable: false, scale: Some(0.5) };
        let graph =
            graph(&["relu:x:y", "scale:y:y"]).with_facts(|tensor, _| (tensor.index() == 2).then(|| facts.clone()));
        let known: Vec<bool> = graph.tensors().map(|tensor| graph.facts(tensor).is_some()).collect();
        assert_eq!(known, [false, false, true]);
    }
}
