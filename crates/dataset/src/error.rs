//! What can be wrong with a data description, its files, or the outputs measured against them.

use std::{io, path::PathBuf};

/// Why data cannot be used. Every text fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data description is not valid TOML, or has a wrong or missing key; line and column are in the message.
    #[error("read the data description {}: {source}", path.display())]
    Description {
        /// The description.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A setting of the data description makes no sense.
    #[error("use `{key}` of the data description {}: {reason}", path.display())]
    Setting {
        /// The description.
        path: PathBuf,
        /// The key, dotted.
        key: String,
        /// What is wrong with its value, and what would be right.
        reason: String,
    },
    /// A file is not the array that it should be.
    #[error("read {}{}: {source}", path.display(), entry.as_ref().map(|e| format!(" ({e})")).unwrap_or_default())]
    Npy {
        /// The file.
        path: PathBuf,
        /// The array within it, in an archive.
        entry: Option<String>,
        /// What is wrong.
        source: NpyError,
    },
    /// A file is no image that can be read.
    #[error("read the image {}: {reason}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A folder holds no images.
    #[error("find images in {}: it holds none that ends in .jpg, .jpeg, .png or .bmp", path.display())]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// An array has another shape than its use demands.
    #[error("use {} as {what}: its shape is {found:?}, expected {expected}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that it should have.
        expected: String,
    },
    /// A label is not what it should be.
    #[error("use {} as {what}: sample {sample} holds {value}, expected {expected}", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
        /// The sample.
        sample: usize,
        /// The value.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// The outputs do not fit the labels.
    #[error(
        "compare the outputs with the labels in {}: the labels have shape {labels:?}, output {output} has shape \
         {found:?}, expected {expected}", path.display()
    )]
    LabelsDoNotFit {
        /// The labels' file.
        path: PathBuf,
        /// Its shape, of the samples in use.
        labels: Vec<usize>,
        /// Which output.
        output: usize,
        /// Its shape.
        found: Vec<usize>,
        /// Which shape would fit.
        expected: String,
    },
    /// The outputs are not what the description decodes.
    #[error("decode output {output} of shape {found:?}: expected {expected}")]
    Output {
        /// Which output.
        output: usize,
        /// Its shape.
        found: Vec<usize>,
        /// Which shape would do.
        expected: String,
    },
    /// The description needs an output that the model does not have.
    #[error("find output {output}: the model has {count} output(s)")]
    NoOutput {
        /// Which output.
        output: usize,
        /// How many there are.
        count: usize,
    },
    /// A sample is asked for that the data does not have.
    #[error("find sample {sample}: the data has {count}")]
    NoSample {
        /// Which sample.
        sample: usize,
        /// How many there are.
        count: usize,
    },
    /// A metric cannot be used with these data.
    #[error("use the metric `{metric}`: {reason}")]
    Metric {
        /// The metric.
        metric: String,
        /// What it lacks, and what to do.
        reason: String,
    },
    /// A trial was scored before the baseline.
    #[error("score a trial: the baseline has not been run yet")]
    NoBaseline,
    /// A metric has no score.
    #[error(transparent)]
    Accuracy(#[from] accuracy::Error),
}

/// Why bytes are not an array.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    /// They do not start as a `.npy` file does.
    #[error("not a .npy file: it does not start with \\x93NUMPY")]
    Magic,
    /// The format is newer than this reader.
    #[error("the .npy format version {0} is unknown; save it again with numpy.save")]
    Version(u8),
    /// The header is damaged.
    #[error("the .npy header is damaged: {0}")]
    Header(String),
    /// The type of the values is not supported.
    #[error(
        "values of type `{0}` are not supported; use bool, uint8, int8, int32, int64, float16, float32 or float64, little-endian"
    )]
    Dtype(String),
    /// The values are stored column by column.
    #[error("the values are in Fortran order; save numpy.ascontiguousarray(…) instead")]
    FortranOrder,
    /// The file ends before the last value.
    #[error(
        "the file is cut off: {dtype} values of shape {shape:?} do not fit in the {available} bytes after the header"
    )]
    Truncated {
        /// The shape in the header.
        shape: Vec<usize>,
        /// The type in the header.
        dtype: String,
        /// Bytes after the header.
        available: usize,
    },
    /// Values do not fill their shape.
    #[error("{values} values do not fill the shape {shape:?}")]
    Fill {
        /// The shape.
        shape: Vec<usize>,
        /// How many values there are.
        values: usize,
    },
    /// An entry of an archive unpacks to too much.
    #[error("it unpacks to more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The archive is damaged or lacks the entry.
    #[error("the .npz archive is damaged or lacks it: {0}")]
    Archive(String),
}
