//! The lines that prove that a command ran to its end and with which code, because no transport's exit code does
//! (spec/boards.md "Never trust a transport's exit code").

use super::Nonce;

/// What a script wrote and how it ended, as the board's own shell saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Everything between the two sentinels, byte for byte, without the line break that the closing one brings.
    pub output: Vec<u8>,
    /// The exit code of the script.
    pub code: i32,
}

impl Reply {
    /// The output as text, with the `\r\n` of a legacy adbd's terminal turned back into `\n`.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).replace("\r\n", "\n")
    }
}

/// A script that runs `body`, without input, between two sentinel lines.
///
/// It is one compound command, so a shell that reads it from a connection that is cut runs none of it. The nonce never
/// appears in it in one piece, so a terminal that echoes the script cannot forge the sentinel.
pub fn wrap(nonce: &Nonce, body: &[u8]) -> Vec<u8> {
    between_sentinels(nonce, body, "</dev/null")
}

/// Like [`wrap`], for a body that reads the standard input of its shell.
pub(crate) fn wrap_reading(nonce: &Nonce, body: &[u8]) -> Vec<u8> {
    between_sentinels(nonce, body, "")
}

fn between_sentinels(nonce: &Nonce, body: &[u8], input: &str) -> Vec<u8> {
    let (front, back) = nonce.as_str().split_at(16);
    let head = format!("{{\nnb_a={front}; nb_b={back}\nprintf '%s%s begin\\n' \"$nb_a\" \"$nb_b\"\n(\n");
    let tail = format!("\n) {input}\nnb_rc=$?\nprintf '\\n%s%s rc=%d\\n' \"$nb_a\" \"$nb_b\" \"$nb_rc\"\n}}\n");
    [head.as_bytes(), body, tail.as_bytes()].concat()
}

/// Whether the closing sentinel is the last thing that was delivered.
pub(crate) fn ends_reply(nonce: &Nonce, delivered: &[u8]) -> bool {
    let longest = nonce.as_str().len() + "\n rc=2147483647\r\n".len();
    let last = &delivered[delivered.len().saturating_sub(longest)..];
    last.ends_with(b"\n") && rfind(last, format!("\n{nonce} rc=").as_bytes()).is_some()
}

/// Finds the reply in everything that a transport delivered, or `None` when a sentinel is missing.
///
/// What comes before (a login banner) and after is ignored.
pub fn unwrap(nonce: &Nonce, delivered: &[u8]) -> Option<Reply> {
    let begin = format!("{nonce} begin");
    let start = find(delivered, begin.as_bytes())? + begin.len();
    let rest = after_line_break(&delivered[start..])?;
    let end_mark = format!("\n{nonce} rc=");
    // The last one: the script's own output could hold anything, but not something after the end.
    let end = rfind(rest, end_mark.as_bytes())?;
    let line = &rest[end + end_mark.len()..];
    let line = &line[..line.iter().position(|&byte| byte == b'\n')?];
    let code = std::str::from_utf8(line).ok()?.trim_end_matches('\r').parse().ok()?;
    let mut output = &rest[..end];
    if let (Some(shorter), true) = (output.strip_suffix(b"\r"), line.ends_with(b"\r")) {
        output = shorter;
    }
    Some(Reply { output: output.to_vec(), code })
}

fn after_line_break(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(b"\n").or_else(|| bytes.strip_prefix(b"\r\n"))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).rposition(|window| window == needle)
}
