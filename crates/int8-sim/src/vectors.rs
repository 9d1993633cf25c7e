//! Single ops recorded on VeriSilicon's software NPU: codes in, codes out (spec/numerics.md).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Data, Kernel, Quant, Tensor,
    families::{
        activation::{Activation, Function},
        conv::{Convolution, FullyConnected},
        convert::DataConvert,
        elementwise::{Binary, Elementwise},
        layout::{Concat, Slice, Transpose},
        pool::{Placing, Pool, Reduction},
        reduce::ReduceMean,
        resize::{Coordinates, Resize, Size},
        softmax::Softmax,
    },
    math::{conv::Conv2d, window::Window},
    npu::{Constant, NpuOperation, Operand, Precision},
};

/// One recorded case, as the vector files hold it.
#[derive(Clone, Debug, Deserialize)]
pub struct OpVector {
    /// The name of the case.
    pub case: String,
    /// The op, or two joined by `+`.
    pub op: String,
    #[serde(default)]
    attrs: Attrs,
    inputs: Vec<Recorded>,
    #[serde(default)]
    consts: Vec<Recorded>,
    #[serde(default)]
    intermediates: Vec<Recorded>,
    outputs: Vec<Recorded>,
}

/// The attributes of any op; each case has those of its own op.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Attrs {
    kernel: usize,
    stride: usize,
    pad: usize,
    #[serde(rename = "type")]
    kind: String,
    align_corners: i32,
    half_pixel_centers: i32,
    alpha: f32,
    beta: f32,
    axis_whcn: Axes,
    keep_dims: i32,
    perm_whcn: Vec<usize>,
    start_whcn: Vec<usize>,
    length_whcn: Vec<usize>,
}

/// One axis or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Axes {
    One(usize),
    Several(Vec<usize>),
}

impl Default for Axes {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Recorded {
    shape_whcn: Vec<usize>,
    dtype: String,
    scale: Option<Scale>,
    zero_point: Option<i32>,
    #[serde(default)]
    data: Vec<f64>,
}

/// One scale or one a channel.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Scale {
    One(f32),
    Channels(Vec<f32>),
}

/// Why a case could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// The file is not a case.
    #[error("read the vector case: {0}")]
    Format(String),
    /// There is no kernel for the op.
    #[error("compare case `{case}`: no kernel for op `{op}`")]
    UnknownOp {
        /// The case.
        case: String,
        /// The op.
        op: String,
    },
    /// The kernel refused or failed.
    #[error("compare case `{case}`: {text}")]
    Refused {
        /// The case.
        case: String,
        /// What the kernel said.
        text: String,
    },
}

/// How far the simulated codes of a case are from the recorded ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VectorReport {
    /// The name of the case.
    pub case: String,
    /// The op.
    pub op: String,
    /// The number of output elements.
    pub elements: usize,
    /// How many are equal.
    pub exact: usize,
    /// How many are at most one code off.
    pub within_one: usize,
    /// The largest distance in codes.
    pub max_off: u32,
}

impl OpVector {
    /// Reads a case.
    ///
    /// # Errors
    /// When the JSON does not describe one.
    pub fn from_json(bytes: &[u8]) -> Result<Self, VectorError> {
        serde_json::from_slice(bytes).map_err(|error| VectorError::Format(error.to_string()))
    }

    /// Runs the case's ops on the simulator and compares with the recording.
    ///
    /// # Errors
    /// When an op has no kernel, or the kernel refuses the case.
    pub fn compare(&self) -> Result<VectorReport, VectorError> {
        let refused = |text: String| VectorError::Refused { case: self.case.clone(), text };
        let variable = |recorded: &Recorded| Operand { constant: None, ..recorded.operand() };
        let mut operands: Vec<Operand> = self.inputs.iter().map(variable).collect();
        operands.extend(self.consts.iter().map(Recorded::operand));
        let inputs: Vec<Tensor> = self.inputs.iter().map(Recorded::tensor).collect();
        let output = self.outputs[0].operand();
        let got = match (self.op.split_once('+'), self.intermediates.first()) {
            (Some(("conv2d", "relu")), _) => {
                // The driver's compiler fuses this pair.
                let conv = Convolution { geometry: self.geometry(false), relu: true };
                run(&conv, &operands, &output, &inputs)
            }
            (Some((first, second)), Some(middle)) => {
                let middle = middle.operand();
                let taken = if first == "add" { 2 } else { 1 };
                let mut own = operands[..taken].to_vec();
                own.extend_from_slice(&operands[self.inputs.len()..]);
                let between = run(&*self.operation(first)?, &own, &middle, &inputs[..taken]).map_err(refused)?;
                let mut rest = vec![middle];
                rest.extend_from_slice(&operands[taken..self.inputs.len()]);
                let mut tensors = vec![between];
                tensors.extend_from_slice(&inputs[taken..]);
                run(&*self.operation(second)?, &rest, &output, &tensors)
            }
            _ => run(&*self.operation(&self.op)?, &operands, &output, &inputs),
        };
        Ok(self.report(&got.map_err(refused)?))
    }

    fn report(&self, got: &Tensor) -> VectorReport {
        let expected = self.outputs[0].tensor();
        let offs: Vec<u32> = match (got.data(), expected.data()) {
            (Data::I8(got), Data::I8(expected)) => {
                got.iter().zip(expected).map(|(a, b)| i32::from(*a).abs_diff(i32::from(*b))).collect()
            }
            (Data::F32(got), Data::F32(expected)) => {
                got.iter().zip(expected).map(|(a, b)| if a == b { 0 } else { u32::MAX }).collect()
            }
            _ => vec![u32::MAX; expected.len()],
        };
        let same_length = got.len() == expected.len();
        let count = |limit| if same_length { offs.iter().filter(|&&off| off <= limit).count() } else { 0 };
        VectorReport {
            case: self.case.clone(),
            op: self.op.clone(),
            elements: expected.len(),
            exact: count(0),
            within_one: count(1),
            max_off: if same_length { offs.iter().copied().max().unwrap_or(0) } else { u32::MAX },
        }
    }

    /// The geometry of a convolution; chain cases leave it out and mean 3×3, stride 1, pad 1 (spec/numerics.md).
    fn geometry(&self, depthwise: bool) -> Conv2d {
        let Attrs { mut kernel, mut stride, mut pad, .. } = self.attrs;
        if kernel == 0 {
            (kernel, stride, pad) = (3, 1, 1);
        }
        let filter = &self.consts[0].shape_whcn;
        let out_channels = if depthwise { filter[2] } else { filter[3] };
        Conv2d {
            kernel: [kernel; 2],
            strides: [stride; 2],
            pads: [pad; 4],
            dilations: [1; 2],
            groups: if depthwise { out_channels } else { 1 },
            out_channels,
        }
    }

    fn operation(&self, op: &str) -> Result<Box<dyn NpuOperation>, VectorError> {
        let attrs = &self.attrs;
        let rank = self.inputs[0].shape_whcn.len();
        let axis = |whcn: usize| (rank - 1 - whcn) as i64;
        let reversed = |x: &[usize]| x.iter().rev().copied().collect::<Vec<_>>();
        let out = &self.outputs[0].shape_whcn;
        let function = match op {
            "relu" => Some(Function::Relu),
            "relu6" => Some(Function::Relu6),
            "leaky_relu" => Some(Function::LeakyRelu(if attrs.alpha == 0.0 { 0.1 } else { attrs.alpha })),
            "hard_swish" => Some(Function::HardSwish { alpha: 1.0 / 6.0, beta: 0.5 }),
            "hard_sigmoid" => Some(Function::HardSigmoid { alpha: attrs.alpha, beta: attrs.beta }),
            "sigmoid" => Some(Function::Sigmoid),
            "swish" => Some(Function::Swish),
            "mish" => Some(Function::Mish),
            "tanh" => Some(Function::Tanh),
            "exp" => Some(Function::Exp),
            _ => None,
        };
        if let Some(function) = function {
            return Ok(Box::new(Activation(function)));
        }
        let binary = |function| Ok(Box::new(Elementwise(function)) as Box<dyn NpuOperation>);
        Ok(match op {
            "add" => return binary(Binary::Add),
            "sub" => return binary(Binary::Sub),
            "mul" => return binary(Binary::Mul),
            "div" => return binary(Binary::Div),
            "conv2d" => Box::new(Convolution { geometry: self.geometry(false), relu: false }),
            "depthwise_conv2d" => Box::new(Convolution { geometry: self.geometry(true), relu: false }),
            "fully_connected" => Box::new(FullyConnected),
            "dataconvert" => Box::new(DataConvert),
            "concat" => match &attrs.axis_whcn {
                Axes::One(whcn) => Box::new(Concat { axis: axis(*whcn) }),
                Axes::Several(_) => return Err(self.unknown(op)),
            },
            "softmax" => match &attrs.axis_whcn {
                Axes::One(whcn) => Box::new(Softmax { axis: axis(*whcn) }),
                Axes::Several(_) => return Err(self.unknown(op)),
            },
            "reduce_mean" => match &attrs.axis_whcn {
                Axes::Several(axes) => Box::new(ReduceMean {
                    axes: axes.iter().map(|&whcn| axis(whcn)).collect(),
                    keep_dims: attrs.keep_dims != 0,
                }),
                Axes::One(_) => return Err(self.unknown(op)),
            },
            "transpose" => {
                Box::new(Transpose { perm: attrs.perm_whcn.iter().rev().map(|&whcn| rank - 1 - whcn).collect() })
            }
            "slice" => Box::new(Slice { starts: reversed(&attrs.start_whcn), lengths: reversed(&attrs.length_whcn) }),
            "pool2d" => {
                let reduction = match attrs.kind.as_str() {
                    "max" => Reduction::Max,
                    "avg" => Reduction::Average { inside_only: false },
                    _ => Reduction::Average { inside_only: true },
                };
                let window =
                    Window { size: [attrs.kernel; 2], strides: [attrs.stride; 2], pads: [attrs.pad; 4], ceil: false };
                Box::new(Pool { reduction, placing: Placing::Windows(window) })
            }
            "resize_nearest" | "resize_bilinear" => {
                let half = attrs.half_pixel_centers != 0;
                let coordinates = if half { Coordinates::HalfPixel } else { Coordinates::Asymmetric };
                Box::new(Resize {
                    size: Size::Fixed([out[1], out[0]]),
                    align_corners: attrs.align_corners != 0,
                    linear: (op == "resize_bilinear").then_some(coordinates),
                })
            }
            _ => return Err(self.unknown(op)),
        })
    }

    fn unknown(&self, op: &str) -> VectorError {
        VectorError::UnknownOp { case: self.case.clone(), op: op.into() }
    }
}

fn run(op: &dyn NpuOperation, inputs: &[Operand], output: &Operand, data: &[Tensor]) -> Result<Tensor, String> {
    let inputs: Vec<&Operand> = inputs.iter().collect();
    let kernel: Arc<dyn Kernel> = op.kernel(&inputs, &[output])?;
    kernel.run(&data.iter().collect::<Vec<_>>()).map_err(|fault| fault.to_string())
}

impl Recorded {
    /// Outermost axis first: the files list W first.
    fn shape(&self) -> Vec<usize> {
        self.shape_whcn.iter().rev().copied().collect()
    }

    fn operand(&self) -> Operand {
        let zero_point = self.zero_point.unwrap_or(0);
        let precision = match (self.dtype.as_str(), &self.scale) {
            ("uint8", Some(Scale::One(scale))) => Precision::UInt8(Quant::from_u8(*scale, zero_point)),
            ("int8", Some(Scale::Channels(scales))) => Precision::Int8PerChannel(scales.as_slice().into()),
            ("int32", _) => Precision::Int32,
            _ => Precision::Float32,
        };
        let constant = match precision {
            Precision::UInt8(_) => Constant::I8(self.data.iter().map(|&code| (code as i32 - 128) as i8).collect()),
            Precision::Int8PerChannel(_) => Constant::I8(self.data.iter().map(|&code| code as i8).collect()),
            Precision::Int32 => Constant::I32(self.data.iter().map(|&code| code as i32).collect()),
            _ => Constant::F32(self.data.iter().map(|&value| value as f32).collect()),
        };
        Operand { shape: self.shape(), precision, constant: (!self.data.is_empty()).then(|| Arc::new(constant)) }
    }

    fn tensor(&self) -> Tensor {
        if self.dtype == "float32" {
            Tensor::from_f32(self.shape(), self.data.iter().map(|&value| value as f32).collect())
        } else {
            Tensor::from_codes(self.shape(), self.data.iter().map(|&code| (code as i32 - 128) as i8).collect())
        }
    }
}
