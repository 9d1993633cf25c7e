//! Convolutions, on codes and on real values.

use std::sync::Arc;

use super::epilogue::{Epilogue, Extended, SumsEpilogue};
use crate::{
    Fault, Kernel, Tensor,
    buffers::Element,
    kernel::{Stage, codes, reals},
    math::{
        conv::Conv2d,
        direct::DirectConvolution,
        matmul::{FloatWeights, IntegerWeights},
        simd::widest,
    },
};

/// Checks an input against the filter's channels; batch, channels, height, width, output height, output width.
fn extents(geometry: &Conv2d, x: &Tensor, channels: usize) -> Result<[usize; 6], Fault> {
    let [batch, in_channels, height, width] = x.nchw();
    let [out_h, out_w] = geometry.output_size(height, width);
    if x.shape().len() != 4 || in_channels != channels || out_h == 0 || out_w == 0 {
        return Err(Fault(format!("a convolution over {channels} channels cannot take {:?}", x.shape())));
    }
    Ok([batch, in_channels, height, width, out_h, out_w])
}

/// A convolution on codes, in direct loops or as a product of matrices.
pub(crate) struct IntegerConvolution<E> {
    geometry: Conv2d,
    filter: Arc<IntegerFilter>,
    zero_point: i32,
    epilogue: E,
}

enum IntegerFilter {
    Direct(DirectConvolution),
    /// One matrix a group.
    Groups(Vec<IntegerWeights>),
}

impl<E> IntegerConvolution<E> {
    /// `weights` are OIHW codes with one zero point.
    pub(crate) fn new(geometry: Conv2d, weights: &[i8], weight_zero: i32, zero_point: i32, epilogue: E) -> Self {
        let offsets: Vec<i32> = weights.iter().map(|&weight| i32::from(weight) - weight_zero).collect();
        let packed = || {
            let groups = geometry.groups.max(1);
            let rows = geometry.out_channels / groups;
            let group = |weights: &[i8]| IntegerWeights::pack(weights, rows, weight_zero);
            weights.chunks_exact((weights.len() / groups).max(1)).map(group).collect()
        };
        let direct = DirectConvolution::new(&geometry, &offsets);
        let filter = direct.map_or_else(|| IntegerFilter::Groups(packed()), IntegerFilter::Direct);
        Self { geometry, filter: Arc::new(filter), zero_point, epilogue }
    }

    /// The same sums, finished otherwise.
    fn with_epilogue<F>(&self, epilogue: F) -> IntegerConvolution<F> {
        let (geometry, filter) = (self.geometry.clone(), self.filter.clone());
        IntegerConvolution { geometry, filter, zero_point: self.zero_point, epilogue }
    }

    fn channels(&self) -> usize {
        match &*self.filter {
            IntegerFilter::Direct(direct) => direct.in_channels(),
            IntegerFilter::Groups(groups) => {
                let window = self.geometry.kernel[0] * self.geometry.kernel[1];
                groups.iter().map(|group| group.cols() / window).sum()
            }
        }
    }
}

impl<E: SumsEpilogue + 'static> Kernel for IntegerConvolution<E> {
    fn is_worth_keeping(&self, output: &Tensor) -> bool {
        output.as_codes().is_some()
    }

    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        let [batch, channels, height, width, out_h, out_w] = extents(&self.geometry, x, self.channels())?;
        let (plane, pixels, out_channels) = (height * width, out_h * out_w, self.geometry.out_channels);
        let mut out = E::Finished::buffer(batch * out_channels * pixels);
        for (image, out) in codes.chunks_exact(channels * plane).zip(out.chunks_exact_mut(out_channels * pixels)) {
            match &*self.filter {
                IntegerFilter::Direct(direct) => direct.run(
                    image,
                    [height, width],
                    self.zero_point,
                    #[inline(always)]
                    |first, sums| self.epilogue.channels(first, pixels, sums, &mut out[first * pixels..][..sums.len()]),
                ),
                IntegerFilter::Groups(groups) => {
                    let mut columns = Vec::new();
                    let rows = out_channels / groups.len();
                    let parts = image.chunks_exact(channels / groups.len() * plane);
                    for ((group, weights), (x, out)) in
                        groups.iter().enumerate().zip(parts.zip(out.chunks_exact_mut(rows * pixels)))
                    {
                        let columns = if self.geometry.is_pointwise() {
                            x
                        } else {
                            self.geometry.columns(x, [height, width], self.zero_point as i8, &mut columns);
                            &columns
                        };
                        let mut sums = vec![0; weights.rows() * pixels];
                        weights.multiply(columns, pixels, self.zero_point, &mut sums);
                        widest(
                            #[inline(always)]
                            || self.epilogue.channels(group * rows, pixels, &sums, out),
                        );
                    }
                }
            }
        }
        Ok(<E as Epilogue<i32>>::tensor(vec![batch, out_channels, out_h, out_w], out))
    }

    fn with_stage(&self, stage: &Stage) -> Option<Arc<dyn Kernel>> {
        match self.epilogue.with_stage(stage)? {
            Extended::Reals(epilogue) => Some(Arc::new(self.with_epilogue(epilogue))),
            Extended::Codes(epilogue) => Some(Arc::new(self.with_epilogue(epilogue))),
        }
    }
}

/// A convolution on real values.
pub(crate) struct FloatConvolution<E> {
    geometry: Conv2d,
    depthwise: Option<Vec<f32>>,
    groups: Vec<FloatWeights>,
    channels: usize,
    epilogue: E,
}

impl<E> FloatConvolution<E> {
    /// `weights` are OIHW.
    pub(crate) fn new(geometry: Conv2d, weights: &[f32], epilogue: E) -> Self {
        let window = geometry.kernel[0] * geometry.kernel[1];
        let group_count = geometry.groups.max(1);
        let rows = geometry.out_channels / group_count;
        let channels = weights.len() / (window * geometry.out_channels).max(1) * group_count;
        let is_depthwise = group_count > 1 && channels == group_count && rows == 1;
        let (depthwise, groups) = if is_depthwise {
            (Some(weights.to_vec()), Vec::new())
        } else {
            let chunk = (weights.len() / group_count).max(1);
            (None, weights.chunks_exact(chunk).map(|weights| FloatWeights::pack(weights, rows)).collect())
        };
        Self { geometry, depthwise, groups, channels, epilogue }
    }
}

impl<E: Epilogue<f32>> Kernel for FloatConvolution<E> {
    fn is_worth_keeping(&self, _output: &Tensor) -> bool {
        true
    }

    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let [batch, channels, height, width, out_h, out_w] = extents(&self.geometry, x, self.channels)?;
        let (plane, pixels, out_channels) = (height * width, out_h * out_w, self.geometry.out_channels);
        let mut out = E::Out::buffer(batch * out_channels * pixels);
        for (image, out) in values.chunks_exact(channels * plane).zip(out.chunks_exact_mut(out_channels * pixels)) {
            if let Some(weights) = &self.depthwise {
                let window = self.geometry.kernel[0] * self.geometry.kernel[1];
                let mut sums = vec![0.0; pixels];
                let planes = image.chunks_exact(plane).zip(out.chunks_exact_mut(pixels));
                for (channel, ((x, out), weights)) in planes.zip(weights.chunks_exact(window)).enumerate() {
                    self.geometry.depthwise_plane(x, [height, width], weights, &mut sums);
                    widest(
                        #[inline(always)]
                        || self.epilogue.channels(channel, pixels, &sums, out),
                    );
                }
            } else {
                let mut columns = Vec::new();
                let rows = out_channels / self.groups.len();
                let parts = image.chunks_exact(channels / self.groups.len() * plane);
                for ((group, weights), (x, out)) in
                    self.groups.iter().enumerate().zip(parts.zip(out.chunks_exact_mut(rows * pixels)))
                {
                    let columns = if self.geometry.is_pointwise() {
                        x
                    } else {
                        self.geometry.columns(x, [height, width], 0.0, &mut columns);
                        &columns
                    };
                    let mut sums = vec![0.0; weights.rows() * pixels];
                    weights.multiply(columns, pixels, &mut sums);
                    widest(
                        #[inline(always)]
                        || self.epilogue.channels(group * rows, pixels, &sums, out),
                    );
                }
            }
        }
        Ok(E::tensor(vec![batch, out_channels, out_h, out_w], out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        families::{activation::Function, conv::LiteEpilogue},
        kernel::Quantize,
    };
    use proptest::prelude::*;

    fn function() -> impl Strategy<Value = Function> {
        prop_oneof![
            Just(Function::Relu),
            Just(Function::Relu6),
            Just(Function::LeakyRelu(0.1)),
            Just(Function::HardSwish { alpha: 1.0 / 6.0, beta: 0.5 }),
            Just(Function::HardSigmoid { alpha: 0.2, beta: 0.5 }),
            Just(Function::Sigmoid),
        ]
    }

    proptest! {
        #[test]
        fn a_convolution_that_took_over_what_follows_equals_one_after_the_other_bit_for_bit(
            size in prop::array::uniform2(1usize..20), kernel in prop::array::uniform2(1usize..4),
            strides in prop::array::uniform2(1usize..3), pad in 0usize..2, groups in 1usize..3, rows in 1usize..6,
            function in function(), step in 0.01f32..0.2, nearest_even in any::<bool>(), seed in any::<u64>(),
        ) {
            let geometry =
                Conv2d { kernel, strides, pads: [pad; 4], dilations: [1, 1], groups, out_channels: groups * rows };
            let [out_h, out_w] = geometry.output_size(size[0], size[1]);
            prop_assume!(out_h > 0 && out_w > 0);
            let mut state = seed | 1;
            let mut code = || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state as i8 };
            let channels = groups * rows;
            let weights: Vec<i8> = (0..channels * kernel[0] * kernel[1]).map(|_| code()).collect();
            let addends: Vec<f32> = (0..channels).map(|_| f32::from(code()) / 32.0).collect();
            let x = Tensor::from_codes(
                vec![1, groups, size[0], size[1]],
                (0..groups * size[0] * size[1]).map(|_| code()).collect(),
            );
            let epilogue = LiteEpilogue::new(1.0 / 64.0, &[1.0 / 128.0], &[], channels);
            let calib = Quantize { step, nearest_even };
            let convolution = IntegerConvolution::new(geometry, &weights, 0, 0, epilogue);

            let sums = convolution.run(&[&x]).unwrap();
            let channel = |at: usize| at / (out_h * out_w);
            let values = sums.as_f32().unwrap().iter().enumerate();
            let reals: Vec<f32> = values.map(|(at, sum)| function.single(sum + addends[channel(at)])).collect();
            let codes: Vec<i8> = reals.iter().map(|&value| calib.code(value)).collect();

            let merged = convolution.with_stage(&Stage::AddChannels(addends)).unwrap();
            let merged = merged.with_stage(&Stage::Function(function)).unwrap();
            prop_assert!(merged.with_stage(&Stage::Function(function)).is_none());
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let got = merged.run(&[&x]).unwrap();
            prop_assert_eq!(bits(got.as_f32().unwrap()), bits(&reals));
            let merged = merged.with_stage(&Stage::Quantize(calib)).unwrap();
            let got = merged.run(&[&x]).unwrap();
            prop_assert_eq!(got.as_codes().unwrap(), codes.as_slice());
        }
    }
}
