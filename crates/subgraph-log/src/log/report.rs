//! The way in: a log of any size to the blocks it holds.

use std::io::{self, BufRead};

use super::{
    block::{Block, assemble},
    collect::{End, Gathered, gather},
    lines::Lines,
    marker::read_marker,
    operators::looks_like_operator,
};
use crate::Diagnostic;

/// A damaged log of 10 GB must not fill the memory with complaints.
const MOST_DIAGNOSTICS: usize = 10_000;

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one block's text; what goes beyond is left out, and the block is not complete.
    pub block_bytes: usize,
    /// Blocks; the first ones are dropped for later ones.
    pub blocks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { block_bytes: 256 << 20, blocks: 64 }
    }
}

/// What a log holds.
#[derive(Clone, Debug, Default)]
pub struct LogReport {
    /// The blocks that hold at least one op, in the order of the log.
    pub blocks: Vec<Block>,
    /// What was noticed on the way, ordered by line.
    pub diagnostics: Vec<Diagnostic>,
    /// How many lines the log has.
    pub lines: usize,
}

/// Why there is no block to work with.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log holds no block.
    #[error(
        "find a `subgraph operators:` block in the log's {lines} lines: Paddle Lite prints it to stdout, once for each model that it \
         loads with NNAdapter among the valid places. Run the model on the board, or `opt` on any computer, with the NPU's \
         device name set and standard output kept: `./demo model image > log.txt`. A run on the CPU alone prints none, nor does \
         an optimized .nb model, and logcat does not have it"
    )]
    NoBlock {
        /// How many lines were searched.
        lines: usize,
    },
    /// There is no block of that number.
    #[error("find block {wanted} in the log: it holds {found}, counted from 1")]
    NoSuchBlock {
        /// The number asked for, from 1.
        wanted: usize,
        /// How many blocks there are.
        found: usize,
    },
    /// The log cannot be read.
    #[error("read the log: {0}")]
    Read(#[from] io::Error),
}

impl LogReport {
    /// The body of a loop or a branch has a block of its own, without `feed` and `fetch`, which may come last.
    fn note_a_sub_block(&mut self) {
        let is_program = |block: &Block| block.complete && block.ops.records().iter().any(|op| op.op_type == "feed");
        let program = self.blocks.iter().rposition(is_program);
        if let (Ok(chosen), Some(program)) = (self.chosen(), program)
            && !is_program(chosen)
        {
            let message =
                format!("this block has no `feed`, but block {} has: is that the one to work with?", program + 1);
            self.diagnostics.push(Diagnostic::warning(chosen.first_line, message));
        }
    }

    /// The block to work with: the last complete one, else the last one.
    ///
    /// # Errors
    /// When there is none.
    pub fn chosen(&self) -> Result<&Block, LogError> {
        let complete = self.blocks.iter().rev().find(|block| block.complete);
        complete.or(self.blocks.last()).ok_or(LogError::NoBlock { lines: self.lines })
    }

    /// A block by its number, from 1.
    ///
    /// # Errors
    /// When there is no such block.
    pub fn pick(&self, number: usize) -> Result<&Block, LogError> {
        let block = number.checked_sub(1).and_then(|index| self.blocks.get(index));
        block.ok_or(LogError::NoSuchBlock { wanted: number, found: self.blocks.len() })
    }
}

/// Reads a log that is in memory.
pub fn parse(bytes: &[u8]) -> LogReport {
    let mut report = LogReport::default();
    // Reading from memory does not fail.
    let _ = read_blocks(bytes, &Limits::default(), &mut report);
    report
}

/// Reads a log of any size; of a 10 GB log only its blocks are kept. A reader with a buffer of 256 KiB is fastest.
///
/// # Errors
/// When the reader fails.
pub fn parse_reader(reader: impl BufRead, limits: &Limits) -> Result<LogReport, LogError> {
    let mut report = LogReport::default();
    read_blocks(reader, limits, &mut report)?;
    Ok(report)
}

fn read_blocks(reader: impl BufRead, limits: &Limits, report: &mut LogReport) -> io::Result<()> {
    let mut lines = Lines::new(reader);
    let mut next = None;
    if let Some(headless) = gather_headless(&mut lines, limits.block_bytes)? {
        take_block(headless, limits, report);
    } else {
        if lines.number() == 1 && (lines.line().starts_with(b"\xff\xfe") || lines.line().starts_with(b"\xfe\xff")) {
            let message =
                "the log is UTF-16, as PowerShell's `>` writes it: save it as UTF-8, or redirect in another shell";
            report.diagnostics.push(Diagnostic::error(1, message));
        }
        next = read_marker(lines.line());
    }
    loop {
        if next.is_none() && lines.advance_to_marker()? {
            next = read_marker(lines.line());
        }
        let Some(marker) = next.take() else { break };
        let (gathered, interrupting) = gather(&mut lines, marker, limits.block_bytes)?;
        take_block(gathered, limits, report);
        next = interrupting;
    }
    report.lines = lines.number();
    report.note_a_sub_block();
    report.diagnostics.sort_by_key(|diagnostic| diagnostic.line);
    Ok(())
}

fn take_block(gathered: Gathered, limits: &Limits, report: &mut LogReport) {
    let (block, diagnostics) = assemble(gathered);
    let room = MOST_DIAGNOSTICS.saturating_sub(report.diagnostics.len());
    if diagnostics.len() > room && room > 0 {
        let line = diagnostics[room - 1].line;
        report.diagnostics.extend(diagnostics.into_iter().take(room - 1));
        report
            .diagnostics
            .push(Diagnostic::note(line, "there is more to say than is kept: nothing is reported from here on"));
    } else {
        report.diagnostics.extend(diagnostics.into_iter().take(room));
    }
    report.blocks.extend(block);
    if report.blocks.len() > limits.blocks {
        let dropped = report.blocks.remove(0);
        if report.diagnostics.len() < MOST_DIAGNOSTICS {
            let message = format!("this block is not kept: the log holds more than {}", limits.blocks);
            report.diagnostics.push(Diagnostic::note(dropped.first_line, message));
        }
    }
}

/// A file of nothing but operator lines, copied out of a log without the line before them.
///
/// Otherwise the current line is left on the first that is none.
fn gather_headless<R: BufRead>(lines: &mut Lines<R>, most_bytes: usize) -> io::Result<Option<Gathered>> {
    let mut gathered = Gathered { first_line: 1, ..Gathered::default() };
    let mut room = most_bytes;
    while lines.advance()? {
        let line = lines.line().trim_ascii();
        if line.is_empty() {
            continue;
        }
        if !looks_like_operator(line) || line.len() > room {
            return Ok(None);
        }
        room -= line.len();
        gathered.operators.push((lines.number(), line.to_vec()));
        gathered.last_line = lines.number();
    }
    if gathered.operators.is_empty() {
        return Ok(None);
    }
    let message = "no `subgraph operators:` line: taking the whole file for operator lines";
    gathered.diagnostics.push(Diagnostic::note(1, message));
    gathered.end = End::Terminated;
    Ok(Some(gathered))
}
