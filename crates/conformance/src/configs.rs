//! Random partition configs: honest placements, and files as people and editors mangle them (spec/paddle-lite.md B1).

use op_graph::{OpGraph, OpId, OpSet, Support, fused_units};

/// A partition config for a graph, never of 0 bytes: Paddle Lite crashes on that (spec/measured.md).
pub fn random(rng: &mut fastrand::Rng, graph: &OpGraph) -> Vec<u8> {
    let lines = match rng.u8(0..10) {
        0..=3 => records(graph, &random_placement(rng, graph)),
        4..=5 => types(rng, graph),
        _ => return mangled(rng, graph),
    };
    join(&lines, b"\n")
}

/// A set of ops to force: single ones, whole units, all of some types, or a stretch of the log.
pub fn random_placement(rng: &mut fastrand::Rng, graph: &OpGraph) -> OpSet {
    let count = graph.op_count();
    match rng.u8(0..5) {
        0 => [OpId::new(rng.usize(..count))].into_iter().collect(),
        1 => {
            let percent = [5, 20, 50, 90][rng.usize(..4)];
            graph.ops().filter(|_| rng.u8(..100) < percent).collect()
        }
        2 => {
            let units = fused_units(graph, &Support::TimVx.ops(graph));
            units.into_iter().filter(|_| rng.bool()).flatten().collect()
        }
        3 => {
            let of_type = graph.record(OpId::new(rng.usize(..count))).op_type.clone();
            graph.ops().filter(|&op| graph.record(op).op_type == of_type).collect()
        }
        _ => {
            let cut = rng.usize(..count);
            let prefix = rng.bool();
            graph.ops().filter(|op| (op.index() < cut) == prefix).collect()
        }
    }
}

fn records(graph: &OpGraph, ops: &OpSet) -> Vec<Vec<u8>> {
    ops.iter().map(|op| graph.record(op).to_line()).collect()
}

fn types(rng: &mut fastrand::Rng, graph: &OpGraph) -> Vec<Vec<u8>> {
    (0..rng.usize(1..4))
        .map(|_| graph.record(OpId::new(rng.usize(..graph.op_count()))).op_type.as_bytes().to_vec())
        .collect()
}

/// A way to spoil one line.
type Mangle = fn(&mut fastrand::Rng, Vec<u8>) -> Vec<u8>;

const MANGLES: &[Mangle] = &[
    |_, line| [&line[..], b"\r"].concat(),
    |_, line| [b" ", &line[..]].concat(),
    |_, line| [&line[..], b" "].concat(),
    |_, line| [b"\t", &line[..]].concat(),
    |_, line| [b"# ", &line[..]].concat(),
    |_, line| [b"# keep-", &line[..]].concat(),
    |_, line| [&line[..], b":"].concat(),
    |_, line| [&line[..], b":a fourth field"].concat(),
    |_, line| line.to_ascii_uppercase(),
    |_, line| field(&line, 0).to_vec(),
    |_, line| [field(&line, 0), b":"].concat(),
    |_, line| [field(&line, 0), b"::"].concat(),
    |_, line| [field(&line, 0), b":,:,"].concat(),
    |_, line| [field(&line, 0), b":", field(&line, 1)].concat(),
    |_, line| [field(&line, 0), b"::", field(&line, 2)].concat(),
    |rng, line| {
        with_names(&line, 1, |names| {
            names.swap_remove(rng.usize(..names.len()));
        })
    },
    |rng, line| {
        with_names(&line, 2, |names| {
            names.swap_remove(rng.usize(..names.len()));
        })
    },
    |_, line| with_names(&line, 1, |names| names.reverse()),
    |_, line| with_names(&line, 1, |names| names.push(names[0])),
    |_, line| with_names(&line, 1, |names| names.insert(0, b"")),
    |_, line| with_names(&line, 1, |names| names.push(b"")),
    |_, line| with_names(&line, 1, |names| names.push(b"unknown")),
    |_, line| with_names(&line, 2, |names| names.push(b"unknown")),
    |_, line| line.iter().flat_map(|&b| if b == b',' { b", ".to_vec() } else { vec![b] }).collect(),
    |_, line| [b"-", &line[..], b"-"].concat(),
    |_, line| [&line[..], b"\n", &line[..]].concat(),
    |_, line| [&line[..], b"\0"].concat(),
    |rng, line| line[..rng.usize(..=line.len())].to_vec(),
    |_, line| line,
];

fn mangled(rng: &mut fastrand::Rng, graph: &OpGraph) -> Vec<u8> {
    let mut lines = records(graph, &random_placement(rng, graph));
    for line in &mut lines {
        if rng.u8(..100) < 40 {
            let mangle = MANGLES[rng.usize(..MANGLES.len())];
            *line = mangle(rng, std::mem::take(line));
        }
    }
    let separator: &[u8] = match rng.u8(0..12) {
        0 => b"\r\n",
        1 => b"-",
        2 => b"\n\n",
        3 => b"\n-\n",
        4 => b"\r",
        _ => b"\n",
    };
    let mut text = join(&lines, separator);
    match rng.u8(0..10) {
        0 => text = [b"\xef\xbb\xbf", &text[..]].concat(),
        1 => text.truncate(text.len().saturating_sub(1).max(1)),
        2 => text.insert(0, b'\n'),
        _ => {}
    }
    text
}

/// Lines each followed by the separator; a lone line end where there is none.
fn join(lines: &[Vec<u8>], separator: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = lines.iter().flat_map(|line| [&line[..], separator].concat()).collect();
    if text.is_empty() { b"\n".to_vec() } else { text }
}

fn field(line: &[u8], index: usize) -> &[u8] {
    line.split(|&b| b == b':').nth(index).unwrap_or_default()
}

/// The line with the names of one field edited; a field that has no names stays as it is.
fn with_names(line: &[u8], index: usize, edit: impl FnOnce(&mut Vec<&[u8]>)) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = line.split(|&b| b == b':').map(<[u8]>::to_vec).collect();
    if let Some(names_field) = fields.get_mut(index).filter(|field| !field.is_empty()) {
        let mut names: Vec<&[u8]> = names_field.split(|&b| b == b',').collect();
        edit(&mut names);
        *names_field = names.join(&b',');
    }
    fields.join(&b':')
}
