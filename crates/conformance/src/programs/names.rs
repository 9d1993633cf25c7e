//! Tensor names of random programs: Paddle's own, those of converted models, and ones that break naive parsers.

use op_graph::Name;

/// How a program names its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameStyle {
    /// `conv2d_0.tmp_0`, as Paddle names them.
    Paddle,
    /// `model/conv2d_0/out|0`, as models converted from other frameworks or saved under scopes have them.
    Scoped,
    /// `17`, as models exported through ONNX have them.
    Numbers,
    /// Names with the separators of the log and of the partition config in them.
    Separators,
    /// Blanks, quotes, brackets and letters beyond ASCII.
    Odd,
    /// Bytes that are no text: the format's strings are not checked for UTF-8 (docs/conformance.md).
    Bytes,
}

impl NameStyle {
    /// A style; the plain ones are the likelier ones.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(0..13) {
            0..=4 => Self::Paddle,
            5..=6 => Self::Scoped,
            7..=8 => Self::Numbers,
            9 => Self::Separators,
            10..=11 => Self::Odd,
            _ => Self::Bytes,
        }
    }

    /// The name of the `index`-th tensor of its program, unique because every form holds the index.
    pub(super) fn name(self, rng: &mut fastrand::Rng, op_type: &str, index: usize) -> Name {
        let forms: &[fn(&str, usize) -> String] = match self {
            Self::Paddle => &[|op, k| format!("{op}_{k}.tmp_0")],
            Self::Scoped => &[|op, k| format!("model/{op}_{k}/out"), |op, k| format!("model/{op}_{k}|out@0")],
            Self::Numbers => &[|_, k| k.to_string()],
            Self::Separators => &[
                |op, k| format!("model/{op}_{k}:0"),
                |op, k| format!("{op}-{k}"),
                |op, k| format!("{op},{k}"),
                |op, k| format!("{op}_{k}"),
                |_, k| format!("relu-{k}"),
                |_, k| format!("-{k}"),
            ],
            Self::Odd => &[
                |op, k| format!("{op} {k}"),
                |_, k| format!(" {k}"),
                |_, k| format!("{k} "),
                |op, k| format!("{op}[{k}]"),
                |op, k| format!("{op}\"{k}"),
                |op, k| format!("{op}\\{k}"),
                |_, k| format!("größe_{k}"),
                |_, k| format!("#{k}"),
                |_, k| format!("node_{k}->node_{k}"),
                |op, k| format!("{op}_{k}.tmp_0"),
            ],
            Self::Bytes => return bytes(rng, op_type, index),
        };
        Name::from(forms[rng.usize(..forms.len())](op_type, index))
    }
}

/// A name of which a part is not UTF-8, a control character, or what ends a label in the log's DOT.
fn bytes(rng: &mut fastrand::Rng, op_type: &str, index: usize) -> Name {
    const ODD: [&[u8]; 12] = [
        b"\xff",
        b"gr\xf6\xdfe",      // Latin-1
        b"\xed\xa0\x80",     // half of a surrogate pair
        b"\xc0\xaf",         // an overlong form
        b"\xe4\xbd",         // the beginning of a character
        b"\x93\xfa\x96\x7b", // Shift JIS, whose second bytes are ASCII at times
        b"\t",
        b"\x01",
        b"\x7f",
        b"\"]",
        b"\" shape=\"box",
        b"\0",
    ];
    let odd = ODD[rng.usize(..ODD.len())];
    let digits = index.to_string();
    let parts: [&[u8]; 3] = match rng.u8(..3) {
        0 => [odd, op_type.as_bytes(), digits.as_bytes()],
        1 => [op_type.as_bytes(), odd, digits.as_bytes()],
        _ => [op_type.as_bytes(), digits.as_bytes(), odd],
    };
    Name::from(parts.concat().as_slice())
}
