//! The values that passes compute with, by variable name, as Paddle Lite's scope holds them.

use std::collections::BTreeMap;

use op_graph::Name;

use crate::{DType, Model, TensorData};

/// What is known of a variable: its description, and its value where it is constant.
#[derive(Clone, Debug, Default)]
pub(super) struct Value {
    pub(super) dims: Vec<i64>,
    pub(super) dtype: Option<DType>,
    pub(super) data: Option<TensorData>,
}

/// All variables of the root block.
#[derive(Debug, Default)]
pub(super) struct Scope(BTreeMap<Name, Value>);

impl Scope {
    /// Descriptions from the program, values from the parameters, whose own sizes and types win (spec/models.md).
    pub(super) fn new(model: &Model) -> Self {
        let vars = model.program.blocks.first().map_or(&[][..], |block| &block.vars);
        let described =
            vars.iter().map(|var| (var.name.clone(), Value { dims: var.dims.clone(), dtype: var.dtype, data: None }));
        let mut scope = Self(described.collect());
        for (name, param) in &model.params {
            let dims = param.dims.iter().map(|&dim| dim as i64).collect();
            scope.set_constant(name, dims, param.data.clone());
        }
        scope
    }

    pub(super) fn get(&self, name: &Name) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value of a constant; none for anything that is computed or fed.
    pub(super) fn constant(&self, name: &Name) -> Option<(&[i64], &TensorData)> {
        let value = self.0.get(name)?;
        Some((&value.dims, value.data.as_ref()?))
    }

    /// The elements of a constant of singles.
    pub(super) fn floats(&self, name: &Name) -> Option<&[f32]> {
        self.constant(name)?.1.as_f32()
    }

    /// Gives a variable without dimensions one of size 1.
    pub(super) fn give_a_dimension(&mut self, name: &Name) {
        if let Some(value) = self.0.get_mut(name).filter(|value| value.dims.is_empty()) {
            value.dims.push(1);
        }
    }

    /// Makes a variable constant.
    pub(super) fn set_constant(&mut self, name: &Name, dims: Vec<i64>, data: TensorData) {
        let value = Value { dims, dtype: Some(data.dtype()), data: Some(data) };
        self.0.insert(name.clone(), value);
    }
}
