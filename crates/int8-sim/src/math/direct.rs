//! Convolutions and linear layers of codes in direct loops over float vectors, which every SIMD unit multiplies and adds in one
//! step: as long as the sums stay below 2^24 in size, they are exact. For the small layers of the networks that
//! run on NPUs this beats an integer matrix product, which has to lay its operands out first.

use std::{cell::RefCell, sync::OnceLock};

use rten_simd::{
    Isa, SimdOp,
    ops::{BitOps, NumOps},
};

use super::conv::Conv2d;

/// Above this f32 cannot hold every whole number.
const EXACT: u64 = 1 << 24;

/// Output channels that share a load of the input.
const TILE: usize = 4;

/// The most elements any machine's vectors load past the end of a row of outputs.
const SLACK: usize = 64;

thread_local! {
    static PLANES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static SUMS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static DENSE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Do all sums over these weights (one row an output) stay exact, whatever the input codes?
fn is_exact(weights: &[i32], rows: usize) -> bool {
    // A code less its zero point lies in -255..=255.
    let size = |row: &[i32]| row.iter().map(|weight| u64::from(weight.unsigned_abs())).sum::<u64>() * 255;
    weights.chunks_exact((weights.len() / rows.max(1)).max(1)).all(|row| size(row) < EXACT)
}

/// A convolution with weights less their zero point, in groups.
pub(crate) struct DirectConvolution {
    geometry: Conv2d,
    in_channels: usize,
    /// By group and tile of output channels: one array a tap; channels that fill up the last tile are zero.
    weights: Vec<[f32; TILE]>,
    /// Where the taps lie for the input size met first.
    taps: OnceLock<Taps>,
}

/// The planes that an input of one size is laid out in, padded, and split by stride so that neighbouring outputs read
/// neighbouring elements.
struct Taps {
    size: [usize; 2],
    /// How many planes a channel makes along each axis.
    phases: [usize; 2],
    /// Height and width of a plane.
    extent: [usize; 2],
    /// From one plane to the next, in elements.
    plane: usize,
    /// Where each tap of each input channel of a group starts.
    starts: Vec<usize>,
}

impl DirectConvolution {
    /// `weights` are OIHW; none where a sum might not be exact.
    pub(crate) fn new(geometry: &Conv2d, weights: &[i32]) -> Option<Self> {
        let groups = geometry.groups.max(1);
        if weights.is_empty() || !is_exact(weights, geometry.out_channels) {
            return None;
        }
        let rows = geometry.out_channels / groups;
        let cols = weights.len() / geometry.out_channels;
        let in_channels = cols / (geometry.kernel[0] * geometry.kernel[1]) * groups;
        let tile = |rows: &[i32]| -> Vec<[f32; TILE]> {
            let weight = |col: usize, row: usize| rows.get(row * cols + col).map_or(0.0, |&weight| weight as f32);
            (0..cols).map(|col| std::array::from_fn(|row| weight(col, row))).collect()
        };
        let tiles = |group: &[i32]| group.chunks(TILE * cols).flat_map(tile).collect::<Vec<_>>();
        let weights = weights.chunks_exact(rows * cols).flat_map(tiles).collect();
        Some(Self { geometry: geometry.clone(), in_channels, weights, taps: OnceLock::new() })
    }

    /// The number of channels it reads.
    pub(crate) fn in_channels(&self) -> usize {
        self.in_channels
    }

    /// Calls `finish` with the sums `Σ w·(x - zero_point)` of a few output channels, from the given one on, over one image.
    /// Compiled for each instruction set, and so is `finish` where it is inlined.
    pub(crate) fn run(&self, image: &[i8], size: [usize; 2], zero_point: i32, finish: impl FnMut(usize, &[f32])) {
        let first = self.taps.get_or_init(|| self.taps(size));
        let other;
        let taps = if first.size == size {
            first
        } else {
            other = self.taps(size);
            &other
        };
        PLANES.with_borrow_mut(|planes| {
            SUMS.with_borrow_mut(|sums| {
                DENSE.with_borrow_mut(|dense| {
                    Convolve { direct: self, taps, image, zero_point, planes, sums, dense, finish }.dispatch();
                });
            });
        });
    }

    fn taps(&self, size: [usize; 2]) -> Taps {
        let conv = &self.geometry;
        let out = conv.output_size(size[0], size[1]);
        let span = |axis: usize| (conv.kernel[axis] - 1) * conv.dilations[axis];
        let phases = [0, 1].map(|axis| conv.strides[axis].min(span(axis) + 1));
        let extent = [0, 1].map(|axis| out[axis] + span(axis) / conv.strides[axis]);
        // Planes a power of two apart would get in each other's way in the cache.
        let spacing = if conv.is_pointwise() { SLACK / 4 } else { 0 };
        let plane = extent[0] * extent[1] + spacing;
        let mut starts = Vec::new();
        for channel in 0..self.in_channels / conv.groups.max(1) {
            for ky in 0..conv.kernel[0] {
                for kx in 0..conv.kernel[1] {
                    let [y, x] = [ky * conv.dilations[0], kx * conv.dilations[1]];
                    let phase = y % conv.strides[0] * phases[1] + x % conv.strides[1];
                    let [row, column] = [y / conv.strides[0], x / conv.strides[1]];
                    starts.push((channel * phases[0] * phases[1] + phase) * plane + row * extent[1] + column);
                }
            }
        }
        Taps { size, phases, extent, plane, starts }
    }

    /// Lays the channels of a group out in planes of real numbers that are zero where the padding is.
    #[inline(always)]
    fn lay_out(&self, image: &[i8], taps: &Taps, zero_point: i32, planes: &mut [f32]) {
        let conv = &self.geometry;
        match (conv.strides, taps.size[1]) {
            _ if conv.is_pointwise() => {
                let channels = image.chunks_exact(taps.size[0] * taps.size[1]);
                planes.chunks_exact_mut(taps.plane).zip(channels).for_each(|(to, from)| line(to, from, zero_point));
            }
            ([1, 1], 4) => self.lay_out_rows::<4>(image, taps, zero_point, planes),
            ([1, 1], 8) => self.lay_out_rows::<8>(image, taps, zero_point, planes),
            ([1, 1], 16) => self.lay_out_rows::<16>(image, taps, zero_point, planes),
            ([1, 1], 32) => self.lay_out_rows::<32>(image, taps, zero_point, planes),
            ([2, 2], 8) if taps.phases == [2, 2] => self.split_rows::<4>(image, taps, zero_point, planes),
            ([2, 2], 16) if taps.phases == [2, 2] => self.split_rows::<8>(image, taps, zero_point, planes),
            ([2, 2], 32) if taps.phases == [2, 2] => self.split_rows::<16>(image, taps, zero_point, planes),
            ([2, 2], 64) if taps.phases == [2, 2] => self.split_rows::<32>(image, taps, zero_point, planes),
            _ => self.lay_out_any(image, taps, zero_point, planes),
        }
    }

    /// Without strides: rows of `WIDTH` elements that move right and down by the padding.
    #[inline(always)]
    fn lay_out_rows<const WIDTH: usize>(&self, image: &[i8], taps: &Taps, zero_point: i32, planes: &mut [f32]) {
        let [top, left] = [self.geometry.pads[0], self.geometry.pads[2]];
        let [rows, columns] = taps.extent;
        // Negative padding on the far side, where the kernel does not reach the last rows or columns.
        if columns < left + WIDTH {
            self.lay_out_any(image, taps, zero_point, planes);
            return;
        }
        let channels = image.as_chunks::<WIDTH>().0.chunks_exact(taps.size[0]);
        for (channel, plane) in channels.zip(planes.chunks_exact_mut(rows * columns)) {
            for (row, to) in channel.iter().zip(plane.chunks_exact_mut(columns).skip(top)) {
                line(&mut to[left..left + WIDTH], row, zero_point);
            }
        }
    }

    /// With strides of two: rows of twice `HALF` elements, which fall into the even and the odd ones.
    #[inline(always)]
    fn split_rows<const HALF: usize>(&self, image: &[i8], taps: &Taps, zero_point: i32, planes: &mut [f32]) {
        let [top, left] = [self.geometry.pads[0], self.geometry.pads[2]];
        let [rows, columns] = taps.extent;
        // Elements of even position go here, in the plane of the padding's parity; those of odd position to the other.
        let (even, odd) = (left / 2, left.div_ceil(2));
        if columns < odd + HALF {
            self.lay_out_any(image, taps, zero_point, planes);
            return;
        }
        let pairs = image.as_chunks::<2>().0.as_chunks::<HALF>().0;
        for (channel, planes) in pairs.chunks_exact(taps.size[0]).zip(planes.chunks_exact_mut(4 * rows * columns)) {
            for (y, row) in channel.iter().enumerate().take((2 * rows).saturating_sub(top)) {
                let padded = y + top;
                let start = (padded % 2 * 2 * rows + padded / 2) * columns;
                let [even_at, odd_at] = [left % 2, 1 - left % 2].map(|phase| start + phase * rows * columns);
                line(&mut planes[even_at + even..][..HALF], &row.map(|[code, _]| code), zero_point);
                line(&mut planes[odd_at + odd..][..HALF], &row.map(|[_, code]| code), zero_point);
            }
        }
    }

    /// With any strides and any width.
    #[inline(always)]
    fn lay_out_any(&self, image: &[i8], taps: &Taps, zero_point: i32, planes: &mut [f32]) {
        let conv = &self.geometry;
        let [height, width] = taps.size;
        let [rows, columns] = taps.extent;
        let mut lines = planes.chunks_exact_mut(columns);
        for channel in image.chunks_exact(height * width) {
            for (phase_y, phase_x) in (0..taps.phases[0]).flat_map(|y| (0..taps.phases[1]).map(move |x| (y, x))) {
                for (row, line) in (0..rows).zip(&mut lines) {
                    let y = (row * conv.strides[0] + phase_y).wrapping_sub(conv.pads[0]);
                    if y >= height {
                        continue;
                    }
                    for (column, value) in line.iter_mut().enumerate() {
                        let x = (column * conv.strides[1] + phase_x).wrapping_sub(conv.pads[2]);
                        if x < width {
                            *value = (i32::from(channel[y * width + x]) - zero_point) as f32;
                        }
                    }
                }
            }
        }
    }
}

/// One convolution of one image.
struct Convolve<'a, F> {
    direct: &'a DirectConvolution,
    taps: &'a Taps,
    image: &'a [i8],
    zero_point: i32,
    planes: &'a mut Vec<f32>,
    sums: &'a mut Vec<f32>,
    dense: &'a mut Vec<f32>,
    finish: F,
}

impl<F: FnMut(usize, &[f32])> SimdOp for Convolve<'_, F> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { direct, taps, image, zero_point, planes, sums, dense, mut finish } = self;
        let geometry = &direct.geometry;
        let groups = geometry.groups.max(1);
        let rows = geometry.out_channels / groups;
        let [out_h, out_w] = geometry.output_size(taps.size[0], taps.size[1]);
        let pitch = taps.extent[1];
        let pixels = (out_h - 1) * pitch + out_w;
        let group_channels = direct.in_channels / groups;
        let group_len = group_channels * taps.size[0] * taps.size[1];
        let len = group_channels * taps.phases[0] * taps.phases[1] * taps.plane;
        if planes.len() < len + SLACK {
            planes.resize(len + SLACK, 0.0);
        }
        if !geometry.is_pointwise() {
            planes[..len].fill(0.0);
        }
        sums.resize(TILE * (pixels + SLACK), 0.0);
        let tiles = rows.div_ceil(TILE);
        // One group after another, while its planes are in the nearest cache; the padding around them stays zero.
        for (group, weights) in direct.weights.chunks_exact(tiles * taps.starts.len()).enumerate() {
            direct.lay_out(&image[group * group_len..][..group_len], taps, zero_point, &mut planes[..len]);
            for (tile, weights) in weights.chunks_exact(taps.starts.len()).enumerate() {
                let starts = taps.starts.as_slice();
                if rows == 1 {
                    Product::<1> { planes, starts, weights, pixels, sums }.eval(isa);
                } else {
                    Product::<TILE> { planes, starts, weights, pixels, sums }.eval(isa);
                }
                let channels = TILE.min(rows - tile * TILE);
                let first = group * rows + tile * TILE;
                if pitch == out_w {
                    let lines = sums.chunks_exact(pixels + SLACK).take(channels);
                    lines.enumerate().for_each(|(row, sums)| finish(first + row, &sums[..pixels]));
                } else {
                    finish(first, compact(sums, channels, [out_h, out_w], pitch, dense));
                }
            }
        }
    }
}

/// Codes as real numbers.
#[inline(always)]
fn line(out: &mut [f32], codes: &[i8], zero_point: i32) {
    for (value, &code) in out.iter_mut().zip(codes) {
        *value = (i32::from(code) - zero_point) as f32;
    }
}

/// The rows of `pitch` elements of each channel, of which the first `width` count, without what lies between.
#[inline(always)]
fn compact<'a>(
    sums: &[f32],
    channels: usize,
    [height, width]: [usize; 2],
    pitch: usize,
    dense: &'a mut Vec<f32>,
) -> &'a [f32] {
    #[inline(always)]
    fn rows<const WIDTH: usize>(sums: &[f32], pitch: usize, dense: &mut [f32]) {
        for (to, from) in dense.as_chunks_mut::<WIDTH>().0.iter_mut().zip(sums.chunks(pitch)) {
            to.copy_from_slice(&from[..WIDTH]);
        }
    }
    let pixels = height * width;
    if dense.len() < channels * pixels {
        dense.resize(channels * pixels, 0.0);
    }
    let dense = &mut dense[..channels * pixels];
    let lines = sums.chunks_exact((height - 1) * pitch + width + SLACK);
    for (dense, sums) in dense.chunks_exact_mut(pixels).zip(lines) {
        match width {
            4 => rows::<4>(sums, pitch, dense),
            8 => rows::<8>(sums, pitch, dense),
            16 => rows::<16>(sums, pitch, dense),
            32 => rows::<32>(sums, pitch, dense),
            _ => {
                for (to, from) in dense.chunks_exact_mut(width).zip(sums.chunks(pitch)) {
                    to.copy_from_slice(&from[..width]);
                }
            }
        }
    }
    dense
}

/// Sums of products for `ROWS` rows of weights: `sums[row][at] = Σ weights[k][row]·planes[starts[k] + at]`.
struct Product<'a, const ROWS: usize> {
    planes: &'a [f32],
    starts: &'a [usize],
    weights: &'a [[f32; TILE]],
    pixels: usize,
    sums: &'a mut [f32],
}

impl<const ROWS: usize> Product<'_, ROWS> {
    #[inline(always)]
    fn tile<I: Isa, const VECTORS: usize>(&self, isa: I, at: usize) -> [[I::F32; VECTORS]; ROWS] {
        let ops = isa.f32();
        let mut sums = [[ops.zero(); VECTORS]; ROWS];
        for (&start, weights) in self.starts.iter().zip(self.weights) {
            let x = ops.load_many::<VECTORS>(&self.planes[start + at..]);
            for (sums, &weight) in sums.iter_mut().zip(weights) {
                let weight = ops.splat(weight);
                for (sum, &x) in sums.iter_mut().zip(&x) {
                    *sum = ops.mul_add(x, weight, *sum);
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn store<I: Isa, const VECTORS: usize>(&mut self, isa: I, tile: [[I::F32; VECTORS]; ROWS], at: usize) {
        let ops = isa.f32();
        for (sums, line) in tile.into_iter().zip(self.sums.chunks_exact_mut(self.pixels + SLACK)) {
            for (sum, to) in sums.into_iter().zip(line[at..].chunks_exact_mut(ops.len())) {
                ops.store(sum, to);
            }
        }
    }
}

impl<const ROWS: usize> SimdOp for Product<'_, ROWS> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let lanes = isa.f32().len();
        let mut at = 0;
        while at < self.pixels {
            if self.pixels - at > 2 * lanes && ROWS == 1 {
                let tile = self.tile::<I, 4>(isa, at);
                self.store(isa, tile, at);
                at += 4 * lanes;
            } else if self.pixels - at > lanes {
                let tile = self.tile::<I, 2>(isa, at);
                self.store(isa, tile, at);
                at += 2 * lanes;
            } else {
                let tile = self.tile::<I, 1>(isa, at);
                self.store(isa, tile, at);
                at += lanes;
            }
        }
    }
}

/// A linear layer with weights less their zero point.
pub(crate) struct DirectLinear {
    rows: usize,
    cols: usize,
    /// Transposed, so that neighbouring outputs lie side by side.
    weights: Vec<f32>,
    starts: Vec<usize>,
}

impl DirectLinear {
    /// `weights` are rows × cols; none where a sum might not be exact.
    pub(crate) fn new(weights: &[i32], rows: usize) -> Option<Self> {
        let cols = weights.len() / rows.max(1);
        if cols == 0 || !is_exact(weights, rows) {
            return None;
        }
        let mut transposed = vec![0.0; rows * cols + SLACK];
        for (at, value) in transposed.iter_mut().take(rows * cols).enumerate() {
            *value = weights[at % rows * cols + at / rows] as f32;
        }
        Some(Self { rows, cols, weights: transposed, starts: (0..cols).map(|col| col * rows).collect() })
    }

    /// Calls `finish` with the sums `Σ w·(x - zero_point)` of every output for one row of codes.
    pub(crate) fn run(&self, x: &[i8], zero_point: i32, finish: impl FnOnce(&[f32])) {
        SUMS.with_borrow_mut(|sums| {
            sums.resize(self.rows + SLACK, 0.0);
            let x: Vec<[f32; TILE]> =
                x[..self.cols].iter().map(|&code| [(i32::from(code) - zero_point) as f32; TILE]).collect();
            let Self { rows, weights, starts, .. } = self;
            Product::<1> { planes: weights, starts, weights: &x, pixels: *rows, sums }.dispatch();
            finish(&sums[..self.rows]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, element by element.
    fn reference(conv: &Conv2d, image: &[i8], [height, width]: [usize; 2], weights: &[i32], zero: i32) -> Vec<i64> {
        let [out_h, out_w] = conv.output_size(height, width);
        let channels = image.len() / (height * width) / conv.groups;
        let rows = conv.out_channels / conv.groups;
        let at = |channel: usize, y: isize, x: isize| {
            let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
            let code = || image[(channel * height + y as usize) * width + x as usize];
            if inside { i64::from(i32::from(code()) - zero) } else { 0 }
        };
        let mut out = Vec::new();
        for row in 0..conv.out_channels {
            for (oy, ox) in (0..out_h).flat_map(|oy| (0..out_w).map(move |ox| (oy, ox))) {
                let mut sum = 0;
                let taps = (0..channels).flat_map(|c| {
                    (0..conv.kernel[0]).flat_map(move |ky| (0..conv.kernel[1]).map(move |kx| (c, ky, kx)))
                });
                for (tap, (c, ky, kx)) in taps.enumerate() {
                    let y = (oy * conv.strides[0] + ky * conv.dilations[0]) as isize - conv.pads[0] as isize;
                    let x = (ox * conv.strides[1] + kx * conv.dilations[1]) as isize - conv.pads[2] as isize;
                    let cols = channels * conv.kernel[0] * conv.kernel[1];
                    sum += i64::from(weights[row * cols + tap]) * at(row / rows * channels + c, y, x);
                }
                out.push(sum);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn direct_sums_equal_the_definition(
            size in prop::array::uniform2(1usize..20), kernel in prop::array::uniform2(1usize..4),
            strides in prop::array::uniform2(1usize..4), pads in prop::array::uniform4(0usize..3),
            dilations in prop::array::uniform2(1usize..3), groups in 1usize..4, rows in 1usize..7, channels in 1usize..4,
            zero in -128i32..128, seed in any::<u64>(),
        ) {
            let conv = Conv2d { kernel, strides, pads, dilations, groups, out_channels: groups * rows };
            let [out_h, out_w] = conv.output_size(size[0], size[1]);
            prop_assume!(out_h > 0 && out_w > 0);
            let mut state = seed | 1;
            let mut code = || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state as i8 };
            let image: Vec<i8> = (0..groups * channels * size[0] * size[1]).map(|_| code()).collect();
            let count = groups * rows * channels * kernel[0] * kernel[1];
            let weights: Vec<i32> = (0..count).map(|_| i32::from(code())).collect();
            let direct = DirectConvolution::new(&conv, &weights).unwrap();
            let mut out = Vec::new();
            direct.run(&image, size, zero, |first, sums| {
                assert_eq!(out.len(), first * out_h * out_w);
                out.extend(sums.iter().map(|&sum| sum as i64));
            });
            prop_assert_eq!(out, reference(&conv, &image, size, &weights, zero));
        }

        #[test]
        fn a_direct_linear_layer_equals_the_definition(
            rows in 1usize..70, cols in 1usize..70, zero in -128i32..128, seed in any::<u64>(),
        ) {
            let mut state = seed | 1;
            let mut code = || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state as i8 };
            let x: Vec<i8> = (0..cols).map(|_| code()).collect();
            let weights: Vec<i32> = (0..rows * cols).map(|_| i32::from(code())).collect();
            let product = |row: &[i32]| row.iter().zip(&x).map(|(&w, &x)| w * (i32::from(x) - zero)).sum::<i32>();
            let expected: Vec<i32> = weights.chunks_exact(cols).map(product).collect();
            let mut out = Vec::new();
            DirectLinear::new(&weights, rows).unwrap().run(&x, zero, |sums| {
                out.extend(sums.iter().map(|&sum| sum as i32));
            });
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn sums_that_float_cannot_hold_are_left_to_integers() {
        let conv =
            Conv2d { kernel: [1, 1], strides: [1, 1], pads: [0; 4], dilations: [1, 1], groups: 1, out_channels: 1 };
        assert!(DirectConvolution::new(&conv, &[127; 518]).is_some());
        assert!(DirectConvolution::new(&conv, &[127; 519]).is_none());
        assert!(DirectLinear::new(&[127; 519], 1).is_none());
    }
}
