//! Gathers the lines of one block out of what else a log holds: noise, foreign lines, lines torn apart.

use std::{
    collections::HashMap,
    io::{self, BufRead},
};

use super::{
    dot::{DotGraph, DotOp, DotText, find_dot_line, read_dot_line},
    lines::Lines,
    marker::{Announced, Marker, read_marker},
    operators::looks_like_operator,
};
use crate::{Diagnostic, diagnostic::excerpt};

/// So many lines without any that belongs to the block end it.
const MOST_NOISE: usize = 10_000;

/// So many lines behind an empty line end the operators, where the DOT tells that some are missing.
const MOST_NOISE_BEHIND_BLANK: usize = 64;

/// A longer beginning of a line is not kept, so that trying it on many lines stays cheap.
const LONGEST_TORN: usize = 64 << 10;

/// No more foreign lines are reported one by one.
const MOST_REPORTS: usize = 20;

/// What was gathered of a block.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) first_line: usize,
    pub(super) last_line: usize,
    /// The N of `subgraph clusters: N`.
    pub(super) clusters_line: Option<usize>,
    /// Printed by v2.9 or before, which lists no operators.
    pub(super) is_legacy: bool,
    /// The DOT, where its nodes and edges fit together.
    pub(super) dot: Option<DotGraph>,
    /// The ops of a DOT that is damaged: their labels alone can be trusted.
    pub(super) boxes: Vec<DotOp>,
    /// How much of a DOT there was.
    pub(super) dot_extent: DotExtent,
    /// The operator lines with their numbers.
    pub(super) operators: Vec<(usize, Vec<u8>)>,
    /// Was there a line `subgraph operators:`?
    pub(super) has_header: bool,
    /// How the block ended.
    pub(super) end: End,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// How much of a DOT a block has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DotExtent {
    #[default]
    Nothing,
    /// `digraph G {`, and perhaps more.
    Begun,
    /// Up to `} // end G`.
    Ended,
}

/// How a block ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// The log or the search for more lines stopped first.
    #[default]
    Open,
    /// The operators end in an empty line, or in a line that is none.
    Terminated,
    /// The block is larger than the limit.
    Cut,
}

/// Gathers the block that the current line announces. Returns it, and the marker of the next block where that ended it.
pub(super) fn gather<R: BufRead>(
    lines: &mut Lines<R>,
    marker: Marker,
    most_bytes: usize,
) -> io::Result<(Gathered, Option<Marker>)> {
    let mut gatherer = Gatherer::new(lines.number(), marker, most_bytes);
    while let Some(phase) = gatherer.phase.take() {
        if !lines.advance()? {
            gatherer.finish(phase, lines.number());
            break;
        }
        if let Some(marker) = read_marker(lines.line()) {
            let continues = marker.announced == Announced::Operators && !matches!(phase, Phase::Operators(_));
            if !continues {
                gatherer.finish(phase, lines.number() - 1);
                return Ok((gatherer.gathered, Some(marker)));
            }
            gatherer.end_dot(phase);
            gatherer.begin_operators(marker.prefix);
            continue;
        }
        gatherer.take_line(phase, lines.number(), lines.line());
    }
    Ok((gatherer.gathered, None))
}

/// What is being waited for; every wait counts the lines since the last that belonged to the block.
#[derive(Debug)]
enum Phase {
    DotStart { noise: usize },
    Dot { text: DotText, noise: usize },
    OperatorsHeader { noise: usize },
    Operators(Expected),
}

/// The operator lines that the DOT promises, by what stands behind the type's colon.
#[derive(Debug, Default)]
struct Expected {
    tails: HashMap<Vec<u8>, usize>,
    missing: usize,
    noise: usize,
    blank_at: Option<usize>,
}

struct Gatherer {
    phase: Option<Phase>,
    gathered: Gathered,
    prefix: Prefix,
    /// The beginning of a line that a foreign line tore apart.
    torn: Vec<u8>,
    room: usize,
    foreign: usize,
}

impl Gatherer {
    fn new(number: usize, marker: Marker, most_bytes: usize) -> Self {
        let gathered = Gathered { first_line: number, last_line: number, ..Gathered::default() };
        let mut gatherer = Self {
            phase: Some(Phase::DotStart { noise: 0 }),
            gathered,
            prefix: Prefix::Undecided(Vec::new()),
            torn: Vec::new(),
            room: most_bytes,
            foreign: 0,
        };
        match marker.announced {
            Announced::Operators => gatherer.begin_operators(marker.prefix),
            Announced::Clusters(count) | Announced::LegacyClusters(count) => {
                gatherer.gathered.clusters_line = Some(count);
                gatherer.gathered.is_legacy = matches!(marker.announced, Announced::LegacyClusters(_));
                gatherer.prefix = Prefix::Undecided(marker.prefix);
            }
        }
        gatherer
    }

    fn begin_operators(&mut self, prefix: Vec<u8>) {
        if matches!(self.prefix, Prefix::Undecided(_)) {
            self.prefix = Prefix::Undecided(prefix);
        }
        self.gathered.has_header = true;
        let mut expected = Expected::default();
        if let Some(dot) = &self.gathered.dot {
            expected.missing = dot.ops.len();
            for op in &dot.ops {
                *expected.tails.entry(op.line_tail()).or_insert(0) += 1;
            }
        }
        self.torn.clear();
        self.phase = Some(Phase::Operators(expected));
    }

    fn take_line(&mut self, phase: Phase, number: usize, line: &[u8]) {
        match phase {
            Phase::DotStart { noise } => self.take_dot_start(number, line, noise),
            Phase::Dot { text, noise } => self.take_dot_line(text, noise, number, line),
            Phase::OperatorsHeader { noise } => {
                if noise < MOST_NOISE {
                    self.phase = Some(Phase::OperatorsHeader { noise: noise + 1 });
                }
            }
            Phase::Operators(expected) => self.take_operator(expected, number, line),
        }
    }

    fn take_dot_start(&mut self, number: usize, line: &[u8], noise: usize) {
        let is_start = |line: &[u8]| line.trim_ascii() == b"digraph G {";
        if self.prefix.settle(line, is_start) {
            self.gathered.last_line = number;
            self.gathered.dot_extent = DotExtent::Begun;
            self.phase = Some(Phase::Dot { text: DotText::default(), noise: 0 });
        } else if noise < MOST_NOISE {
            self.foreign_line(number, line);
            self.phase = Some(Phase::DotStart { noise: noise + 1 });
        }
    }

    fn take_dot_line(&mut self, mut text: DotText, noise: usize, number: usize, line: &[u8]) {
        let line = self.prefix.strip(line);
        if line.trim_ascii_start().starts_with(b"} // end G") || line.trim_ascii() == b"}" {
            self.gathered.last_line = number;
            self.gathered.dot_extent = DotExtent::Ended;
            self.end_dot(Phase::Dot { text, noise });
            self.phase = Some(Phase::OperatorsHeader { noise: 0 });
            return;
        }
        let whole = read_dot_line(line);
        let mended =
            if whole.is_some() || self.torn.is_empty() { None } else { read_dot_line(&[&self.torn, line].concat()) };
        let is_mended = mended.is_some();
        match whole.or(mended).or_else(|| find_dot_line(line)) {
            Some(read) if self.room >= line.len() => {
                if is_mended {
                    self.gathered
                        .diagnostics
                        .push(Diagnostic::note(number, "put together a line that another one tore apart"));
                    self.torn.clear();
                }
                self.room -= line.len();
                text.push(number, read);
                self.gathered.last_line = number;
                self.phase = Some(Phase::Dot { text, noise: 0 });
            }
            Some(_) => self.cut(number),
            None => {
                self.tear(number, line);
                if noise < MOST_NOISE {
                    self.phase = Some(Phase::Dot { text, noise: noise + 1 });
                } else {
                    self.end_dot(Phase::Dot { text, noise });
                }
            }
        }
    }

    /// Links what there is of the DOT.
    fn end_dot(&mut self, phase: Phase) {
        if let Phase::Dot { text, .. } = phase
            && !text.is_empty()
        {
            match text.link(&mut self.gathered.diagnostics) {
                Ok(dot) => self.gathered.dot = Some(dot),
                Err(boxes) => self.gathered.boxes = boxes,
            }
        }
        self.torn.clear();
    }

    fn take_operator(&mut self, mut expected: Expected, number: usize, line: &[u8]) {
        let has_dot = self.gathered.dot.is_some();
        self.prefix.settle(line, looks_like_operator);
        let line = self.prefix.strip(line).trim_ascii_start();
        // Copying from a page adds blanks; no name has been seen to end in one.
        let line = if has_dot && expected.promises(line) { line } else { line.trim_ascii_end() };
        if let Some(mended) = self.mend(&mut expected, line) {
            let message = "put together a line that another one tore apart";
            self.gathered.diagnostics.push(Diagnostic::note(number, message));
            self.keep_operator(expected, number, mended);
        } else if line.is_empty() {
            if expected.missing == 0 {
                self.gathered.end = End::Terminated;
                self.gathered.last_line = number;
            } else {
                expected.blank_at.get_or_insert(number);
                self.phase = Some(Phase::Operators(expected));
            }
        } else if expected.take(line) || (expected.blank_at.is_none() && is_whole_operator(line)) {
            self.keep_operator(expected, number, line.to_vec());
        } else if has_dot && expected.missing == 0 || self.is_behind_fetch(has_dot) {
            self.gathered.end = End::Terminated;
        } else {
            self.tear(number, line);
            if expected.take(&self.torn) {
                let whole = std::mem::take(&mut self.torn); // only its line end was torn off
                self.keep_operator(expected, number, whole);
                return;
            }
            expected.noise += 1;
            let most = if expected.blank_at.is_some() { MOST_NOISE_BEHIND_BLANK } else { MOST_NOISE };
            if expected.noise <= most {
                self.phase = Some(Phase::Operators(expected));
            }
        }
    }

    /// Puts the line behind the torn beginning of one, where that gives an operator line.
    fn mend(&mut self, expected: &mut Expected, line: &[u8]) -> Option<Vec<u8>> {
        if self.torn.is_empty() || find_log_prefix(line) == Some(0) {
            return None;
        }
        let torn = std::mem::take(&mut self.torn);
        let joined = [&torn, line].concat();
        if self.gathered.dot.is_some() {
            return expected.take(&joined).then_some(joined);
        }
        if is_whole_operator(line) && looks_like_operator(&torn) {
            self.gathered.operators.push((self.gathered.last_line, torn)); // only its line end was torn off
            return None;
        }
        looks_like_operator(&joined).then_some(joined)
    }

    /// Without a DOT to tell how many operators there are, the last `fetch` is the best sign of the end.
    fn is_behind_fetch(&self, has_dot: bool) -> bool {
        !has_dot && self.gathered.operators.last().is_some_and(|(_, line)| line.starts_with(b"fetch:"))
    }

    fn keep_operator(&mut self, mut expected: Expected, number: usize, operator: Vec<u8>) {
        if self.room < operator.len() {
            self.cut(number);
            return;
        }
        self.room -= operator.len();
        self.gathered.operators.push((number, operator));
        self.gathered.last_line = number;
        expected.noise = 0;
        self.phase = Some(Phase::Operators(expected));
    }

    /// Reports a line that does not belong here, and keeps what it tore off the block's own line, if anything.
    fn tear(&mut self, number: usize, line: &[u8]) {
        match find_log_prefix(line) {
            Some(at) if at > 0 && at <= LONGEST_TORN => self.torn = line[..at].to_vec(),
            _ => {}
        }
        self.foreign_line(number, line);
    }

    fn foreign_line(&mut self, number: usize, line: &[u8]) {
        self.foreign += 1;
        if self.foreign <= MOST_REPORTS && !line.trim_ascii().is_empty() {
            let message = format!("not a line of the block, left out: `{}`", excerpt(line));
            self.gathered.diagnostics.push(Diagnostic::note(number, message));
        }
    }

    fn cut(&mut self, number: usize) {
        self.gathered.end = End::Cut;
        let message = "the block is larger than the limit: the rest of it is left out";
        self.gathered.diagnostics.push(Diagnostic::error(number, message));
    }

    /// The log ends, or another block begins.
    fn finish(&mut self, phase: Phase, last_line: usize) {
        match phase {
            Phase::Operators(expected) => {
                if expected.blank_at.is_some() {
                    self.gathered.end = End::Terminated;
                }
                if self.gathered.dot.is_some() && expected.missing > 0 {
                    let message = format!("the operators stop here; the DOT has {} more", expected.missing);
                    self.gathered.diagnostics.push(Diagnostic::warning(last_line, message));
                }
            }
            Phase::Dot { .. } => {
                let message = "the DOT stops here, without its end";
                self.gathered.diagnostics.push(Diagnostic::warning(last_line, message));
            }
            Phase::DotStart { .. } | Phase::OperatorsHeader { .. } => {}
        }
        if self.foreign > MOST_REPORTS {
            let message = format!("{} lines that do not belong to the block were left out in all", self.foreign);
            self.gathered.diagnostics.push(Diagnostic::note(last_line, message));
        }
    }
}

impl Expected {
    fn promises(&self, line: &[u8]) -> bool {
        self.tails.get(tail(line)).is_some_and(|&count| count > 0)
    }

    /// Ticks a line off the list; false where the DOT does not promise it.
    fn take(&mut self, line: &[u8]) -> bool {
        match self.tails.get_mut(tail(line)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                self.missing -= 1;
                true
            }
            _ => false,
        }
    }
}

/// What stands behind an operator line's type.
fn tail(line: &[u8]) -> &[u8] {
    memchr::memchr(b':', line).map_or(&[], |colon| &line[colon + 1..])
}

/// What a log collector puts before every line of the block: a time, a tag, a device.
#[derive(Debug)]
enum Prefix {
    /// The marker had this before it; the lines behind will tell whether they have it as well.
    Undecided(Vec<u8>),
    /// Every line has one of this shape.
    Shape(Vec<u8>),
    /// The lines stand for themselves.
    None,
}

impl Prefix {
    /// Decides by the first line that is known to belong to the block; true where this is one.
    fn settle(&mut self, line: &[u8], belongs: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Undecided(shape) => {
                if belongs(line.trim_ascii_start()) {
                    *self = Self::None;
                    return true;
                }
                let behind = strip_shape(line, shape).is_some_and(&belongs);
                if behind {
                    *self = Self::Shape(std::mem::take(shape));
                }
                behind
            }
            Self::Shape(_) | Self::None => belongs(self.strip(line)),
        }
    }

    fn strip<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Shape(shape) => strip_shape(line, shape).unwrap_or(line),
            Self::Undecided(_) | Self::None => line,
        }
    }
}

/// Takes a prefix off that differs from this one in digits and padding alone.
fn strip_shape<'a>(line: &'a [u8], shape: &[u8]) -> Option<&'a [u8]> {
    let varies = |byte: u8| byte.is_ascii_digit() || byte == b' ';
    let line = line.trim_ascii_start();
    let same = line.iter().zip(shape).all(|(&a, &b)| a == b || (varies(a) && varies(b)));
    // The blank behind a prefix gets lost before an empty line.
    let bare = line.len() < shape.len() && line.len() >= shape.trim_ascii_end().len();
    match line.get(shape.len()..) {
        Some(rest) if same => Some(rest),
        None if same && bare => Some(b""),
        _ => None,
    }
}

/// Is this an operator line, and not one that a foreign line tore apart?
fn is_whole_operator(line: &[u8]) -> bool {
    looks_like_operator(line) && find_log_prefix(line).is_none()
}

/// Where a logger's own prefix begins: Paddle Lite's `[I 11/23  2:22: 1.374 `, glog's `I0924 10:50:12.715279 `, or
/// FastDeploy's `[INFO] ` (spec/paddle-lite.md A5, A6).
fn find_log_prefix(line: &[u8]) -> Option<usize> {
    (0..line.len()).find(|&at| {
        let rest = &line[at..];
        match rest[0] {
            b'[' => {
                has_shape(rest, b"[L 99/99 ")
                    || [&b"[INFO] "[..], b"[WARNING] ", b"[ERROR] "].iter().any(|p| rest.starts_with(p))
            }
            b'I' | b'W' | b'E' | b'F' => has_shape(rest, b"L9999 99:99:99."),
            _ => false,
        }
    })
}

/// Does the text begin with this shape, in which `9` is a digit or the blank that pads a number, and `L` a level?
fn has_shape(text: &[u8], shape: &[u8]) -> bool {
    let fits = |(&byte, &wanted): (&u8, &u8)| match wanted {
        b'9' => byte.is_ascii_digit() || byte == b' ',
        b'L' => byte.is_ascii_digit() || matches!(byte, b'I' | b'W' | b'E' | b'F'),
        _ => byte == wanted,
    };
    text.len() >= shape.len() && text.iter().zip(shape).all(fits)
}
