//! Lines of a log of any size, in bounded memory; what is no block is passed over at the speed of a byte search.

use std::io::{self, BufRead};

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::marker::{NEEDLE, may_announce, read_marker};

/// What is looked at in one go: small enough to stay in the cache between the searches over it.
const WINDOW: usize = 256 << 10;

/// No more of a line is kept; Paddle Lite's lines are far shorter.
const LONGEST_LINE: usize = 4 << 20;

/// Editors of Windows put it before the first line of a file that they save as UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a reader, cleaned of carriage returns and terminal escapes.
pub(super) struct Lines<R> {
    reader: R,
    number: usize,
    line: Vec<u8>,
    at_end: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, line: Vec::new(), at_end: false }
    }

    /// The number of the current line, from 1; at the end, how many lines there were.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The current line without its end.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Goes to the next line; false at the end.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut any = false;
        while !self.at_end {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                self.at_end = true;
                break;
            }
            any = true;
            let end = memchr(b'\n', chunk);
            let part = end.unwrap_or(chunk.len());
            extend_up_to(&mut self.line, &chunk[..part], LONGEST_LINE);
            let used = part + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += usize::from(any);
        clean(&mut self.line);
        if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(any)
    }

    /// Goes to the next line that is a marker; false at the end.
    pub(super) fn advance_to_marker(&mut self) -> io::Result<bool> {
        let finder = memmem::Finder::new(NEEDLE);
        loop {
            let chunk = self.reader.fill_buf()?;
            let chunk = &chunk[..chunk.len().min(WINDOW)];
            let Some(last_end) = memrchr(b'\n', chunk) else {
                // The end of the log, or a line that is longer than the reader's buffer.
                if !self.advance()? {
                    return Ok(false);
                }
                if read_marker(&self.line).is_some() {
                    return Ok(true);
                }
                continue;
            };
            let whole_lines = &chunk[..=last_end];
            if let Some((start, end)) = find_marker_line(&finder, whole_lines, &mut self.line) {
                self.number += memchr_iter(b'\n', &whole_lines[..start]).count() + 1;
                self.reader.consume(end + 1);
                return Ok(true);
            }
            self.number += memchr_iter(b'\n', whole_lines).count();
            let goes_on = last_end + 1 < chunk.len();
            self.reader.consume(last_end + 1);
            if goes_on {
                // The window ends inside a line.
                self.advance()?;
                if read_marker(&self.line).is_some() {
                    return Ok(true);
                }
            }
        }
    }
}

/// Where the first marker line begins and ends; the cleaned line is left in `line`.
fn find_marker_line(finder: &memmem::Finder<'_>, text: &[u8], line: &mut Vec<u8>) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = finder.find(&text[from..]).map(|offset| from + offset) {
        let behind = at + NEEDLE.len();
        from = behind;
        if !may_announce(&text[behind..]) {
            continue;
        }
        let start = memrchr(b'\n', &text[..at]).map_or(0, |end| end + 1);
        let end = memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset);
        line.clear();
        extend_up_to(line, &text[start..end], LONGEST_LINE);
        clean(line);
        if read_marker(line).is_some() {
            return Some((start, end));
        }
        from = end;
    }
    None
}

fn extend_up_to(line: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let room = limit.saturating_sub(line.len());
    line.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// Takes carriage returns off the end, and the escape sequences of a terminal out.
fn clean(line: &mut Vec<u8>) {
    if memchr(0x1b, line).is_some() {
        *line = without_escapes(line);
    }
    while line.last() == Some(&b'\r') {
        line.pop();
    }
}

/// Drops `ESC [ … letter` (CSI) and `ESC x`.
fn without_escapes(line: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != 0x1b {
            kept.push(byte);
        } else if bytes.next() == Some(b'[') {
            while bytes.next().is_some_and(|byte| !(0x40..=0x7e).contains(&byte)) {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn all_lines(text: &[u8], capacity: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(BufReader::with_capacity(capacity, text));
        let mut all = Vec::new();
        while lines.advance().unwrap() {
            all.push(lines.line().to_vec());
        }
        all
    }

    #[test]
    fn lines_are_cleaned_whatever_the_chunks() {
        let text = b"one\r\n\x1b[31mtwo\x1b[0m\r\r\n\nf\x1b[1;2Hour \n\rfive";
        for capacity in 1..40 {
            assert_eq!(all_lines(text, capacity), [&b"one"[..], b"two", b"", b"four ", b"\rfive"], "{capacity}");
        }
        assert!(all_lines(b"", 8).is_empty());
        assert_eq!(all_lines(b"\n", 8), [b""]);
    }

    #[test]
    fn the_marker_is_found_whatever_the_chunks() {
        let text =
            b"detected 12 subgraph\nnnadapter_subgraph_pass\n\nx subgraph clusters: 4\r\nsubgraph operators: \nz";
        for capacity in 1..120 {
            let mut lines = Lines::new(BufReader::with_capacity(capacity, &text[..]));
            assert!(lines.advance_to_marker().unwrap());
            assert_eq!((lines.number(), lines.line()), (4, &b"x subgraph clusters: 4"[..]), "{capacity}");
            assert!(lines.advance_to_marker().unwrap());
            assert_eq!((lines.number(), lines.line()), (5, &b"subgraph operators: "[..]), "{capacity}");
            assert!(!lines.advance_to_marker().unwrap());
            assert_eq!(lines.number(), 6);
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept_whole() {
        let endless = std::io::repeat(b'x');
        let mut lines = Lines::new(BufReader::new(std::io::Read::take(endless, 9 << 20)));
        assert!(lines.advance().unwrap());
        assert_eq!(lines.line().len(), LONGEST_LINE);
        assert!(!lines.advance().unwrap());
    }
}
