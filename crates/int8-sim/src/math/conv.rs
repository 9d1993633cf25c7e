//! The geometry of a 2-D convolution, image-to-column, and the depthwise loops.

use super::simd::widest;

/// What a 2-D convolution needs to know beside its data; pairs are height, width.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conv2d {
    pub(crate) kernel: [usize; 2],
    pub(crate) strides: [usize; 2],
    /// Top, bottom, left, right.
    pub(crate) pads: [usize; 4],
    pub(crate) dilations: [usize; 2],
    pub(crate) groups: usize,
    pub(crate) out_channels: usize,
}

impl Conv2d {
    /// The extent of the output for an input of `height` × `width`.
    pub(crate) fn output_size(&self, height: usize, width: usize) -> [usize; 2] {
        let extent = |size: usize, pads: usize, axis: usize| {
            let span = self.dilations[axis] * (self.kernel[axis] - 1) + 1;
            (size + pads).checked_sub(span).map_or(0, |room| room / self.strides[axis] + 1)
        };
        [extent(height, self.pads[0] + self.pads[1], 0), extent(width, self.pads[2] + self.pads[3], 1)]
    }

    /// Is the input already the column matrix?
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.strides == [1, 1] && self.pads == [0; 4]
    }

    /// Writes the columns of `channels` planes of `height` × `width`: (channels·kh·kw) × (oh·ow), padded with `zero`.
    pub(crate) fn columns<T: Copy>(&self, x: &[T], [height, width]: [usize; 2], zero: T, columns: &mut Vec<T>) {
        let [out_h, out_w] = self.output_size(height, width);
        columns.clear();
        let channels = x.len() / (height * width).max(1);
        columns.reserve(channels * self.kernel[0] * self.kernel[1] * out_h * out_w);
        for plane in x.chunks_exact(height * width) {
            for ky in 0..self.kernel[0] {
                for kx in 0..self.kernel[1] {
                    for oy in 0..out_h {
                        let y = (oy * self.strides[0] + ky * self.dilations[0]).wrapping_sub(self.pads[0]);
                        if y >= height {
                            columns.extend(std::iter::repeat_n(zero, out_w));
                            continue;
                        }
                        let row = &plane[y * width..][..width];
                        let first = (kx * self.dilations[1]).wrapping_sub(self.pads[2]);
                        self.column_row(row, first, out_w, zero, columns);
                    }
                }
            }
        }
    }

    /// One row of columns: `row[first + i·stride]`, `zero` where that lies outside (`first` wraps below zero).
    fn column_row<T: Copy>(&self, row: &[T], first: usize, out_w: usize, zero: T, columns: &mut Vec<T>) {
        let stride = self.strides[1];
        if stride == 1 {
            let lead = first.wrapping_neg().min(out_w) * usize::from(first > usize::MAX / 2);
            let start = first.wrapping_add(lead);
            let inside = row.len().saturating_sub(start).min(out_w - lead);
            columns.extend(std::iter::repeat_n(zero, lead));
            columns.extend_from_slice(&row[start.min(row.len())..][..inside]);
            columns.extend(std::iter::repeat_n(zero, out_w - lead - inside));
        } else {
            columns.extend((0..out_w).map(|ox| row.get(first.wrapping_add(ox * stride)).copied().unwrap_or(zero)));
        }
    }

    /// One plane of a depthwise convolution: `out[oh·ow] = Σ w·x` over a plane already offset by its zero point.
    pub(crate) fn depthwise_plane(&self, x: &[f32], [height, width]: [usize; 2], weights: &[f32], out: &mut [f32]) {
        let [out_h, out_w] = self.output_size(height, width);
        let padded_w = width + self.pads[2] + self.pads[3];
        let padded_h = height + self.pads[0] + self.pads[1];
        let mut padded = vec![0.0; padded_h * padded_w];
        for (y, row) in x.chunks_exact(width).enumerate() {
            padded[(y + self.pads[0]) * padded_w + self.pads[2]..][..width].copy_from_slice(row);
        }
        out.fill(0.0);
        widest(
            #[inline(always)]
            || {
                for (index, &weight) in weights.iter().enumerate() {
                    let (ky, kx) = (index / self.kernel[1], index % self.kernel[1]);
                    for oy in 0..out_h {
                        let start = (oy * self.strides[0] + ky * self.dilations[0]) * padded_w + kx * self.dilations[1];
                        let out = &mut out[oy * out_w..][..out_w];
                        if self.strides[1] == 1 {
                            for (out, &x) in out.iter_mut().zip(&padded[start..][..out_w]) {
                                *out += weight * x;
                            }
                        } else {
                            for (out, &x) in out.iter_mut().zip(padded[start..].iter().step_by(self.strides[1])) {
                                *out += weight * x;
                            }
                        }
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, element by element.
    fn reference(conv: &Conv2d, x: &[f32], [height, width]: [usize; 2], weights: &[f32]) -> Vec<f32> {
        let [out_h, out_w] = conv.output_size(height, width);
        let mut out = Vec::new();
        for oy in 0..out_h {
            for ox in 0..out_w {
                let mut sum = 0.0;
                for ky in 0..conv.kernel[0] {
                    for kx in 0..conv.kernel[1] {
                        let y = (oy * conv.strides[0] + ky * conv.dilations[0]) as isize - conv.pads[0] as isize;
                        let x_at = (ox * conv.strides[1] + kx * conv.dilations[1]) as isize - conv.pads[2] as isize;
                        if (0..height as isize).contains(&y) && (0..width as isize).contains(&x_at) {
                            sum += weights[ky * conv.kernel[1] + kx] * x[y as usize * width + x_at as usize];
                        }
                    }
                }
                out.push(sum);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn columns_and_depthwise_loops_agree_with_the_definition(
            height in 1usize..9, width in 1usize..9,
            kernel in prop::array::uniform2(1usize..4), strides in prop::array::uniform2(1usize..4),
            pads in prop::array::uniform4(0usize..3), dilations in prop::array::uniform2(1usize..3),
        ) {
            let conv = Conv2d { kernel, strides, pads, dilations, groups: 1, out_channels: 1 };
            let [out_h, out_w] = conv.output_size(height, width);
            prop_assume!(out_h > 0 && out_w > 0);
            let x: Vec<f32> = (0..height * width).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
            let weights: Vec<f32> = (0..kernel[0] * kernel[1]).map(|i| (i * 5 % 7) as f32 - 3.0).collect();
            let expected = reference(&conv, &x, [height, width], &weights);

            let mut out = vec![0.0; out_h * out_w];
            conv.depthwise_plane(&x, [height, width], &weights, &mut out);
            prop_assert_eq!(&out, &expected);

            let mut columns = Vec::new();
            conv.columns(&x, [height, width], 0.0, &mut columns);
            let mut product = vec![0.0; out_h * out_w];
            for (column, weight) in columns.chunks_exact(out_h * out_w).zip(&weights) {
                for (out, x) in product.iter_mut().zip(column) {
                    *out += weight * x;
                }
            }
            prop_assert_eq!(&product, &expected);
        }
    }
}
