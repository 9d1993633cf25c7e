//! Blocks: chains of ops that the graph view can fold into one box, and their layered layout.

use rust_sugiyama::{configure::Config, from_vertices_and_edges};
use serde::Serialize;

/// The width of a block and the gap to the next, in the units of the drawing.
const WIDTH: f64 = 190.0;
const GAP: f64 = 26.0;

/// Blocks with more ops than this are cut, so that one folds into something that can be imagined.
const LONGEST: usize = 16;

/// A chain of ops, each the only reader of the one before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Block {
    /// Ops in order.
    pub(super) ops: Vec<u32>,
    /// The row, from the top.
    pub(super) layer: u32,
    /// The left edge.
    pub(super) x: f64,
}

/// Groups ops into blocks and lays them out. `edges` go from op to op, forward; `part` tells what must not share a block.
pub(super) fn blocks<P: PartialEq>(count: usize, edges: &[(u32, u32)], part: impl Fn(u32) -> P) -> Vec<Block> {
    let chains = chains(count, edges, part);
    let mut block_of = vec![0; count];
    for (block, ops) in chains.iter().enumerate() {
        for &op in ops {
            block_of[op as usize] = block as u32;
        }
    }
    let mut between: Vec<(u32, u32)> = edges
        .iter()
        .map(|&(from, to)| (block_of[from as usize], block_of[to as usize]))
        .filter(|(from, to)| from != to)
        .collect();
    between.sort_unstable();
    between.dedup();
    let places = place(chains.len(), &between);
    chains.into_iter().zip(places).map(|(ops, (layer, x))| Block { ops, layer, x }).collect()
}

fn chains<P: PartialEq>(count: usize, edges: &[(u32, u32)], part: impl Fn(u32) -> P) -> Vec<Vec<u32>> {
    let mut readers = vec![Vec::new(); count];
    let mut sources = vec![0_u32; count];
    let mut unique = edges.to_vec();
    unique.sort_unstable();
    unique.dedup();
    for (from, to) in unique {
        readers[from as usize].push(to);
        sources[to as usize] += 1;
    }
    let mut taken = vec![false; count];
    let mut chains = Vec::new();
    for first in 0..count as u32 {
        if std::mem::replace(&mut taken[first as usize], true) {
            continue;
        }
        let mut chain = vec![first];
        let mut last = first;
        while let [next] = readers[last as usize][..] {
            let joins = sources[next as usize] == 1 && !taken[next as usize] && part(next) == part(last);
            if !joins || chain.len() == LONGEST {
                break;
            }
            taken[next as usize] = true;
            chain.push(next);
            last = next;
        }
        chains.push(chain);
    }
    chains
}

/// Layer and left edge of each vertex; components stand side by side.
fn place(count: usize, edges: &[(u32, u32)]) -> Vec<(u32, f64)> {
    let vertices: Vec<(u32, (f64, f64))> = (0..count as u32).map(|vertex| (vertex, (WIDTH, 1.0))).collect();
    // Swapping neighbours pays off in small graphs, and takes minutes in large ones.
    let config = Config { vertex_spacing: GAP, transpose: count < 200, dummy_size: 0.4, ..Config::default() };
    let mut places = vec![(0, 0.0); count];
    let mut offset = 0.0;
    for (layout, _, _) in from_vertices_and_edges(&vertices, edges, &config) {
        let mut rows: Vec<f64> = layout.iter().map(|&(_, (_, y))| y).collect();
        rows.sort_by(f64::total_cmp);
        rows.dedup_by(|a, b| (*a - *b).abs() < 1e-6);
        let left = layout.iter().map(|&(_, (x, _))| x).fold(f64::INFINITY, f64::min);
        let right = layout.iter().map(|&(_, (x, _))| x).fold(f64::NEG_INFINITY, f64::max);
        for (vertex, (x, y)) in layout {
            let layer = rows.partition_point(|&row| row < y - 1e-6) as u32;
            places[vertex] = (layer, (offset + x - left).round());
        }
        offset += right - left + WIDTH + GAP;
    }
    downward(places, edges)
}

/// The library may count layers from either end; ours grow along the edges.
fn downward(mut places: Vec<(u32, f64)>, edges: &[(u32, u32)]) -> Vec<(u32, f64)> {
    let upward = edges.iter().any(|&(from, to)| places[from as usize].0 > places[to as usize].0);
    if upward {
        let last = places.iter().map(|place| place.0).max().unwrap_or(0);
        for place in &mut places {
            place.0 = last - place.0;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dag() -> impl Strategy<Value = (usize, Vec<(u32, u32)>)> {
        (1_usize..40).prop_flat_map(|count| {
            let edge = (0..count as u32, 0..count as u32);
            let edges = proptest::collection::vec(edge, 0..60);
            (Just(count), edges.prop_map(|edges| edges.into_iter().filter(|(from, to)| from < to).collect()))
        })
    }

    proptest! {
        #[test]
        fn every_op_is_in_one_block_and_edges_lead_down((count, edges) in dag()) {
            let blocks = blocks(count, &edges, |_| 0);
            let mut layer_of = vec![None; count];
            for block in &blocks {
                prop_assert!(block.ops.len() <= LONGEST);
                for (place, &op) in block.ops.iter().enumerate() {
                    prop_assert_eq!(layer_of[op as usize].replace((block.layer, place)), None);
                }
            }
            prop_assert!(layer_of.iter().all(Option::is_some));
            for (from, to) in edges {
                prop_assert!(layer_of[from as usize] < layer_of[to as usize]);
            }
        }

        #[test]
        fn blocks_of_a_layer_do_not_overlap_and_the_layout_repeats((count, edges) in dag()) {
            let first = blocks(count, &edges, |op| op % 3);
            prop_assert_eq!(&first, &blocks(count, &edges, |op| op % 3));
            for (a, b) in first.iter().enumerate().flat_map(|(i, a)| first[i + 1..].iter().map(move |b| (a, b))) {
                prop_assert!(a.layer != b.layer || (a.x - b.x).abs() >= WIDTH, "{:?} {:?}", a, b);
            }
        }
    }

    #[test]
    fn a_chain_is_cut_where_the_part_changes() {
        let edges = [(0, 1), (1, 2), (2, 3)];
        let ops: Vec<Vec<u32>> = blocks(4, &edges, |op| op < 2).into_iter().map(|block| block.ops).collect();
        assert_eq!(ops, [vec![0, 1], vec![2, 3]]);
    }
}
