//! The graph that Paddle Lite's passes rewrite: ops and variable versions, linked both ways (spec/paddle-lite.md C2).
//!
//! An op's position in `ops` is its creation number, on which the log order rests (spec/paddle-lite.md A4). Removing a node leaves
//! a gap, so numbers never move.

use std::collections::{BTreeSet, HashMap};

use op_graph::Name;

use super::desc::OpDesc;
use crate::{Block, ModelError};

/// An op by its creation number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpIx(pub(super) usize);

/// A variable version by the order of its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VarIx(usize);

/// An op and its links.
#[derive(Debug)]
pub(super) struct OpNode {
    pub(super) desc: OpDesc,
    pub(super) inputs: Vec<VarIx>,
    pub(super) outputs: Vec<VarIx>,
    alive: bool,
}

/// A variable version and its links.
#[derive(Debug)]
pub(super) struct VarNode {
    pub(super) name: Name,
    pub(super) is_weight: bool,
    pub(super) producers: Vec<OpIx>,
    pub(super) consumers: Vec<OpIx>,
}

/// The whole graph of one block.
#[derive(Debug, Default)]
pub(super) struct SsaGraph {
    ops: Vec<OpNode>,
    vars: Vec<VarNode>,
}

impl SsaGraph {
    /// Builds the graph of a block: every output is a new version, an input is the latest version before it.
    pub(super) fn new(block: &Block, is_weight: impl Fn(&Name) -> bool) -> Self {
        let mut graph = Self::default();
        let mut latest: HashMap<Name, VarIx> = HashMap::new();
        for op in &block.ops {
            let desc = OpDesc::new(op);
            let ix = graph.add_op(desc);
            for name in op.inputs.values().flatten() {
                let var = *latest.entry(name.clone()).or_insert_with(|| graph.add_var(name, is_weight(name)));
                if !graph.op(ix).inputs.contains(&var) {
                    graph.link_input(var, ix);
                }
            }
            for name in op.outputs.values().flatten() {
                let var = graph.add_var(name, is_weight(name));
                latest.insert(name.clone(), var);
                graph.link_output(ix, var);
            }
        }
        graph
    }

    /// Adds an op without links under the next creation number.
    pub(super) fn add_op(&mut self, desc: OpDesc) -> OpIx {
        self.ops.push(OpNode { desc, inputs: Vec::new(), outputs: Vec::new(), alive: true });
        OpIx(self.ops.len() - 1)
    }

    fn add_var(&mut self, name: &Name, is_weight: bool) -> VarIx {
        let node = VarNode { name: name.clone(), is_weight, producers: Vec::new(), consumers: Vec::new() };
        self.vars.push(node);
        VarIx(self.vars.len() - 1)
    }

    pub(super) fn op(&self, op: OpIx) -> &OpNode {
        &self.ops[op.0]
    }

    pub(super) fn desc(&self, op: OpIx) -> &OpDesc {
        &self.ops[op.0].desc
    }

    pub(super) fn desc_mut(&mut self, op: OpIx) -> &mut OpDesc {
        &mut self.ops[op.0].desc
    }

    pub(super) fn var(&self, var: VarIx) -> &VarNode {
        &self.vars[var.0]
    }

    /// The error for an op on which Paddle Lite would abort.
    pub(super) fn abort(&self, op: OpIx, problem: String) -> ModelError {
        ModelError::Lite { op: op.0, op_type: self.desc(op).op_type.clone(), problem }
    }

    /// Declares a variable version constant.
    pub(super) fn mark_weight(&mut self, var: VarIx) {
        self.vars[var.0].is_weight = true;
    }

    /// Lets the op read the variable version.
    pub(super) fn link_input(&mut self, var: VarIx, op: OpIx) {
        self.vars[var.0].consumers.push(op);
        self.ops[op.0].inputs.push(var);
    }

    /// Lets the op write the variable version.
    pub(super) fn link_output(&mut self, op: OpIx, var: VarIx) {
        self.vars[var.0].producers.push(op);
        self.ops[op.0].outputs.push(var);
    }

    /// Takes an op out, with all its links.
    pub(super) fn remove_op(&mut self, op: OpIx) {
        let node = &mut self.ops[op.0];
        node.alive = false;
        for var in std::mem::take(&mut node.inputs) {
            self.vars[var.0].consumers.retain(|&consumer| consumer != op);
        }
        for var in std::mem::take(&mut self.ops[op.0].outputs) {
            self.vars[var.0].producers.retain(|&producer| producer != op);
        }
    }

    /// Takes a variable version out, with all its links.
    pub(super) fn remove_var(&mut self, var: VarIx) {
        for op in std::mem::take(&mut self.vars[var.0].producers) {
            self.ops[op.0].outputs.retain(|&output| output != var);
        }
        for op in std::mem::take(&mut self.vars[var.0].consumers) {
            self.ops[op.0].inputs.retain(|&input| input != var);
        }
    }

    /// The ops of a type by creation number.
    pub(super) fn ops_of_type(&self, op_type: &str) -> Vec<OpIx> {
        self.alive().filter(|&op| self.desc(op).op_type == op_type).collect()
    }

    /// The version that an op reads under the first name of an argument.
    pub(super) fn input_var(&self, op: OpIx, argument: &str) -> Option<VarIx> {
        let name = self.desc(op).inputs.get(argument)?.first()?;
        self.op(op).inputs.iter().copied().find(|&var| self.var(var).name == *name)
    }

    /// The version that an op writes under the first name of an argument.
    pub(super) fn output_var(&self, op: OpIx, argument: &str) -> Option<VarIx> {
        let name = self.desc(op).outputs.get(argument)?.first()?;
        self.op(op).outputs.iter().copied().find(|&var| self.var(var).name == *name)
    }

    /// The ops in the order Paddle Lite visits and logs them: depth first, predecessors first, by creation number
    /// (spec/paddle-lite.md A4).
    pub(super) fn topological_order(&self) -> Vec<OpIx> {
        let mut visited = vec![false; self.ops.len()];
        let mut order = Vec::with_capacity(self.ops.len());
        for start in self.alive() {
            self.visit(start, &mut visited, &mut order);
        }
        order
    }

    /// Appends `start` after all its unvisited predecessors; a stack of its own, since a chain may be thousands of ops long.
    fn visit(&self, start: OpIx, visited: &mut [bool], order: &mut Vec<OpIx>) {
        if std::mem::replace(&mut visited[start.0], true) {
            return;
        }
        let mut stack = vec![(start, self.predecessors(start).into_iter())];
        while let Some((op, pending)) = stack.last_mut() {
            match pending.next() {
                Some(next) if !visited[next.0] => {
                    visited[next.0] = true;
                    stack.push((next, self.predecessors(next).into_iter()));
                }
                Some(_) => {}
                None => {
                    order.push(*op);
                    stack.pop();
                }
            }
        }
    }

    fn predecessors(&self, op: OpIx) -> BTreeSet<OpIx> {
        self.op(op).inputs.iter().flat_map(|&var| self.var(var).producers.iter().copied()).collect()
    }

    fn alive(&self) -> impl Iterator<Item = OpIx> + '_ {
        (0..self.ops.len()).filter(|&i| self.ops[i].alive).map(OpIx)
    }
}
