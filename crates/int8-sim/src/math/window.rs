//! Sliding windows of pooling.

/// Where pooling windows lie; pairs are height, width.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub(crate) size: [usize; 2],
    pub(crate) strides: [usize; 2],
    /// Top, bottom, left, right.
    pub(crate) pads: [usize; 4],
    pub(crate) ceil: bool,
}

impl Window {
    /// A window over everything.
    pub(crate) fn global(height: usize, width: usize) -> Self {
        Self { size: [height, width], strides: [1, 1], pads: [0; 4], ceil: false }
    }

    /// The extent of the output.
    pub(crate) fn output_size(&self, height: usize, width: usize) -> [usize; 2] {
        let extent = |size: usize, pads: usize, axis: usize| {
            let room = (size + pads).saturating_sub(self.size[axis]);
            let stride = self.strides[axis];
            if self.ceil { room.div_ceil(stride) + 1 } else { room / stride + 1 }
        };
        [extent(height, self.pads[0] + self.pads[1], 0), extent(width, self.pads[2] + self.pads[3], 1)]
    }

    /// Calls `f(plane, rows, columns)` with the part of each window that lies inside, plane by plane, row-major.
    pub(crate) fn for_each<T, U>(
        &self,
        x: &[T],
        [height, width]: [usize; 2],
        mut f: impl FnMut(&[T], std::ops::Range<usize>, std::ops::Range<usize>) -> U,
    ) -> Vec<U> {
        let [out_h, out_w] = self.output_size(height, width);
        let inside = |index: usize, axis: usize, pad: usize, size: usize| {
            let start = index * self.strides[axis];
            start.saturating_sub(pad).min(size)..(start + self.size[axis]).saturating_sub(pad).min(size)
        };
        let planes = x.len() / (height * width).max(1);
        let mut out = Vec::with_capacity(planes * out_h * out_w);
        for plane in x.chunks_exact(height * width) {
            for oy in 0..out_h {
                let rows = inside(oy, 0, self.pads[0], height);
                for ox in 0..out_w {
                    out.push(f(plane, rows.clone(), inside(ox, 1, self.pads[2], width)));
                }
            }
        }
        out
    }
}
