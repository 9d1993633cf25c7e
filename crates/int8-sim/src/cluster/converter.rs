//! From the Paddle ops of a cluster to NNAdapter operations, as `lite/kernels/nnadapter/converter` does it.

use std::{collections::HashMap, sync::Arc};

use op_graph::{OpId, OpSet, TensorId};
use paddle_model::{LiteOp, LiteProgram, TensorData, Weight};

use super::{Model, OperandId, Operation};
use crate::{
    Refusal, RefusalClass,
    cpu::{CpuOp, constant},
    npu::{Constant, NpuOperation, Operand, Precision},
    program::{read_version, real_values, result_arguments, written_version},
    rules,
};

/// Converts the ops of one cluster, one after another.
pub(crate) struct Converter<'a> {
    program: &'a LiteProgram,
    shapes: &'a [Option<Vec<usize>>],
    /// Ops whose scales the mixed-precision file removed (spec/paddle-lite.md B4).
    float_ops: &'a OpSet,
    model: Model,
    mapped: HashMap<TensorId, OperandId>,
    op: OpId,
}

impl<'a> Converter<'a> {
    /// A converter with nothing converted.
    pub(crate) fn new(program: &'a LiteProgram, shapes: &'a [Option<Vec<usize>>], float_ops: &'a OpSet) -> Self {
        Self { program, shapes, float_ops, model: Model::default(), mapped: HashMap::new(), op: OpId::new(0) }
    }

    /// Declares an input of the cluster.
    pub(crate) fn declare_input(&mut self, tensor: TensorId, precision: Precision) {
        let shape = self.shape_of(tensor);
        let operand = self.model.add(Operand { shape, precision, constant: None });
        self.model.inputs.push(operand);
        self.mapped.insert(tensor, operand);
    }

    /// Names the outputs of the cluster and hands the model over.
    ///
    /// # Errors
    /// When no operand stands for an output.
    pub(crate) fn finish(mut self, outputs: &[TensorId]) -> Result<Model, Refusal> {
        for tensor in outputs {
            let operand = self.mapped.get(tensor).copied();
            let operand = operand.ok_or_else(|| rules::stack::no_operand_for_output(self.program, *tensor))?;
            self.model.outputs.push(operand);
        }
        Ok(self.model)
    }

    /// Starts on an op: what follows concerns it.
    pub(crate) fn begin(&mut self, op: OpId) {
        self.op = op;
    }

    /// The op being converted.
    pub(crate) fn lite(&self) -> &'a LiteOp {
        &self.program.ops[self.op.index()]
    }

    /// The op as the CPU would prepare it, in float.
    pub(crate) fn cpu_op(&self) -> CpuOp<'a> {
        CpuOp { program: self.program, id: self.op, int8: false, shapes: self.shapes }
    }

    /// The output argument that carries the op's results.
    pub(crate) fn result_argument(&self) -> &'static str {
        result_arguments(self.lite()).first().copied().unwrap_or("Out")
    }

    /// Gives an operand another element type than its operation's input has.
    pub(crate) fn retype(&mut self, operand: OperandId, precision: Precision) {
        self.model.operands[operand].precision = precision;
    }

    /// A refusal at conversion of this op.
    pub(crate) fn refuse(&self, class: RefusalClass, text: impl Into<String>) -> Refusal {
        Refusal::build(class, Some(self.op), text)
    }

    /// Has the op the scales it was exported with?
    pub(crate) fn keeps_scales(&self) -> bool {
        !self.float_ops.contains(self.op)
    }

    /// The step of an input variable; none where it has no scale, or one per channel.
    pub(crate) fn input_step(&self, argument: &str, index: usize) -> Option<f32> {
        let steps = self.lite().input_scale(argument, index).filter(|_| self.keeps_scales())?;
        steps.first().copied()
    }

    /// The step of an output variable.
    pub(crate) fn output_step(&self, argument: &str, index: usize) -> Option<f32> {
        let steps = self.lite().output_scale(argument, index).filter(|_| self.keeps_scales())?;
        steps.first().copied()
    }

    /// The number of variables of an input argument.
    pub(crate) fn input_count(&self, argument: &str) -> usize {
        self.lite().inputs.get(argument).map_or(0, Vec::len)
    }

    /// The constant that is an input variable.
    pub(crate) fn constant(&self, argument: &str, index: usize) -> Option<&'a Weight> {
        constant(self.program, self.op, argument, index)
    }

    /// The operand of an input variable: one converted before, or a constant.
    pub(crate) fn input(&mut self, argument: &str, index: usize) -> Result<OperandId, Refusal> {
        let name = self.lite().inputs.get(argument).and_then(|names| names.get(index));
        let Some(name) = name else {
            return Err(self.refuse(RefusalClass::Malformed, format!("input `{argument}` is missing")));
        };
        let version = read_version(self.program, self.op, name);
        if let Some(&operand) = version.and_then(|version| self.mapped.get(&version)) {
            return Ok(operand);
        }
        let weight = self.constant(argument, index);
        let weight = weight.ok_or_else(|| self.refuse(RefusalClass::Malformed, format!("`{name}` has no value")))?;
        if self.input_step(argument, index).is_some() && rules::stack::is_scaled_float(self.lite(), weight) {
            let text = format!("the float constant `{name}` has a scale");
            return Err(self.refuse(RefusalClass::ScaledFloat, text));
        }
        self.constant_operand(weight, weight.dims.clone())
    }

    /// Most converters insist, where the op has an output scale, that the input is 8-bit and of the op's own input scale.
    pub(crate) fn check_quantized_input(
        &self,
        argument: &str,
        operand: OperandId,
        output: &str,
    ) -> Result<(), Refusal> {
        if self.output_step(output, 0).is_none() {
            return Ok(());
        }
        let Some(step) = self.input_step(argument, 0) else {
            let text = format!("missing the quant params `{argument}0_scale`");
            return Err(self.refuse(RefusalClass::MissingScale, text));
        };
        match self.operand(operand).precision {
            Precision::Int8 { scale } if rules::stack::same_scale(scale, step) => Ok(()),
            Precision::Int8 { scale } => {
                let text = format!("the scale of `{argument}` is {step}, that of its tensor {scale}");
                Err(self.refuse(RefusalClass::ScaleMismatch, text))
            }
            _ => Err(self.refuse(RefusalClass::DataType, format!("`{argument}` is not 8-bit where the output is"))),
        }
    }

    /// A constant operand of a weight under a shape.
    pub(crate) fn constant_operand(&mut self, weight: &Weight, shape: Vec<usize>) -> Result<OperandId, Refusal> {
        let (precision, constant) = match (&weight.data, &weight.scales) {
            (TensorData::Int8(codes), Some(scales)) if self.keeps_scales() => {
                (rules::stack::weight_precision(&scales.steps), Constant::I8(codes.clone()))
            }
            (TensorData::Int32(values), _) => (Precision::Int32, Constant::I32(values.clone())),
            (TensorData::Int64(values), _) => {
                (Precision::Int64, Constant::I32(values.iter().map(|&value| value as i32).collect()))
            }
            _ => {
                let values = real_values(weight);
                let values =
                    values.ok_or_else(|| self.refuse(RefusalClass::DataType, "a constant of this type has no form"))?;
                (Precision::Float32, Constant::F32(values))
            }
        };
        Ok(self.model.add(Operand { shape, precision, constant: Some(Arc::new(constant)) }))
    }

    /// A constant of the op's own.
    pub(crate) fn value(&mut self, shape: Vec<usize>, precision: Precision, constant: Constant) -> OperandId {
        self.model.add(Operand { shape, precision, constant: Some(Arc::new(constant)) })
    }

    /// The operand itself.
    pub(crate) fn operand(&self, operand: OperandId) -> &Operand {
        &self.model.operands[operand]
    }

    /// The shape of the op's output variable.
    pub(crate) fn output_shape(&self, argument: &str, index: usize) -> Vec<usize> {
        let name = self.lite().outputs.get(argument).and_then(|names| names.get(index));
        let version = name.and_then(|name| written_version(self.program, self.op, name));
        version.map_or_else(Vec::new, |version| self.shape_of(version))
    }

    /// Makes an operand the value of the op's output variable.
    pub(crate) fn bind_output(&mut self, argument: &str, index: usize, operand: OperandId) {
        let name = self.lite().outputs.get(argument).and_then(|names| names.get(index));
        if let Some(version) = name.and_then(|name| written_version(self.program, self.op, name)) {
            self.mapped.insert(version, operand);
        }
    }

    /// Adds an operation whose one output is the op's output variable `argument`.
    pub(crate) fn emit(&mut self, kind: impl NpuOperation, inputs: Vec<OperandId>, argument: &str) -> OperandId {
        self.emit_nth(kind, inputs, argument, 0)
    }

    /// Adds an operation whose one output is the `index`th variable of the op's output `argument`.
    pub(crate) fn emit_nth(
        &mut self,
        kind: impl NpuOperation,
        inputs: Vec<OperandId>,
        argument: &str,
        index: usize,
    ) -> OperandId {
        let step = self.output_step(argument, index);
        let shape = self.output_shape(argument, index);
        let output = self.emit_between(kind, inputs, shape, step);
        self.bind_output(argument, index, output);
        output
    }

    /// Adds an operation whose output is no variable of the program.
    pub(crate) fn emit_between(
        &mut self,
        kind: impl NpuOperation,
        inputs: Vec<OperandId>,
        shape: Vec<usize>,
        step: Option<f32>,
    ) -> OperandId {
        let kind: Arc<dyn NpuOperation> = Arc::new(kind);
        let precision = rules::stack::output_precision(&*kind, &self.model.operands[inputs[0]].precision, step);
        let output = self.model.add(Operand { shape, precision, constant: None });
        self.model.operations.push(Operation { kind, inputs, outputs: vec![output], origins: vec![self.op] });
        output
    }

    /// Converts a variable in place: later readers of `tensor` see `precision` (the calib inside a cluster).
    pub(crate) fn cast(&mut self, tensor: TensorId, kind: impl NpuOperation, precision: Precision) {
        let Some(&from) = self.mapped.get(&tensor) else { return };
        let shape = self.model.operands[from].shape.clone();
        let output = self.model.add(Operand { shape, precision, constant: None });
        let (inputs, origins) = (vec![from], vec![self.op]);
        self.model.operations.push(Operation { kind: Arc::new(kind), inputs, outputs: vec![output], origins });
        self.mapped.insert(tensor, output);
    }

    /// The operand that stands for a variable now.
    pub(crate) fn mapped(&self, tensor: TensorId) -> Option<OperandId> {
        self.mapped.get(&tensor).copied()
    }

    /// Makes an operand stand for a variable.
    pub(crate) fn map(&mut self, tensor: TensorId, operand: OperandId) {
        self.mapped.insert(tensor, operand);
    }

    fn shape_of(&self, tensor: TensorId) -> Vec<usize> {
        self.shapes.get(tensor.index()).cloned().flatten().unwrap_or_default()
    }
}
