//! One op as a program, run on the CPU and on the NPU.

// Each test binary uses its own part.
#![allow(dead_code)]

use std::collections::BTreeMap;

use int8_sim::{Config, Data, Options, Refusal, RefusalClass, Sample, Simulator, Tensor};
use op_graph::{Name, OpSet};
use paddle_model::{
    Attr, Block, DType, LiteOptions, LiteProgram, Model, Op, Param, Program, TensorData, Var, write_params,
    write_program,
};

/// A tensor of real values.
pub(crate) fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_f32(shape.to_vec(), values.to_vec())
}

/// A tensor of whole numbers; the width is not compared.
pub(crate) fn ints(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::new(shape.to_vec(), Data::I64(values.to_vec()))
}

/// An op with its operands.
pub(crate) struct Case {
    op: Op,
    vars: Vec<Var>,
    params: BTreeMap<Name, Param>,
    feeds: Vec<Tensor>,
    outputs: Vec<Name>,
}

impl Case {
    /// An op without operands, with one output `Out`.
    pub(crate) fn new(op_type: &str) -> Self {
        let op = Op { op_type: op_type.into(), ..Op::default() };
        Self { op, vars: Vec::new(), params: BTreeMap::new(), feeds: Vec::new(), outputs: Vec::new() }
    }

    /// A variable of real values.
    pub(crate) fn feed(self, argument: &str, shape: &[usize], values: &[f32]) -> Self {
        self.variable(argument, DType::Float32, floats(shape, values))
    }

    /// A variable of whole numbers.
    pub(crate) fn int_feed(self, argument: &str, shape: &[usize], values: &[i64]) -> Self {
        self.variable(argument, DType::Int64, ints(shape, values))
    }

    fn variable(mut self, argument: &str, dtype: DType, tensor: Tensor) -> Self {
        let name = Name::from(format!("in{}", self.feeds.len()));
        let dims: Vec<i64> = tensor.shape().iter().map(|&extent| extent as i64).collect();
        self.vars.push(Var::tensor(name.clone(), dtype, &dims));
        self.op.inputs.entry(argument.into()).or_default().push(name);
        self.feeds.push(tensor);
        self
    }

    /// A constant of real values.
    pub(crate) fn weight(self, argument: &str, shape: &[usize], values: &[f32]) -> Self {
        self.constant(argument, shape, TensorData::Float32(values.to_vec()))
    }

    /// A constant of whole numbers.
    pub(crate) fn int_weight(self, argument: &str, shape: &[usize], values: &[i32]) -> Self {
        self.constant(argument, shape, TensorData::Int32(values.to_vec()))
    }

    fn constant(mut self, argument: &str, shape: &[usize], data: TensorData) -> Self {
        let name = Name::from(format!("weight{}", self.params.len()));
        let dims: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        self.vars.push(Var::parameter(name.clone(), data.dtype(), &dims));
        self.op.inputs.entry(argument.into()).or_default().push(name.clone());
        self.params.insert(name, Param::new(shape.to_vec(), data));
        self
    }

    /// An attribute.
    pub(crate) fn attr(mut self, name: &str, value: Attr) -> Self {
        self.op.attrs.insert(name.into(), value);
        self
    }

    /// One output under this argument.
    pub(crate) fn output(self, argument: &str) -> Self {
        self.outputs(argument, 1)
    }

    /// Several outputs under this argument.
    pub(crate) fn outputs(mut self, argument: &str, count: usize) -> Self {
        for _ in 0..count {
            let name = Name::from(format!("out{}", self.outputs.len()));
            self.vars.push(Var::tensor(name.clone(), DType::Float32, &[]));
            self.op.outputs.entry(argument.into()).or_default().push(name.clone());
            self.outputs.push(name);
        }
        self
    }

    /// The values on the CPU.
    pub(crate) fn on_cpu(self, expected: &[Tensor]) {
        self.check(expected, &[Config::lite()]);
    }

    /// The values on the CPU and, in float, on the NPU.
    pub(crate) fn on_both(self, expected: &[Tensor]) {
        self.check(expected, &[Config::lite(), Config::tim_vx(OpSet::default())]);
    }

    /// What the NPU answers instead of values.
    pub(crate) fn refused_on_npu(self, class: RefusalClass) {
        let op_type = self.op.op_type.clone();
        let (simulator, sample) = self.simulator(|_| {});
        let answer = simulator.run(&Config::tim_vx(OpSet::default()), &[sample]);
        match answer {
            Err(refusal) => assert_eq!(refusal.class, class, "{op_type}: {refusal}"),
            Ok(_) => panic!("{op_type} ran on the NPU"),
        }
    }

    /// The codes on the NPU, as real values, for an op whose first input and output have these steps.
    pub(crate) fn on_codes(self, input_step: f32, output_step: f32) -> Result<Vec<f32>, Refusal> {
        let (simulator, sample) = self.simulator(|program| {
            let op = program.ops[1..].iter_mut().find(|op| op.op_type != "feed").expect("the case has an op");
            let argument = op.inputs.keys().next().expect("the op has an input").clone();
            op.input_scales.insert(argument, vec![Some(vec![input_step])]);
            let argument = op.outputs.keys().next().expect("the op has an output").clone();
            op.output_scales.insert(argument, vec![Some(vec![output_step])]);
        });
        let run = simulator.run(&Config::tim_vx(OpSet::default()), &[sample])?;
        Ok(run.outputs[0][0].as_f32().expect("a fetch gives real values").to_vec())
    }

    fn check(self, expected: &[Tensor], configs: &[Config]) {
        let op_type = self.op.op_type.clone();
        let (simulator, sample) = self.simulator(|_| {});
        for config in configs {
            let run = simulator.run(config, std::slice::from_ref(&sample));
            let run = run.unwrap_or_else(|refusal| panic!("{op_type} with {config:?}: {refusal}"));
            assert_eq!(run.outputs[0].len(), expected.len(), "{op_type}: number of outputs");
            for (actual, expected) in run.outputs[0].iter().zip(expected) {
                assert_eq!(actual.shape(), expected.shape(), "{op_type} with {config:?}: shape");
                let whole = |tensor: &Tensor| !matches!(tensor.data(), Data::F32(_));
                assert_eq!(whole(actual), whole(expected), "{op_type} with {config:?}: element type");
                for (actual, expected) in numbers(actual).into_iter().zip(numbers(expected)) {
                    let close = (actual - expected).abs() <= 1e-5 * expected.abs().max(1.0) || actual == expected;
                    assert!(close, "{op_type} with {config:?}: {actual} instead of {expected}");
                }
            }
        }
    }

    fn simulator(mut self, edit: impl FnOnce(&mut LiteProgram)) -> (Simulator, Sample) {
        if self.outputs.is_empty() {
            self = self.output("Out");
        }
        let mut ops = Vec::new();
        if self.feeds.is_empty() {
            // A program needs an input.
            self = self.unread_feed();
        }
        for column in 0..self.feeds.len() {
            ops.push(edge("feed", "feed", &format!("in{column}"), column));
        }
        ops.push(self.op);
        for (column, name) in self.outputs.iter().enumerate() {
            ops.push(edge("fetch", &name.to_string(), "fetch", column));
        }
        let block = Block { vars: self.vars, ops, ..Block::root() };
        let program = Program { blocks: vec![block], ..Program::default() };
        let model = Model::from_bytes(&write_program(&program), &write_params(&self.params)).expect("a readable model");
        let mut program = model.lite_program(&LiteOptions::default()).expect("a program");
        edit(&mut program);
        (Simulator::new(program, Options::default()).expect("a simulator"), Sample::new(self.feeds))
    }

    fn unread_feed(mut self) -> Self {
        self.vars.push(Var::tensor("in0", DType::Float32, &[1]));
        self.feeds.push(floats(&[1], &[0.0]));
        self
    }
}

fn edge(op_type: &str, from: &str, to: &str, column: usize) -> Op {
    Op {
        op_type: op_type.into(),
        inputs: [("X".into(), vec![from.into()])].into(),
        outputs: [("Out".into(), vec![to.into()])].into(),
        attrs: [("col".into(), Attr::Int(column as i32))].into(),
        ..Op::default()
    }
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::F32(values) => values.iter().copied().map(f64::from).collect(),
        Data::I8(values) => values.iter().copied().map(f64::from).collect(),
        Data::I32(values) => values.iter().copied().map(f64::from).collect(),
        Data::I64(values) => values.iter().map(|&value| value as f64).collect(),
    }
}
