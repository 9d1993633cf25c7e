//! The forms in which Paddle stores quantization (spec/models.md), added around an op while a program grows.

use op_graph::Name;
use paddle_model::{Attr, DType, Param, TensorData};

use super::builder::{Draft, ProgramBuilder, Value};

/// How a program is quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantization {
    /// Not at all.
    None,
    /// `fake_quantize_*` and `fake_dequantize_*`.
    Old {
        /// One weight scale a channel rather than one a layer.
        per_channel: bool,
        /// Other ops read through `fake_quantize_dequantize_*` as well.
        full: bool,
    },
    /// `quantize_linear` and `dequantize_linear`.
    Onnx {
        /// One weight scale a channel rather than one a layer.
        per_channel: bool,
    },
}

/// What the op that reads a quantized input needs to know of it.
pub(super) struct QuantizedInput {
    /// The name to read.
    pub(super) name: Name,
    /// The variable that holds its scale; none where it stays in float.
    scale: Option<Name>,
}

impl Quantization {
    /// One of the forms, all about as likely as none.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        let per_channel = rng.bool();
        match rng.u8(0..6) {
            0 | 1 => Self::None,
            2 | 3 => Self::Old { per_channel, full: false },
            4 => Self::Old { per_channel, full: true },
            _ => Self::Onnx { per_channel },
        }
    }
}

impl ProgramBuilder {
    /// The input of a conv or matmul, quantized in this program's form; now and then left in float.
    pub(super) fn quantized_input(&mut self, x: &Value) -> QuantizedInput {
        if self.quantization == Quantization::None || self.chance(15) {
            return QuantizedInput { name: x.name.clone(), scale: None };
        }
        let scale = suffixed(&x.name, "@scale");
        if let Some(known) = self.quantized.get(&x.name) {
            return QuantizedInput { name: known.clone(), scale: Some(scale) };
        }
        let name = match self.quantization {
            Quantization::Onnx { .. } => self.quantize_linear(x, &scale),
            _ => self.fake_quantize(x, &scale),
        };
        self.quantized.insert(x.name.clone(), name.clone());
        QuantizedInput { name, scale: Some(scale) }
    }

    fn fake_quantize(&mut self, x: &Value, scale: &Name) -> Name {
        self.scale_parameter(scale, &[1]);
        let out = self.declare(suffixed(&x.name, ".quantized"), &x.dims);
        let op_type =
            if self.rng.bool() { "fake_quantize_range_abs_max" } else { "fake_quantize_moving_average_abs_max" };
        self.push(
            Draft::new(op_type)
                .input("X", &x.name)
                .input("InScale", scale)
                .output("Out", &out.name)
                .output("OutScale", scale)
                .attr("bit_length", Attr::Int(8))
                .attr("is_test", Attr::Bool(true)),
        );
        out.name
    }

    fn quantize_linear(&mut self, x: &Value, scale: &Name) -> Name {
        self.scale_parameter(scale, &[]);
        let code = self.declare(suffixed(&x.name, ".quantized"), &x.dims);
        let back = self.declare(suffixed(&code.name, ".dequantized"), &x.dims);
        let zero_point = suffixed(&code.name, "@zero_point");
        self.parameter(zero_point.clone(), Param::new(vec![1], TensorData::Int32(vec![0])));
        for (op_type, from, to) in
            [("quantize_linear", &x.name, &code.name), ("dequantize_linear", &code.name, &back.name)]
        {
            self.push(linear(op_type, from, scale, &zero_point, to, -1));
        }
        back.name
    }

    /// A weight in the form that fits its input: `axis` is its channel axis. Returns the name to read.
    pub(super) fn quantized_weight(&mut self, op_type: &str, dims: &[usize], axis: usize, x: &QuantizedInput) -> Name {
        let name = self.parameter_name(op_type);
        let count = dims.iter().product();
        if x.scale.is_none() {
            let values = (0..count).map(|_| self.rng.f32() - 0.5).collect();
            self.parameter(name.clone(), Param::new(dims.to_vec(), TensorData::Float32(values)));
            return name;
        }
        let codes: Vec<i8> = (0..count).map(|_| self.rng.i8(-127..=127)).collect();
        let Quantization::Onnx { per_channel } = self.quantization else {
            let values = codes.iter().map(|&code| code.into()).collect();
            self.parameter(name.clone(), Param::new(dims.to_vec(), TensorData::Float32(values)));
            return name;
        };
        let scale = suffixed(&name, "@scale");
        let out = self.declare(suffixed(&name, ".quantized.dequantized"), dims);
        let zero_point = suffixed(&out.name, "@zero_point");
        let channels = if per_channel { dims[axis] } else { 1 };
        self.parameter(name.clone(), Param::new(dims.to_vec(), TensorData::Int8(codes)));
        self.scale_parameter(&scale, &[channels]);
        self.parameter(zero_point.clone(), Param::new(vec![channels], TensorData::Int32(vec![0; channels])));
        let quant_axis = if per_channel { axis as i32 } else { -1 };
        self.push(linear("dequantize_linear", &name, &scale, &zero_point, &out.name, quant_axis));
        out.name
    }

    /// Dequantizes the output of a conv or matmul where the form wants it; `channels` and `axis` are its weight's.
    pub(super) fn dequantized_output(&mut self, raw: Value, x: &QuantizedInput, channels: usize, axis: usize) -> Value {
        let (Some(scale), Quantization::Old { per_channel, .. }) = (&x.scale, self.quantization) else { return raw };
        let out = self.declare(suffixed(&raw.name, ".dequantized"), &raw.dims);
        let draft = if per_channel {
            let weight_scales = Name::from(format!("channel_scale_{}", self.next_number()));
            self.scale_parameter(&weight_scales, &[channels]);
            Draft::new("fake_channel_wise_dequantize_max_abs")
                .inputs("Scales", &[weight_scales, scale.clone()])
                .attr("quant_bits", Attr::Ints(vec![8, 8]))
                .attr("quant_axis", Attr::Int(axis as i32))
                .attr("x_num_col_dims", Attr::Int(1))
        } else {
            Draft::new("fake_dequantize_max_abs").input("Scale", scale).attr("max_range", Attr::Float(9000.0))
        };
        self.push(draft.input("X", &raw.name).output("Out", &out.name));
        out
    }

    /// The name by which an op other than conv and matmul reads `x`.
    pub(super) fn read(&mut self, x: &Value) -> Name {
        if !matches!(self.quantization, Quantization::Old { full: true, .. })
            || x.dtype != DType::Float32
            || self.chance(40)
        {
            return x.name.clone();
        }
        let key = suffixed(&x.name, ".quant_dequant");
        if self.quantized.contains_key(&key) {
            return key;
        }
        let scale = suffixed(&key, "@scale");
        self.scale_parameter(&scale, &[1]);
        let out = self.declare(key.clone(), &x.dims);
        self.quantized.insert(key, out.name.clone());
        self.push(
            Draft::new("fake_quantize_dequantize_moving_average_abs_max")
                .input("X", &x.name)
                .input("InScale", &scale)
                .output("Out", &out.name)
                .output("OutScale", &scale)
                .attr("bit_length", Attr::Int(8))
                .attr("is_test", Attr::Bool(true)),
        );
        out.name
    }

    /// Has the tensor a quantized form? An in-place op must not overwrite it then: a second quantization op of the same name
    /// crashes Paddle Lite, and Paddle's quantizers write none.
    pub(super) fn is_quantized(&self, x: &Value) -> bool {
        self.quantized.contains_key(&x.name) || self.quantized.contains_key(&suffixed(&x.name, ".quant_dequant"))
    }

    fn scale_parameter(&mut self, name: &Name, dims: &[usize]) {
        let count = dims.iter().product();
        let values = (0..count).map(|_| 0.5 + self.rng.f32()).collect();
        self.parameter(name.clone(), Param::new(dims.to_vec(), TensorData::Float32(values)));
    }
}

fn linear(op_type: &str, from: &Name, scale: &Name, zero_point: &Name, to: &Name, quant_axis: i32) -> Draft {
    Draft::new(op_type)
        .input("X", from)
        .input("Scale", scale)
        .input("ZeroPoint", zero_point)
        .output("Y", to)
        .attr("quant_axis", Attr::Int(quant_axis))
        .attr("bit_length", Attr::Int(8))
}

fn suffixed(name: &Name, suffix: &str) -> Name {
    Name::from([name.as_bytes(), suffix.as_bytes()].concat().as_slice())
}
