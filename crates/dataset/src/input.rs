//! From a file's values to what the model takes: layout, channel order, scale, mean and deviation.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use accuracy::Tensor;

use crate::{
    Array, Error, Values,
    description::{InputDescription, Layout, PerChannel},
    images::read_images,
    read_npy,
};

/// Where the values are from, the files they were read from, and the values.
fn source(
    directory: &Path,
    description: &InputDescription,
    setting: impl Fn(&str, String) -> Error,
) -> Result<(PathBuf, Vec<PathBuf>, Array), Error> {
    match (&description.file, &description.images) {
        (Some(file), None) => {
            if description.size.is_some() {
                return Err(setting("size", "only images are resized; give the array in the model's size".into()));
            }
            let path = directory.join(file);
            let array = read_npy(&path)?;
            Ok((path.clone(), vec![path], array))
        }
        (None, Some(folder)) => {
            let folder = directory.join(folder);
            let (files, array) = read_images(&folder, description.size)?;
            Ok((folder, files, array))
        }
        _ => Err(setting("file", "give either `file`, an array, or `images`, a folder".into())),
    }
}

/// One model input for all samples, preprocessed when asked for: a large evaluation set must not be held as floats.
#[derive(Clone, Debug)]
pub struct Input {
    name: Option<String>,
    files: Vec<PathBuf>,
    array: Arc<Array>,
    /// The shape of one sample as the model takes it.
    shape: Vec<usize>,
    layout: Layout,
    reverse_channels: bool,
    /// Numerator and denominator.
    scale: (f32, f32),
    /// One per channel.
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Input {
    pub(crate) fn load(
        directory: &Path,
        description: InputDescription,
        setting: impl Fn(&str, String) -> Error,
    ) -> Result<Self, Error> {
        let (path, files, array) = source(directory, &description, &setting)?;
        let is_u8 = matches!(array.values(), Values::U8(_));
        let layout = description.layout.unwrap_or(if is_u8 { Layout::Nhwc } else { Layout::Nchw });
        let shape = match (layout, array.shape()) {
            (Layout::Nhwc, &[_, height, width, channels]) => vec![channels, height, width],
            (Layout::Nchw, [_, rest @ ..]) => rest.to_vec(),
            (_, found) => {
                let expected = "[samples, height, width, channels] for layout NHWC (set `layout` to NCHW for others)";
                let (what, found, expected) = ("model input", found.to_vec(), expected.into());
                return Err(Error::Shape { path, what, found, expected });
            }
        };
        let channels = shape.first().copied().unwrap_or(1);
        let per_channel = |key: &str, given: Option<PerChannel>, default: f32| {
            let values = match given {
                None => vec![default; channels],
                Some(PerChannel::One(value)) => vec![value; channels],
                Some(PerChannel::Each(values)) if values.len() == 1 => vec![values[0]; channels],
                Some(PerChannel::Each(values)) => values,
            };
            match values.len() {
                _ if values.iter().any(|value| !value.is_finite()) => {
                    Err(setting(key, "expected finite numbers".into()))
                }
                len if len != channels => Err(setting(key, format!("it has {len} values, expected 1 or {channels}"))),
                _ => Ok(values),
            }
        };
        let scale = match &description.scale {
            None if is_u8 => (1.0, 255.0),
            None => (1.0, 1.0),
            Some(number) => number.fraction().ok_or_else(|| {
                setting("scale", format!("`{}` is not a number or a fraction such as 1/255", number.text()))
            })?,
        };
        let mean = per_channel("mean", description.mean, 0.0)?;
        let std = per_channel("std", description.std, 1.0)?;
        if std.contains(&0.0) {
            return Err(setting("std", "values are divided by it, it must not be 0".into()));
        }
        let (name, reverse_channels) = (description.name, description.reverse_channels);
        Ok(Self { name, files, array: Arc::new(array), shape, layout, reverse_channels, scale, mean, std })
    }

    /// The model's name of the input, where the description gives one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The array's file, or the images.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The shape of one sample as the model takes it, e.g. `[3, 64, 64]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many samples the file holds.
    pub(crate) fn samples(&self) -> usize {
        self.array.shape().first().copied().unwrap_or(0)
    }

    /// The given samples of the file, preprocessed: `[samples, …shape]`.
    pub(crate) fn batch(&self, samples: &[usize]) -> Result<Tensor, Error> {
        let len: usize = self.shape.iter().product();
        let mut data = Vec::with_capacity(samples.len() * len);
        for &sample in samples {
            let no_sample = || Error::NoSample { sample, count: self.samples() };
            let start = sample.checked_mul(len).ok_or_else(no_sample)?;
            let raw = self.array.f32_range(start..start + len).ok_or_else(no_sample)?;
            self.preprocess(&raw, &mut data);
        }
        let shape = std::iter::once(samples.len()).chain(self.shape.iter().copied()).collect();
        Ok(Tensor::new(shape, data)?)
    }

    /// `x · scale`, minus the mean, over the deviation, in float32 and in this order, as the exporters' own Python has it.
    fn preprocess(&self, raw: &[f32], into: &mut Vec<f32>) {
        let channels = self.mean.len();
        if channels == 0 || raw.is_empty() {
            return;
        }
        let pixels = raw.len() / channels;
        for channel in 0..channels {
            let from = if self.reverse_channels { channels - 1 - channel } else { channel };
            let (mean, std) = (self.mean[channel], self.std[channel]);
            let normalise = |x: f32| (x * self.scale.0 / self.scale.1 - mean) / std;
            match self.layout {
                Layout::Nhwc => into.extend(raw[from..].iter().step_by(channels).map(|&x| normalise(x))),
                Layout::Nchw => into.extend(raw[from * pixels..][..pixels].iter().map(|&x| normalise(x))),
            }
        }
    }
}
