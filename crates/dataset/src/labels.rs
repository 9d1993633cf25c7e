//! Labels from files: classes, masks, and padded rows of boxes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use accuracy::{BoxLabel, IGNORED, Rect, Truth};

use crate::{Array, Error, Task, description::LabelDescription, read_npy};

/// The labels of all samples of a file.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) path: PathBuf,
    pub(crate) truths: Arc<Vec<Truth>>,
    /// The shape of one sample's label.
    pub(crate) sample_shape: Vec<usize>,
}

impl Labels {
    pub(crate) fn load(directory: &Path, description: &LabelDescription, task: Task) -> Result<Self, Error> {
        let path = directory.join(&description.file);
        let array = read_npy(&path)?;
        let (truths, sample_shape) = match (task, array.shape()) {
            (Task::Detection, &[samples, rows, 5]) => (boxes(&array, samples, rows, &path)?, vec![rows, 5]),
            (Task::Classification, &[samples] | &[samples, 1]) => {
                (classes(&array, samples, description, &path)?, vec![])
            }
            (Task::Segmentation, &[samples, ref pixels @ ..]) if !pixels.is_empty() => {
                (classes(&array, samples, description, &path)?, pixels.to_vec())
            }
            (_, found) => {
                let expected = match task {
                    Task::Detection => "[samples, rows, 5] of x1, y1, x2, y2, class",
                    Task::Segmentation => "[samples, height, width] of classes",
                    Task::Classification | Task::Raw => "[samples] of classes",
                };
                let (found, expected) = (found.to_vec(), expected.into());
                return Err(Error::Shape { path, what: "labels", found, expected });
            }
        };
        Ok(Self { path, truths: Arc::new(truths), sample_shape })
    }
}

fn classes(array: &Array, samples: usize, description: &LabelDescription, path: &Path) -> Result<Vec<Truth>, Error> {
    let per_sample = array.values().len() / samples.max(1);
    let wrong = |index: usize, value: String| Error::Label {
        path: path.into(),
        what: "labels",
        sample: index / per_sample.max(1),
        value,
        expected: "a class: a whole number from 0".into(),
    };
    let values = array.to_i64().map_err(|index| wrong(index, array.to_f32()[index].to_string()))?;
    let class = |(index, &value): (usize, &i64)| {
        if description.ignore == Some(value) {
            return Ok(IGNORED);
        }
        u32::try_from(value).ok().filter(|&class| class != IGNORED).ok_or_else(|| wrong(index, value.to_string()))
    };
    let values = values.iter().enumerate().map(class).collect::<Result<Vec<u32>, Error>>()?;
    Ok((0..samples).map(|i| Truth::Classes(values[i * per_sample..][..per_sample].to_vec())).collect())
}

/// Rows x1, y1, x2, y2, class; a row of a negative class or of zeros alone is padding (spec/models.md).
fn boxes(array: &Array, samples: usize, rows: usize, path: &Path) -> Result<Vec<Truth>, Error> {
    let values = array.to_f32();
    let label = |sample: usize, row: &[f32]| -> Option<Result<BoxLabel, Error>> {
        let &[x1, y1, x2, y2, class] = row else { return None };
        if class < 0.0 || row.iter().all(|&v| v == 0.0) {
            return None;
        }
        let rect = Rect { x1, y1, x2, y2 };
        let good = row.iter().all(|v| v.is_finite()) && x1 <= x2 && y1 <= y2 && class.fract() == 0.0;
        Some(if good {
            Ok(BoxLabel { rect, class: class as u32 })
        } else {
            Err(Error::Label {
                path: path.into(),
                what: "boxes",
                sample,
                value: format!("{row:?}"),
                expected: "x1 <= x2, y1 <= y2 and a whole class, or a row of -1 as padding".into(),
            })
        })
    };
    (0..samples)
        .map(|sample| {
            let rows = values[sample * rows * 5..][..rows * 5].chunks_exact(5);
            Ok(Truth::Boxes(rows.filter_map(|row| label(sample, row)).collect::<Result<_, Error>>()?))
        })
        .collect()
}
