//! An op's description while passes rewrite it. Scales lie among the attributes as `<Argument><index>_scale`, one name space for
//! inputs and outputs alike, because that is how Paddle Lite keeps them (spec/paddle-lite.md D).

use std::collections::BTreeMap;

use op_graph::Name;

use crate::{Arguments, Attr, Op};

/// Type, arguments and attributes of an op.
#[derive(Clone, Debug)]
pub(super) struct OpDesc {
    pub(super) op_type: String,
    pub(super) inputs: Arguments,
    pub(super) outputs: Arguments,
    pub(super) attrs: BTreeMap<String, Attr>,
}

impl OpDesc {
    pub(super) fn new(op: &Op) -> Self {
        Self {
            op_type: op.op_type.clone(),
            inputs: op.inputs.clone(),
            outputs: op.outputs.clone(),
            attrs: op.attrs.clone(),
        }
    }

    /// Reads `to` wherever it read `from`.
    pub(super) fn rename_input(&mut self, from: &Name, to: &Name) {
        rename(&mut self.inputs, from, to);
    }

    /// Writes `to` wherever it wrote `from`.
    pub(super) fn rename_output(&mut self, from: &Name, to: &Name) {
        rename(&mut self.outputs, from, to);
    }

    /// The scale of an input, by the variable's name.
    pub(super) fn input_scale(&self, name: &Name) -> Option<&[f32]> {
        self.scale(&self.inputs, name)
    }

    /// The scale of an output, by the variable's name.
    pub(super) fn output_scale(&self, name: &Name) -> Option<&[f32]> {
        self.scale(&self.outputs, name)
    }

    /// Sets the scale of an input; without effect where the op does not read the variable.
    pub(super) fn set_input_scale(&mut self, name: &Name, scale: Vec<f32>) {
        if let Some(key) = position(&self.inputs, name) {
            self.attrs.insert(scale_key(key), Attr::Floats(scale));
        }
    }

    /// Sets the scale of an output; without effect where the op does not write the variable.
    pub(super) fn set_output_scale(&mut self, name: &Name, scale: Vec<f32>) {
        if let Some(key) = position(&self.outputs, name) {
            self.attrs.insert(scale_key(key), Attr::Floats(scale));
        }
    }

    /// The observed maximum of an output: `out_threshold`, which stands for every output, before `<Argument><index>_threshold`.
    pub(super) fn output_threshold(&self, name: &Name) -> Option<f32> {
        let own = || {
            let (argument, index) = position(&self.outputs, name)?;
            self.attrs.get(&format!("{argument}{index}_threshold"))
        };
        self.attrs.get("out_threshold").or_else(own)?.as_float()
    }

    fn scale(&self, arguments: &Arguments, name: &Name) -> Option<&[f32]> {
        self.attrs.get(&scale_key(position(arguments, name)?))?.as_floats()
    }
}

/// The attribute that holds the scale of an argument's variable.
pub(super) fn scale_key((argument, index): (&str, usize)) -> String {
    format!("{argument}{index}_scale")
}

/// Where a variable occurs first, arguments in the order of their names.
fn position<'a>(arguments: &'a Arguments, name: &Name) -> Option<(&'a str, usize)> {
    let find = |(argument, names): (&'a String, &'a Vec<Name>)| {
        Some((argument.as_str(), names.iter().position(|n| n == name)?))
    };
    arguments.iter().find_map(find)
}

fn rename(arguments: &mut Arguments, from: &Name, to: &Name) {
    for name in arguments.values_mut().flatten().filter(|name| *name == from) {
        *name = to.clone();
    }
}
