//! The attributes that Paddle Lite reads of an activation without asking whether they are there. Paddle itself falls back on a
//! default, and leaves some out of what it exports; Paddle Lite aborts on such a program while it loads it.

use crate::{Attr, ModelError, Program};

/// Op type, attribute, and what Paddle takes where it is missing. Measured with `opt` 2.13rc0, which aborts with "No attributes
/// called … found" on a program of this one op without the attribute, and prints its block with it. Paddle 2.6 leaves out the
/// `threshold` of `relu6` and the `beta` of `swish` in float and onnx-format exports (spec/measured.md).
const NEEDED: [(&str, &str, f32); 13] = [
    ("elu", "alpha", 1.0),
    ("hard_sigmoid", "slope", 0.2),
    ("hard_sigmoid", "offset", 0.5),
    ("hard_swish", "threshold", 6.0),
    ("hard_swish", "scale", 6.0),
    ("hard_swish", "offset", 3.0),
    ("leaky_relu", "alpha", 0.02),
    ("mish", "threshold", 20.0),
    ("relu6", "threshold", 6.0),
    ("softplus", "beta", 1.0),
    ("softplus", "threshold", 20.0),
    ("swish", "beta", 1.0),
    ("thresholded_relu", "threshold", 1.0),
];

/// Refuses a program in which an op lacks an attribute that Paddle Lite needs.
pub(super) fn check(program: &Program) -> Result<(), ModelError> {
    for block in &program.blocks {
        for (op, desc) in block.ops.iter().enumerate() {
            let needed = NEEDED.iter().filter(|(op_type, ..)| *op_type == desc.op_type);
            if let Some(&(_, attribute, default)) =
                needed.into_iter().find(|(_, name, _)| !desc.attrs.contains_key(*name))
            {
                return Err(ModelError::MissingAttribute { op, op_type: desc.op_type.clone(), attribute, default });
            }
        }
    }
    Ok(())
}

/// Gives every op the attributes that Paddle Lite needs, with Paddle's own defaults; returns how many were missing.
pub(crate) fn complete(program: &mut Program) -> usize {
    let mut added = 0;
    for op in program.blocks.iter_mut().flat_map(|block| &mut block.ops) {
        for (_, attribute, default) in NEEDED.iter().filter(|(op_type, ..)| *op_type == op.op_type) {
            if !op.attrs.contains_key(*attribute) {
                op.attrs.insert((*attribute).to_owned(), Attr::Float(*default));
                added += 1;
            }
        }
    }
    added
}
