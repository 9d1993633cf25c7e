//! Weights become integer codes, in place: by a cast where the file holds codes as singles, by rounding where it holds values
//! (spec/models.md, spec/paddle-lite.md D).

use op_graph::Name;

use crate::{TensorData, lite::scope::Scope};

/// Casts codes that are stored as singles. A weight that several ops share is cast by the first.
pub(super) fn to_codes(scope: &mut Scope, name: &Name, bits: i32) -> Result<(), String> {
    let (dims, data) = scope.constant(name).ok_or_else(|| format!("its weight `{name}` is no constant"))?;
    let TensorData::Float32(values) = data else { return Ok(()) };
    let codes = match bits {
        16 => TensorData::Int16(values.iter().map(|&value| value as i16).collect()),
        _ => TensorData::Int8(values.iter().map(|&value| value as i8).collect()),
    };
    let dims = dims.to_vec();
    scope.set_constant(name, dims, codes);
    Ok(())
}

/// Rounds values to codes, half away from zero: one step for all, or one per channel of `axis`.
pub(super) fn quantize(scope: &mut Scope, name: &Name, steps: &[f32], axis: usize) -> Result<(), String> {
    let (dims, data) = scope.constant(name).ok_or_else(|| format!("its weight `{name}` is no constant"))?;
    let TensorData::Float32(values) = data else { return Ok(()) };
    let code = |value: f32, step: f32| (value / step).round() as i8;
    let codes = if let [step] = *steps {
        values.iter().map(|&value| code(value, step)).collect()
    } else {
        let channels = dims.get(axis).copied().unwrap_or(0);
        if dims.len() < 2 || usize::try_from(channels) != Ok(steps.len()) {
            return Err(format!("its weight `{name}` of sizes {dims:?} has {} scales on axis {axis}", steps.len()));
        }
        let inner = dims[axis + 1..].iter().product::<i64>().max(1) as usize;
        values.iter().enumerate().map(|(i, &value)| code(value, steps[i / inner % steps.len()])).collect()
    };
    let dims = dims.to_vec();
    scope.set_constant(name, dims, TensorData::Int8(codes));
    Ok(())
}
