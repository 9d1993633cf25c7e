//! Convolution and fully connected: integer products with a bias, and their float forms.

mod epilogue;
mod kernels;
mod linear;

use std::sync::Arc;

pub(crate) use epilogue::{FloatEpilogue, LiteEpilogue, NpuEpilogue};
pub(crate) use kernels::{FloatConvolution, IntegerConvolution};
pub(crate) use linear::{FloatLinear, IntegerLinear};
use paddle_model::{LiteOp, TensorData};

use super::OpKind;
use crate::{
    Kernel, Refusal, RefusalClass,
    cluster::Converter,
    cpu::CpuOp,
    math::conv::Conv2d,
    npu::{Constant, NpuOperation, Operand, Precision, ZeroPoints, unsupported_types},
    program::{Attributes, real_values},
    rules,
};

/// The NNAdapter operation `CONV_2D`: input, filter (OIHW) and bias; with `relu` the driver's compiler merges the
/// following relu and skips the code between them (spec/numerics.md, chains).
#[derive(Clone, Debug)]
pub struct Convolution {
    pub(crate) geometry: Conv2d,
    pub(crate) relu: bool,
}

impl NpuOperation for Convolution {
    fn name(&self) -> &'static str {
        if self.relu { "CONV_2D+RELU" } else { "CONV_2D" }
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Middle
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let &[x, filter, bias] = inputs else { return Err("a convolution needs input, filter and bias".into()) };
        let refusal = || unsupported_types(self.name(), &[x, filter, bias, outputs[0]]);
        let geometry = self.geometry.clone();
        match (&x.precision, filter.constant.as_deref(), bias.constant.as_deref(), &outputs[0].precision) {
            (&Precision::UInt8(from), Some(Constant::I8(w)), Some(Constant::I32(bias)), &Precision::UInt8(to)) => {
                let epilogue = NpuEpilogue::new(from, &filter.precision, to, bias, self.relu).ok_or_else(refusal)?;
                let zero = filter.precision.quant().map_or(0, |quant| quant.zero_point);
                Ok(Arc::new(IntegerConvolution::new(geometry, w, zero, from.zero_point, epilogue)))
            }
            (Precision::Float32, Some(Constant::F32(w)), Some(Constant::F32(bias)), Precision::Float32) => {
                let relu = self.relu;
                let epilogue = FloatEpilogue::new(bias.clone(), move |x: f32| if relu { x.max(0.0) } else { x });
                Ok(Arc::new(FloatConvolution::new(geometry, w, epilogue)))
            }
            _ => Err(refusal()),
        }
    }
}

/// The NNAdapter operation `FULLY_CONNECTED`: input `[.., k]`, weights `[n, k]`, bias `[n]`.
#[derive(Clone, Copy, Debug)]
pub struct FullyConnected;

impl NpuOperation for FullyConnected {
    fn name(&self) -> &'static str {
        "FULLY_CONNECTED"
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Middle
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let &[x, weight, bias] = inputs else { return Err("fully connected needs input, weights and bias".into()) };
        let refusal = || unsupported_types(self.name(), &[x, weight, bias, outputs[0]]);
        let rows = weight.shape.first().copied().unwrap_or(1);
        match (&x.precision, weight.constant.as_deref(), bias.constant.as_deref(), &outputs[0].precision) {
            (&Precision::UInt8(from), Some(Constant::I8(w)), Some(Constant::I32(bias)), &Precision::UInt8(to)) => {
                let epilogue = NpuEpilogue::new(from, &weight.precision, to, bias, false).ok_or_else(refusal)?;
                let zero = weight.precision.quant().map_or(0, |quant| quant.zero_point);
                Ok(Arc::new(IntegerLinear::new(w, rows, zero, from.zero_point, epilogue)))
            }
            (Precision::Float32, Some(Constant::F32(w)), Some(Constant::F32(bias)), Precision::Float32) => {
                let epilogue = FloatEpilogue::new(bias.clone(), |x: f32| x);
                Ok(Arc::new(FloatLinear::new(w, rows, epilogue)))
            }
            _ => Err(refusal()),
        }
    }
}

/// The op types.
pub(crate) const OPS: &[OpKind] =
    &[OpKind { types: &["conv2d", "depthwise_conv2d"], inputs: &["Input"], cpu, npu: Some(convert) }];

/// The geometry of an op over a filter of OIHW `dims` and an input of `height` × `width`, which only `SAME` padding needs.
fn geometry_of(op: &LiteOp, dims: &[usize], input: Option<[usize; 2]>) -> Result<Conv2d, String> {
    let &[out_channels, _, kernel_h, kernel_w] = dims else {
        return Err(format!("a filter of {dims:?} has no convolution"));
    };
    let pair = |name: &str| match op.sizes(name).as_deref() {
        Some(&[a, b]) => Ok([a, b]),
        None => Ok([1, 1]),
        _ => Err(format!("`{name}` of a convolution needs two values")),
    };
    let (strides, dilations) = (pair("strides")?, pair("dilations")?);
    let kernel = [kernel_h, kernel_w];
    let pads = match (op.text("padding_algorithm"), op.sizes("paddings").as_deref()) {
        (Some("VALID"), _) | (_, None) => [0; 4],
        (Some("SAME"), _) => {
            let input = input.ok_or("`SAME` padding needs the size of the input")?;
            let both = |axis: usize| {
                let out = input[axis].div_ceil(strides[axis]);
                ((out.max(1) - 1) * strides[axis] + kernel[axis]).saturating_sub(input[axis])
            };
            [both(0) / 2, both(0) - both(0) / 2, both(1) / 2, both(1) - both(1) / 2]
        }
        (_, Some(&[y, x])) => [y, y, x, x],
        (_, Some(&[top, bottom, left, right])) => [top, bottom, left, right],
        (_, Some(other)) => return Err(format!("paddings {other:?} of a convolution")),
    };
    let groups = op.int("groups").and_then(|groups| usize::try_from(groups).ok()).unwrap_or(1).max(1);
    let fits = strides.iter().chain(&dilations).chain(&kernel).all(|&value| value > 0)
        && out_channels > 0
        && out_channels.is_multiple_of(groups);
    if !fits {
        return Err(format!("a convolution of {dims:?} in {groups} groups with strides {strides:?}"));
    }
    Ok(Conv2d { kernel, strides, pads, dilations, groups, out_channels })
}

fn cpu(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let weight = op.constant("Filter").ok_or("a convolution needs a constant filter")?;
    let size = op.input_shape("Input").and_then(|shape| shape.get(2..4)).map(|size| [size[0], size[1]]);
    let geometry = geometry_of(op.op(), &weight.dims, size)?;
    let bias = op.real_constant("Bias").and_then(|bias| bias.as_f32().map(<[f32]>::to_vec)).unwrap_or_default();
    if op.int8 {
        let (TensorData::Int8(codes), Some(scales)) = (&weight.data, &weight.scales) else {
            return Err("the filter of an int8 convolution is not 8-bit".into());
        };
        let input = op.input_step("Input").ok_or("an int8 convolution needs the scale of its input")?;
        let epilogue = LiteEpilogue::new(input, &scales.steps, &bias, geometry.out_channels);
        return Ok(vec![Arc::new(IntegerConvolution::new(geometry, codes, 0, 0, epilogue))]);
    }
    let values = op.real_constant("Filter").ok_or("the filter has no real values")?;
    let epilogue = FloatEpilogue::new(bias, |x: f32| x);
    Ok(vec![Arc::new(FloatConvolution::new(geometry, values.as_f32().unwrap_or_default(), epilogue))])
}

fn convert(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let op = converter.lite();
    let x = converter.input("Input", 0)?;
    let Some(weight) = converter.constant("Filter", 0) else {
        return Err(converter.refuse(RefusalClass::Unsupported, "the filter is not constant"));
    };
    let size = converter.operand(x).shape.get(2..4).map(|size| [size[0], size[1]]);
    let geometry = geometry_of(op, &weight.dims, size);
    let geometry = geometry.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
    let filter = converter.input("Filter", 0)?;
    let channels = geometry.out_channels;
    let own_bias = converter.constant("Bias", 0).and_then(real_values);
    let steps: Option<Vec<f32>> = match &converter.operand(filter).precision {
        Precision::Int8 { scale } => Some(vec![*scale]),
        Precision::Int8PerChannel(scales) => Some(scales.to_vec()),
        _ => None,
    };
    let bias = if let Some(steps) = steps {
        converter.check_quantized_input("Input", x, "Output")?;
        let (Some(input), Some(_)) = (converter.input_step("Input", 0), converter.output_step("Output", 0)) else {
            let text = "missing the quant params of the input or the output of an int8 convolution";
            return Err(converter.refuse(RefusalClass::MissingScale, text));
        };
        let step = |channel: usize| input * steps[if steps.len() == channels { channel } else { 0 }];
        let bias = own_bias.unwrap_or_else(|| vec![0.0; channels]);
        let codes = bias.iter().enumerate().map(|(at, &bias)| rules::stack::truncated_bias(bias, step(at))).collect();
        converter.value(vec![channels], Precision::Int32, Constant::I32(codes))
    } else {
        if converter.operand(x).precision != Precision::Float32 {
            return Err(converter.refuse(RefusalClass::DataType, "a float filter meets an 8-bit input"));
        }
        let bias = own_bias.unwrap_or_else(|| vec![0.0; channels]);
        converter.value(vec![channels], Precision::Float32, Constant::F32(bias))
    };
    converter.emit(Convolution { geometry, relu: false }, vec![x, filter, bias], "Output");
    Ok(())
}
