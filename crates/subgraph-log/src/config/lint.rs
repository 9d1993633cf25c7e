//! Explains what a config really does: Paddle Lite takes every text and says nothing of what it ignores
//! (spec/paddle-lite.md B1, spec/measured.md).

use std::collections::{BTreeMap, HashMap};

use op_graph::{Name, OpGraph, OpId, OpSet, Support, fused_units, is_feed_or_fetch};

use super::{
    Entry, OpIndex,
    nearest::{nearest_op, nearest_type},
    split,
};
use crate::{Diagnostic, diagnostic::excerpt};

/// For no more entries is the nearest op searched.
const MOST_SUGGESTIONS: usize = 100;

/// No more ops are listed in a message.
const MOST_LISTED: usize = 5;

/// Everything about a config that a user should know, by line. `support` tells which ops the accelerator takes at all.
pub fn lint(config: &[u8], graph: &OpGraph, support: Support) -> Vec<Diagnostic> {
    if let Some(unreadable) = whole_file(config) {
        return vec![unreadable];
    }
    let mut linter = Linter {
        graph,
        support,
        index: OpIndex::new(graph),
        diagnostics: Vec::new(),
        first_line: HashMap::new(),
        forced_on: BTreeMap::new(),
        suggestions: 0,
    };
    for (index, line) in split(config, b'\n').enumerate() {
        linter.line(index + 1, line);
    }
    linter.whole_placement();
    linter.diagnostics.sort_by_key(|diagnostic| diagnostic.line);
    linter.diagnostics
}

/// What makes the whole file useless.
fn whole_file(config: &[u8]) -> Option<Diagnostic> {
    if config.is_empty() {
        let message = "the file is empty, which crashes Paddle Lite when it loads the model: write a single line end where no op is to be forced";
        return Some(Diagnostic::error(1, message));
    }
    let utf16 = config.starts_with(b"\xff\xfe") || config.starts_with(b"\xfe\xff");
    utf16.then(|| {
        Diagnostic::error(
            1,
            "the file is UTF-16, of which Paddle Lite reads no line: save it as plain ASCII or UTF-8 without a mark",
        )
    })
}

struct Linter<'a> {
    graph: &'a OpGraph,
    support: Support,
    index: OpIndex<'a>,
    diagnostics: Vec<Diagnostic>,
    /// Where an entry stood first.
    first_line: HashMap<Vec<u8>, usize>,
    /// The ops that are really moved, each with the first line that does it.
    forced_on: BTreeMap<OpId, usize>,
    suggestions: usize,
}

impl Linter<'_> {
    fn line(&mut self, number: usize, line: &[u8]) {
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() {
            if !line.is_empty() {
                self.push(Diagnostic::note(number, "blanks alone: matches nothing"));
            }
            return;
        }
        if number == 1 && line.starts_with(b"\xef\xbb\xbf") {
            self.push(Diagnostic::error(
                1,
                "the file begins with a byte order mark, which becomes part of the first op type: save it without",
            ));
        }
        let pieces: Vec<&[u8]> = split(line, b'-').filter(|piece| !piece.is_empty()).collect();
        let entries: Vec<Entry> = pieces.iter().map(|piece| Entry::parse(number, piece)).collect();
        let matches: Vec<Vec<OpId>> = entries.iter().map(|entry| self.index.matching(entry)).collect();
        for &op in matches.iter().flatten() {
            if self.is_movable(op) {
                self.forced_on.entry(op).or_insert(number);
            }
        }
        if trimmed.starts_with(b"#") || trimmed.starts_with(b"//") || trimmed.starts_with(b";") {
            self.comment(number, &pieces, &matches);
            return;
        }
        if line.contains(&b'-') {
            self.dashes(number, &pieces, &matches);
        }
        for ((piece, entry), ops) in pieces.iter().zip(&entries).zip(&matches) {
            if ops.is_empty() {
                self.no_match(piece, entry, pieces.len() > 1);
            } else {
                self.match_(piece, entry, ops);
            }
        }
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn is_movable(&self, op: OpId) -> bool {
        self.support.takes(&self.graph.record(op).op_type)
    }

    fn comment(&mut self, number: usize, pieces: &[&[u8]], matches: &[Vec<OpId>]) {
        let active = pieces.iter().zip(matches).find(|(_, ops)| !ops.is_empty());
        self.push(match active {
            Some((piece, ops)) => Diagnostic::error(
                number,
                format!(
                    "there are no comments: `-` separates ops, so this line forces {} with its piece `{}`",
                    self.listed(ops),
                    excerpt(piece)
                ),
            ),
            None => Diagnostic::note(
                number,
                "there are no comments; this line matches nothing, but one with a `-` before an op type would force all ops of it",
            ),
        });
    }

    fn dashes(&mut self, number: usize, pieces: &[&[u8]], matches: &[Vec<OpId>]) {
        let read = pieces.iter().map(|piece| format!("`{}`", excerpt(piece))).collect::<Vec<_>>().join(" and ");
        if matches.iter().all(|ops| !ops.is_empty()) {
            if pieces.len() > 1 {
                self.push(Diagnostic::note(number, format!("`-` separates ops: this line is read as {read}")));
            }
            return;
        }
        let message = format!(
            "`-` separates ops: this line is read as {read}. A name that holds `-` cannot be written; leave it out, and tell the op by its other names"
        );
        self.push(Diagnostic::error(number, message));
    }

    fn no_match(&mut self, piece: &[u8], entry: &Entry, is_part: bool) {
        let what = if is_part { format!("`{}`", excerpt(piece)) } else { "this line".to_owned() };
        let mut message =
            format!("{what} matches no op, which Paddle Lite does not tell: {}", self.reasons(piece, entry));
        if let Some(nearest) = self.nearest(entry) {
            message.push_str("; the nearest is `");
            message.push_str(&excerpt(&nearest));
            message.push('`');
        }
        self.push(Diagnostic::error(entry.line, message));
    }

    /// The line that was probably meant.
    fn nearest(&mut self, entry: &Entry) -> Option<Vec<u8>> {
        if self.suggestions == MOST_SUGGESTIONS {
            return None;
        }
        self.suggestions += 1;
        if entry.inputs.is_empty() && entry.outputs.is_empty() {
            let types = self.index.by_type.keys().copied();
            return nearest_type(types, &entry.op_type).map(|op_type| op_type.as_bytes().to_vec());
        }
        nearest_op(self.graph, entry).map(|op| self.graph.record(op).to_line())
    }

    /// Why an entry matches nothing: the first few reasons that apply.
    fn reasons(&self, piece: &[u8], entry: &Entry) -> String {
        let mut reasons = Vec::new();
        if piece.ends_with(b"\r") {
            reasons.push(
                "it ends in CR LF, and the CR becomes part of the last name (save the file with LF alone)".to_owned(),
            );
        }
        let blank = |name: &Name| {
            name.as_bytes().trim_ascii() != name.as_bytes().strip_suffix(b"\r").unwrap_or(name.as_bytes())
        };
        let names = || entry.inputs.iter().chain(&entry.outputs);
        if blank(&entry.op_type) || names().any(blank) {
            reasons.push("blanks and tabs are not trimmed but become part of a name".to_owned());
        }
        if entry.op_type.as_bytes().contains(&b'\t') || names().any(|name| name.as_bytes().contains(&b'\t')) {
            reasons.push("fields are separated by `:`, not by tabs".to_owned());
        }
        if names().any(|name| name.as_bytes().is_empty()) {
            reasons.push("a comma before or between nothing lists an empty name".to_owned());
        }
        reasons.extend(self.type_reason(entry));
        for (listed, of, kind) in [(&entry.inputs, true, "input"), (&entry.outputs, false, "output")] {
            reasons.extend(self.name_reason(entry, listed, of, kind));
        }
        if entry.extra_fields > 0 {
            reasons.push("it has more than three fields (a name that holds `:` cannot be written)".to_owned());
        }
        if reasons.is_empty() {
            reasons.push("no op has all of these inputs and outputs".to_owned());
        }
        reasons.join("; ")
    }

    fn type_reason(&self, entry: &Entry) -> Option<String> {
        if !self.index.of_type(&entry.op_type).is_empty() {
            return None;
        }
        let op_type = entry.op_type.as_bytes();
        if op_type.is_empty() {
            return Some("it begins with `:`, so it has no op type".to_owned());
        }
        let is_pattern = op_type.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b'^' | b'$'));
        if is_pattern {
            return Some("types and names are compared letter by letter: there are no patterns".to_owned());
        }
        let mut types: Vec<&Name> = self.index.by_type.keys().copied().collect();
        types.sort_unstable();
        let other_case = types.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(op_type));
        Some(match other_case {
            Some(known) => format!("the case is wrong, the op type is `{known}`"),
            None => format!("there is no op of type `{}`", excerpt(op_type)),
        })
    }

    fn name_reason(&self, entry: &Entry, listed: &[Name], inputs: bool, kind: &str) -> Option<String> {
        let by_name = if inputs { &self.index.by_input } else { &self.index.by_output };
        if let Some(repeated) = listed.iter().enumerate().find(|(at, name)| listed[..*at].contains(name)) {
            return Some(format!(
                "`{}` is listed twice, but an op has each name only once",
                excerpt(repeated.1.as_bytes())
            ));
        }
        let of_type = |ops: &[OpId]| ops.iter().any(|&op| self.graph.record(op).op_type == entry.op_type);
        let unknown =
            listed.iter().find(|name| !name.as_bytes().is_empty() && !of_type(super::ops_of(by_name, name)))?;
        let known_type = !self.index.of_type(&entry.op_type).is_empty();
        known_type.then(|| format!("no `{}` has the {kind} `{}`", entry.op_type, excerpt(unknown.as_bytes())))
    }

    fn match_(&mut self, piece: &[u8], entry: &Entry, ops: &[OpId]) {
        let line = entry.line;
        if let Some(&first) = self.first_line.get(piece) {
            self.push(Diagnostic::note(line, format!("the same as line {first}")));
            return;
        }
        self.first_line.insert(piece.to_vec(), line);
        if entry.extra_fields > 0 {
            self.push(Diagnostic::warning(line, "what stands behind the third field is ignored"));
        }
        let movable = ops.iter().filter(|&&op| self.is_movable(op)).count();
        if movable == 0 {
            let never =
                if is_feed_or_fetch(&entry.op_type) { "feed and fetch never run" } else { "this type never runs" };
            self.push(Diagnostic::note(line, format!("no effect: {never} on the NPU")));
            return;
        }
        let lists_names = !entry.inputs.is_empty() || !entry.outputs.is_empty();
        if lists_names && ops.len() > 1 {
            self.push(Diagnostic::warning(line, format!("forces more than one op: {}", self.listed(ops))));
        } else if !lists_names {
            let message = format!("without names, it forces every `{}`: {} op(s)", entry.op_type, ops.len());
            self.push(Diagnostic::note(line, message));
        }
    }

    /// What the placement as a whole does.
    fn whole_placement(&mut self) {
        if self.forced_on.is_empty() {
            let message = "no op is forced to the CPU: everything that the NPU takes runs there";
            self.push(Diagnostic::note(1, message));
        }
        for (line, split) in self.anchors_without_bias() {
            let message = format!(
                "forces {} without the bias add that reads it, which the NPU then refuses to compile: force both",
                self.listed(&split)
            );
            self.push(Diagnostic::warning(line, message));
        }
    }

    /// Convolutions and matrix products that are forced while their bias add is not, by the line that does it.
    fn anchors_without_bias(&self) -> BTreeMap<usize, Vec<OpId>> {
        let movable: OpSet = self.support.ops(self.graph);
        let mut split: BTreeMap<usize, Vec<OpId>> = BTreeMap::new();
        for unit in fused_units(self.graph, &movable) {
            let [anchor, add, ..] = unit[..] else { continue };
            let is_bias = self.graph.record(add).op_type == "elementwise_add";
            if let Some(&line) = self.forced_on.get(&anchor)
                && is_bias
                && !self.forced_on.contains_key(&add)
            {
                split.entry(line).or_default().push(anchor);
            }
        }
        split
    }

    fn listed(&self, ops: &[OpId]) -> String {
        let mut text: Vec<String> = ops
            .iter()
            .take(MOST_LISTED)
            .map(|&op| format!("`{}`", excerpt(&self.graph.record(op).to_line())))
            .collect();
        if ops.len() > MOST_LISTED {
            text.push(format!("{} more", ops.len() - MOST_LISTED));
        }
        text.join(", ")
    }
}
