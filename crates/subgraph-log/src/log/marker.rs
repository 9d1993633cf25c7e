//! The lines that announce a part of a block, wherever a log collector has put them.

use memchr::memmem;

/// What a marker line announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// `subgraph clusters: N`.
    Clusters(usize),
    /// `subgraphs: N`, up to v2.9: a DOT follows and no operators.
    LegacyClusters(usize),
    /// `subgraph operators: `.
    Operators,
}

/// A marker line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) announced: Announced,
    /// What stands before the marker: nothing, or the prefix that a log collector adds to every line.
    pub(super) prefix: Vec<u8>,
}

/// What every marker begins with.
pub(super) const NEEDLE: &[u8] = b"subgraph";

/// Reads a cleaned line as a marker.
pub(super) fn read_marker(line: &[u8]) -> Option<Marker> {
    memmem::find_iter(line, NEEDLE).find_map(|at| {
        let announced = read_announcement(&line[at + NEEDLE.len()..])?;
        Some(Marker { announced, prefix: line[..at].trim_ascii_start().to_vec() })
    })
}

/// May the text behind a [`NEEDLE`] make its line a marker? Cheap, for the scan over everything that is not a block.
pub(super) fn may_announce(behind: &[u8]) -> bool {
    behind.starts_with(b" clusters:") || behind.starts_with(b" operators:") || behind.starts_with(b"s:")
}

fn read_announcement(behind: &[u8]) -> Option<Announced> {
    if let Some(rest) = behind.strip_prefix(b" operators:") {
        return rest.trim_ascii().is_empty().then_some(Announced::Operators);
    }
    let (rest, make): (_, fn(usize) -> Announced) = match behind.strip_prefix(b" clusters:") {
        Some(rest) => (rest, Announced::Clusters),
        None => (behind.strip_prefix(b"s:")?, Announced::LegacyClusters),
    };
    let digits = std::str::from_utf8(rest.trim_ascii()).ok()?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(make)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_read_behind_any_prefix() {
        let cases: [(&str, Option<Announced>); 11] = [
            ("subgraph clusters: 12", Some(Announced::Clusters(12))),
            ("   subgraph clusters: 0", Some(Announced::Clusters(0))),
            ("[4 11/23  2:22:11.661 x.cc:28 Check] subgraph clusters: 1", Some(Announced::Clusters(1))),
            ("subgraphs: 3", Some(Announced::LegacyClusters(3))),
            ("subgraph operators: ", Some(Announced::Operators)),
            ("subgraph operators:", Some(Announced::Operators)),
            ("search for \"subgraph operators: \"", None),
            ("subgraph clusters: many", None),
            ("subgraph clusters: +1", None),
            ("subgraph clusters: 99999999999999999999999", None),
            ("detected 12 subgraph", None),
        ];
        for (line, expected) in cases {
            assert_eq!(read_marker(line.as_bytes()).map(|marker| marker.announced), expected, "{line}");
        }
    }
}
