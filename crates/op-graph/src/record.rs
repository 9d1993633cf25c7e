//! Operator records: one op as a line `type:in,in:out,out` of the log and of the partition config.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Name;

/// One op as Paddle Lite logs it (spec/paddle-lite.md A2): its type and the names of its distinct inputs and outputs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpRecord {
    /// The op type, e.g. `conv2d`.
    #[serde(rename = "type")]
    pub op_type: Name,
    /// Distinct input tensor names; their order carries no meaning (spec/paddle-lite.md A4).
    pub inputs: Vec<Name>,
    /// Distinct output tensor names.
    pub outputs: Vec<Name>,
}

/// Why a line is not an operator record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The line does not have exactly three fields.
    #[error("expected `type:inputs:outputs`, found {found} field(s) in `{line}`")]
    Fields {
        /// How many `:`-separated fields there are.
        found: usize,
        /// The line, lossily decoded.
        line: String,
    },
    /// The type field is empty.
    #[error("the op type is empty in `{line}`")]
    EmptyType {
        /// The line, lossily decoded.
        line: String,
    },
}

impl OpRecord {
    /// Reads `type:in,in:out,out`; names that hold `:` or `,` make a line ambiguous and need the DOT instead.
    ///
    /// # Errors
    /// When the line does not have exactly three fields or no type.
    pub fn parse(line: &[u8]) -> Result<Self, RecordError> {
        let text = || String::from_utf8_lossy(line).into_owned();
        let fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
        let [op_type, inputs, outputs] = fields[..] else {
            return Err(RecordError::Fields { found: fields.len(), line: text() });
        };
        if op_type.is_empty() {
            return Err(RecordError::EmptyType { line: text() });
        }
        let names = |field: &[u8]| field.split(|&b| b == b',').filter(|n| !n.is_empty()).map(Name::from).collect();
        Ok(Self { op_type: op_type.into(), inputs: names(inputs), outputs: names(outputs) })
    }

    /// The line of the partition config, without a line end; also that of the log, unless a name occurs twice
    /// ([`OpRecord::to_log_line`]).
    pub fn to_line(&self) -> Vec<u8> {
        let join = |names: &[Name]| names.iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b',');
        [self.op_type.as_bytes().to_vec(), join(&self.inputs), join(&self.outputs)].join(&b':')
    }

    /// The line as Paddle Lite's log has it, without a line end.
    ///
    /// Two tensors of one name can be inputs of one op where quantization ops between them were removed. Paddle Lite puts a
    /// comma behind every name but those that equal the last one, so that `x,y,x` becomes `xy,x`.
    pub fn to_log_line(&self) -> Vec<u8> {
        let join = |names: &[Name]| {
            let mut text = Vec::new();
            for name in names {
                text.extend(name.as_bytes());
                if names.last() != Some(name) {
                    text.push(b',');
                }
            }
            text
        };
        [self.op_type.as_bytes().to_vec(), join(&self.inputs), join(&self.outputs)].join(&b':')
    }
}

impl fmt::Display for OpRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.to_line()))
    }
}
