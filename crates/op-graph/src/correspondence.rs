//! Which op of one graph is which op of another: for models that were exported again and whose tensor names changed.
//!
//! Ops are compared by what surrounds them, at shrinking distances, and each pair found becomes a landmark for the rest (colour refinement,
//! Weisfeiler and Leman 1968). Names only decide between ops that look alike, because an exporter that inserts one layer shifts the numbers
//! in all names after it.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use crate::{OpGraph, OpId};

/// What to look at around an op.
#[derive(Clone, Copy)]
struct Sight {
    /// How far, in edges.
    distance: usize,
    /// At what it reads?
    back: bool,
    /// At what reads it?
    forward: bool,
}

/// From far to near; one side alone where the other was changed.
const SIGHTS: [Sight; 9] = [both(32), both(8), both(3), both(1), back(3), forward(3), back(1), forward(1), both(0)];

const fn both(distance: usize) -> Sight {
    Sight { distance, back: true, forward: true }
}

const fn back(distance: usize) -> Sight {
    Sight { distance, back: true, forward: false }
}

const fn forward(distance: usize) -> Sight {
    Sight { distance, back: false, forward: true }
}

/// Why two ops are taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// No other op has the same surroundings.
    Surroundings,
    /// Several have, and one of them the same name of an output.
    Name,
    /// Several have; they are taken in log order.
    Order,
}

/// The partners of the ops of one graph in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correspondence {
    partners: Vec<Option<(OpId, Likeness)>>,
}

impl Correspondence {
    /// Finds the partners of the ops of `old` in `new`; each op of `new` is the partner of one at most, and partners have one type.
    ///
    /// ```
    /// use op_graph::{Correspondence, Likeness, OpGraph, OpId, OpRecord};
    ///
    /// let graph = |lines: &[&str]| OpGraph::from_records(lines.iter().map(|line| OpRecord::parse(line.as_bytes()).unwrap()).collect());
    /// let old = graph(&["feed:feed:x", "relu:x:a", "sigmoid:a:b", "fetch:b:fetch"]);
    /// let new = graph(&["feed:feed:image", "relu:image:t0", "dropout:t0:t1", "sigmoid:t1:t2", "fetch:t2:fetch"]);
    /// let partners = Correspondence::between(&old, &new);
    /// assert_eq!(partners.of(OpId::new(2)), Some((OpId::new(3), Likeness::Surroundings)));
    /// ```
    pub fn between(old: &OpGraph, new: &OpGraph) -> Self {
        let mut sides = [Side::new(old), Side::new(new)];
        let mut partners = vec![None; old.op_count()];
        for sight in SIGHTS {
            while settle(&mut sides, sight, &mut partners, Likeness::Surroundings) {}
        }
        for sight in SIGHTS {
            for likeness in [Likeness::Name, Likeness::Order] {
                while settle(&mut sides, sight, &mut partners, likeness) {
                    while settle(&mut sides, sight, &mut partners, Likeness::Surroundings) {}
                }
            }
        }
        Self { partners }
    }

    /// The partner of an op of the old graph, and why.
    pub fn of(&self, op: OpId) -> Option<(OpId, Likeness)> {
        self.partners.get(op.index()).copied().flatten()
    }
}

/// One graph, and the landmarks in it.
struct Side<'a> {
    graph: &'a OpGraph,
    readers: Vec<Vec<usize>>,
    sources: Vec<Vec<usize>>,
    /// The number of the pair that an op belongs to.
    landmark: Vec<Option<usize>>,
}

impl<'a> Side<'a> {
    fn new(graph: &'a OpGraph) -> Self {
        let readers: Vec<Vec<usize>> =
            graph.ops().map(|op| graph.successors(op).iter().map(|next| next.index()).collect()).collect();
        let mut sources = vec![Vec::new(); readers.len()];
        for (op, next) in readers.iter().enumerate() {
            for &reader in next {
                sources[reader].push(op);
            }
        }
        Self { graph, landmark: vec![None; readers.len()], readers, sources }
    }

    /// What each op sees in this sight; equal numbers mean equal sights.
    fn colors(&self, sight: Sight) -> Vec<u64> {
        let own = |op: usize| {
            let record = self.graph.record(OpId::new(op));
            hash(&(record.op_type.as_bytes(), record.inputs.len(), record.outputs.len(), self.landmark[op]))
        };
        let mut colors: Vec<u64> = (0..self.landmark.len()).map(own).collect();
        for _ in 0..sight.distance {
            let around = |looks: bool, ops: &[usize]| {
                let mut seen: Vec<u64> = ops.iter().filter(|_| looks).map(|&op| colors[op]).collect();
                seen.sort_unstable();
                seen
            };
            colors = (0..colors.len())
                .map(|op| match self.landmark[op] {
                    Some(_) => colors[op],
                    None => hash(&(
                        colors[op],
                        around(sight.back, &self.sources[op]),
                        around(sight.forward, &self.readers[op]),
                    )),
                })
                .collect();
        }
        colors
    }

    /// The ops without a partner, by color, in log order.
    fn classes(&self, sight: Sight) -> BTreeMap<u64, Vec<usize>> {
        let mut classes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (op, color) in self.colors(sight).into_iter().enumerate() {
            if self.landmark[op].is_none() {
                classes.entry(color).or_default().push(op);
            }
        }
        classes
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Pairs what can be paired in this sight for this reason; says whether anything was. A guess pairs one class only, because what follows
/// from it may be no guess.
fn settle(sides: &mut [Side<'_>; 2], sight: Sight, partners: &mut [Option<(OpId, Likeness)>], why: Likeness) -> bool {
    let [old, new] = [sides[0].classes(sight), sides[1].classes(sight)];
    let mut found = Vec::new();
    for (color, ours) in &old {
        let Some(theirs) = new.get(color) else { continue };
        match why {
            Likeness::Surroundings if ours.len() == 1 && theirs.len() == 1 => found.push((ours[0], theirs[0])),
            Likeness::Name => {
                let named = |op: &usize| &sides[0].graph.record(OpId::new(*op)).outputs;
                let same = |op: &usize| {
                    theirs.iter().find(|&&other| *named(op) == sides[1].graph.record(OpId::new(other)).outputs)
                };
                found.extend(ours.iter().filter_map(|op| Some((*op, *same(op)?))));
            }
            Likeness::Order if ours.len() == theirs.len() => {
                found.extend(ours.iter().copied().zip(theirs.iter().copied()));
            }
            _ => {}
        }
        if why != Likeness::Surroundings && !found.is_empty() {
            break;
        }
    }
    let mut settled = false;
    for (ours, theirs) in found {
        // Names may repeat: the first one wins.
        if sides[0].landmark[ours].is_some() || sides[1].landmark[theirs].is_some() {
            continue;
        }
        sides[0].landmark[ours] = Some(ours);
        sides[1].landmark[theirs] = Some(ours);
        partners[ours] = Some((OpId::new(theirs), why));
        settled = true;
    }
    settled
}
