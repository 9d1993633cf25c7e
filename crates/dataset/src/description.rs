//! The data description, `data.toml`, as written by users (documented in `docs/data.md`).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Decode;

/// What the model is for; it decides how outputs are decoded and which metric is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One class per sample.
    Classification,
    /// One class per pixel.
    Segmentation,
    /// Boxes.
    Detection,
    /// Outputs without a known meaning.
    Raw,
}

/// A whole `data.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub(crate) task: Task,
    /// Use the first so many samples.
    pub(crate) samples: Option<usize>,
    pub(crate) inputs: Vec<InputDescription>,
    pub(crate) labels: Option<LabelDescription>,
    pub(crate) decode: Option<Decode>,
    #[serde(default)]
    pub(crate) accept: Accept,
}

/// One model input: a file and how its values become the model's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputDescription {
    /// The model's name of the input; else the inputs are in the order of the model's feeds.
    pub(crate) name: Option<String>,
    /// An array.
    pub(crate) file: Option<PathBuf>,
    /// Or a folder of images.
    pub(crate) images: Option<PathBuf>,
    /// Height and width that the images are resized to.
    pub(crate) size: Option<[u32; 2]>,
    pub(crate) layout: Option<Layout>,
    #[serde(default)]
    pub(crate) scale: Option<Number>,
    pub(crate) mean: Option<PerChannel>,
    pub(crate) std: Option<PerChannel>,
    /// Reverse the channels: BGR files for an RGB model, or the other way round.
    #[serde(default)]
    pub(crate) reverse_channels: bool,
}

/// One number, or one for each channel.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum PerChannel {
    One(f32),
    Each(Vec<f32>),
}

/// How the file's values are laid out. The model always gets channels before pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Layout {
    /// Samples, rows, columns, channels.
    #[serde(rename = "NHWC")]
    Nhwc,
    /// Samples, channels, and whatever follows: as the model takes it.
    #[serde(rename = "NCHW")]
    Nchw,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelDescription {
    pub(crate) file: PathBuf,
    /// The class of positions that do not count.
    pub(crate) ignore: Option<i64>,
}

/// Which score a placement must reach.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    pub(crate) metric: Option<String>,
    pub(crate) threshold: Option<Number>,
    pub(crate) max_drop: Option<Number>,
}

/// A number, or a text such as `"1%"` or `"1/255"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
    Text(String),
}

impl Number {
    /// As a user would have typed it on the command line.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// Numerator and denominator: `1/255` divides by 255, which is not the same float as multiplying by its inverse.
    pub(crate) fn fraction(&self) -> Option<(f32, f32)> {
        let text = self.text();
        let (numerator, denominator) = text.split_once('/').unwrap_or((&text, "1"));
        let part = |text: &str| text.trim().parse::<f32>().ok().filter(|n| n.is_finite() && *n != 0.0);
        Some((part(numerator)?, part(denominator)?))
    }
}
