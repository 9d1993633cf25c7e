//! The contraction behind the clusters: a DAG whose nodes swallow their neighbours, kept in topological order.
//!
//! Paddle Lite asks for every edge n→y, by a search over all ancestors, whether y has a second path from n
//! (spec/paddle-lite.md C2). Here one forward scan answers it for all y at once: in topological order, y joins n exactly
//! when every predecessor of y that n reaches has joined n. The scan ends when nothing is left that could join, so a
//! visit costs the stretch of the order it looks at and not the graph.

use crate::{OpGraph, OpId, OpSet};

/// An empty slot in the topological order, left by an op that joined another.
const VACANT: u32 = u32::MAX;

/// How the current scan has met a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// Not at all: n does not reach it, as far as the scan has come.
    No,
    /// Only over nodes that joined n: it may join.
    Directly,
    /// Over a node that did not join n: it must stay out.
    Around,
}

/// The contracted graph; an op stands for all ops that joined it.
pub(crate) struct Contraction {
    parent: Vec<u32>,
    /// Successors of each root, as ops that may since have joined another; may hold one root several times.
    successors: Vec<Vec<u32>>,
    /// Roots in topological order, between vacant slots.
    order: Vec<u32>,
    position: Vec<u32>,
    reached: Vec<Reached>,
}

impl Contraction {
    pub(crate) fn new(graph: &OpGraph) -> Self {
        let count = graph.op_count();
        let every_op: Vec<u32> = (0..count as u32).collect();
        let successors =
            graph.ops().map(|op| graph.successors(op).iter().map(|next| next.index() as u32).collect()).collect();
        Self {
            parent: every_op.clone(),
            successors,
            order: every_op.clone(),
            position: every_op,
            reached: vec![Reached::No; count],
        }
    }

    /// The op that stands for this one.
    pub(crate) fn root(&mut self, op: OpId) -> OpId {
        OpId::new(self.find(op.index() as u32) as usize)
    }

    fn find(&mut self, mut op: u32) -> u32 {
        while self.parent[op as usize] != op {
            let grandparent = self.parent[self.parent[op as usize] as usize];
            self.parent[op as usize] = grandparent;
            op = grandparent;
        }
        op
    }

    /// Lets `op` swallow what it can; an op that was itself swallowed does nothing.
    pub(crate) fn grow(&mut self, op: OpId, marked: &OpSet) {
        let start = op.index() as u32;
        if self.find(start) != start {
            return;
        }
        let mut joined = vec![start];
        let mut around = Vec::new();
        let mut candidates = self.reach(start, Reached::Directly);
        let mut slot = self.position[start as usize] as usize;
        // Every node that n reaches lies behind n in the order, so its fate is known when the scan comes by.
        while candidates > 0 {
            slot += 1;
            let node = self.order[slot];
            if node == VACANT || self.reached[node as usize] == Reached::No {
                continue;
            }
            let directly = self.reached[node as usize] == Reached::Directly;
            candidates -= usize::from(directly);
            if directly && marked.contains(OpId::new(node as usize)) {
                joined.push(node);
                candidates += self.reach(node, Reached::Directly);
            } else {
                around.push(node);
                candidates -= self.reach(node, Reached::Around);
            }
        }
        self.forget_reached(&joined);
        self.forget_reached(&around);
        if joined.len() > 1 {
            self.merge(&joined, &around);
        }
    }

    /// Marks the successors of a node, and returns how many candidates that made (`Directly`) or unmade (`Around`).
    fn reach(&mut self, node: u32, how: Reached) -> usize {
        let mut changed = 0;
        let successors = std::mem::take(&mut self.successors[node as usize]);
        for &next in &successors {
            let next = self.find(next);
            let reached = &mut self.reached[next as usize];
            match (*reached, how) {
                (Reached::No, _) => {
                    *reached = how;
                    changed += usize::from(how == Reached::Directly);
                }
                (Reached::Directly, Reached::Around) => {
                    *reached = Reached::Around;
                    changed += 1;
                }
                _ => {}
            }
        }
        self.successors[node as usize] = successors;
        changed
    }

    fn forget_reached(&mut self, nodes: &[u32]) {
        for &node in nodes {
            self.reached[node as usize] = Reached::No;
            let successors = std::mem::take(&mut self.successors[node as usize]);
            for &next in &successors {
                let next = self.find(next);
                self.reached[next as usize] = Reached::No;
            }
            self.successors[node as usize] = successors;
        }
    }

    /// Makes one node of `joined` (whose first member stays) and moves it, then `around`, behind the rest of the stretch.
    fn merge(&mut self, joined: &[u32], around: &[u32]) {
        let root = joined[0];
        let first = self.position[root as usize] as usize;
        let last = joined.iter().map(|&node| self.position[node as usize] as usize).max().unwrap_or(first);
        for &node in &joined[1..] {
            self.parent[node as usize] = root;
        }
        self.merge_successors(joined);

        for &node in joined.iter().chain(around) {
            self.order[self.position[node as usize] as usize] = VACANT;
        }
        let others: Vec<u32> = self.order[first..=last].iter().copied().filter(|&node| node != VACANT).collect();
        self.order[first..=last].fill(VACANT);
        // `around` may reach past the last that joined: those keep their slots.
        let (inside, beyond): (Vec<u32>, Vec<u32>) =
            around.iter().partition(|&&node| (self.position[node as usize] as usize) < last);
        for node in beyond {
            self.order[self.position[node as usize] as usize] = node;
        }
        for (slot, node) in (first..).zip(others.into_iter().chain([root]).chain(inside)) {
            self.order[slot] = node;
            self.position[node as usize] = slot as u32;
        }
    }

    fn merge_successors(&mut self, joined: &[u32]) {
        let mut merged = Vec::new();
        for &node in joined {
            for next in std::mem::take(&mut self.successors[node as usize]) {
                let next = self.find(next);
                if next != joined[0] && self.reached[next as usize] == Reached::No {
                    self.reached[next as usize] = Reached::Directly; // seen
                    merged.push(next);
                }
            }
        }
        for &next in &merged {
            self.reached[next as usize] = Reached::No;
        }
        self.successors[joined[0] as usize] = merged;
    }
}
