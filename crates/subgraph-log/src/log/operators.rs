//! Operator lines without their DOT: names that hold `:` or `,` make them ambiguous, and what the other lines say decides.

use std::collections::HashSet;

use op_graph::{Name, OpRecord};

use crate::{Diagnostic, diagnostic::excerpt};

/// No line is tried at more places than this.
const MOST_COLONS: usize = 64;

/// Does a line look like an operator line? Its type is an identifier, and no name begins with a blank.
pub(super) fn looks_like_operator(line: &[u8]) -> bool {
    let mut fields = line.splitn(3, |&b| b == b':');
    let (Some(op_type), Some(inputs), Some(outputs)) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    let begins = op_type.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    let identifier = begins && op_type.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let blank = |field: &[u8]| field.first().is_some_and(u8::is_ascii_whitespace);
    let is_windows_path = op_type.len() == 1 && matches!(inputs.first(), Some(b'\\' | b'/'));
    identifier && !blank(inputs) && !blank(outputs) && !is_windows_path
}

/// Reads operator lines in their order, each with its line number.
pub(super) fn read_operators<'a>(
    lines: impl IntoIterator<Item = (usize, &'a [u8])>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<OpRecord> {
    let mut written: HashSet<Name> = HashSet::new();
    let mut records = Vec::new();
    for (number, line) in lines {
        let record = read_operator(number, line, &written, diagnostics);
        written.extend(record.outputs.iter().cloned());
        records.push(record);
    }
    records
}

fn read_operator(number: usize, line: &[u8], written: &HashSet<Name>, diagnostics: &mut Vec<Diagnostic>) -> OpRecord {
    let colons: Vec<usize> = memchr::memchr_iter(b':', line).take(MOST_COLONS).collect();
    let Some((&first, separators)) = colons.split_first() else {
        return OpRecord { op_type: line.into(), inputs: Vec::new(), outputs: Vec::new() };
    };
    let separator = match separators {
        [] => line.len(),
        [only] => *only,
        several => {
            // The likeliest separator leaves the most inputs that an op before wrote.
            let known = |at: usize| names(&line[first + 1..at]).iter().filter(|n| written.contains(*n)).count();
            let likelihood = |&&at: &&usize| (known(at), !begins_with_output_number(&line[at + 1..]));
            let best = several.iter().rev().max_by_key(likelihood).copied().unwrap_or(line.len());
            diagnostics.push(Diagnostic::warning(
                number,
                format!(
                    "a name in `{}` holds `:`, and without the DOT it is a guess that the inputs end before `{}`",
                    excerpt(line),
                    excerpt(&line[best + 1..])
                ),
            ));
            best
        }
    };
    let outputs = if separator < line.len() { &line[separator + 1..] } else { b"" };
    OpRecord { op_type: line[..first].into(), inputs: names(&line[first + 1..separator]), outputs: names(outputs) }
}

/// Is this the `0` of a name such as `conv/BiasAdd:0`, and not a name?
fn begins_with_output_number(text: &[u8]) -> bool {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    end > 0 && matches!(text.get(end), Some(b',' | b':') | None)
}

/// Splits at commas. A name that holds one falls into pieces, the same wherever it stands, so that the graph keeps its shape.
fn names(field: &[u8]) -> Vec<Name> {
    field.split(|&b| b == b',').filter(|name| !name.is_empty()).map(Name::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<(String, Vec<String>, Vec<String>)> {
        let numbered = lines.iter().enumerate().map(|(index, line)| (index + 1, line.as_bytes()));
        let text = |names: &[Name]| names.iter().map(Name::to_string).collect();
        let records = read_operators(numbered, &mut Vec::new());
        records.iter().map(|r| (r.op_type.to_string(), text(&r.inputs), text(&r.outputs))).collect()
    }

    fn op(op_type: &str, inputs: &[&str], outputs: &[&str]) -> (String, Vec<String>, Vec<String>) {
        let text = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        (op_type.into(), text(inputs), text(outputs))
    }

    #[test]
    fn colons_in_names_are_told_from_separators_by_what_was_written_before() {
        let ops = read(&["feed:feed:in:0", "relu:in:0:r/Relu:0", "conv2d:r/Relu:0,w:0:y", "fetch:y:fetch"]);
        assert_eq!(ops[0], op("feed", &["feed"], &["in:0"]));
        assert_eq!(ops[1], op("relu", &["in:0"], &["r/Relu:0"]));
        assert_eq!(ops[2], op("conv2d", &["r/Relu:0", "w:0"], &["y"]));
    }

    #[test]
    fn fields_may_be_empty() {
        let ops = read(&["fill_constant::a", "relu:a:", "bare"]);
        assert_eq!(ops, [op("fill_constant", &[], &["a"]), op("relu", &["a"], &[]), op("bare", &[], &[])]);
    }

    #[test]
    fn noise_does_not_look_like_an_operator() {
        for line in [
            "* daemon not running; starting now at tcp:5037 *",
            "adb: warning: shell v2",
            "E [vsi_nn_graph.c:10]failed: x: y",
            "[I 11/23  2:22: 1.374 x.cc:10 F] m",
            "C:\\logs:x",
            "HETERO done 2",
            "12:30:45",
            "subgraph operators: ",
            "::",
        ] {
            assert!(!looks_like_operator(line.as_bytes()), "{line}");
        }
        for line in ["feed:feed:x", "relu:a-b/c:d", "split:x:a,b", "fill_constant::o", "t:x:"] {
            assert!(looks_like_operator(line.as_bytes()), "{line}");
        }
    }
}
