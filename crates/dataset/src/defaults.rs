//! The stated default metric and tolerance of every task (documented in `docs/data.md`).

use accuracy::{Drop, Need, Tolerance, Unit};

use crate::Task;

/// The metric of a task whose user names none.
pub(crate) fn metric(task: Task, has_labels: bool) -> &'static str {
    match (task, has_labels) {
        (Task::Classification, true) => "top1",
        // Labels hardly notice what quantization does to masks; the baseline does (spec/measured.md).
        (Task::Classification, false) | (Task::Segmentation, _) => "agreement",
        (Task::Detection, true) => "ap50",
        (Task::Detection, false) => "box_agreement50",
        (Task::Raw, _) => "cosine",
    }
}

/// The tolerance of a metric whose user names none; `None` where no number is good for every model.
pub(crate) fn tolerance(metric: &accuracy::Info) -> Option<Tolerance> {
    if metric.needs(Need::Labels) {
        return Some(Tolerance::MaxDrop(Drop::Absolute(0.01)));
    }
    match (metric.name.as_str(), metric.unit) {
        // Boxes near the score limit come and go with the least noise.
        (_, Unit::Share) if metric.needs(Need::Boxes) => Some(Tolerance::Threshold(0.9)),
        ("agreement" | "cosine", _) => Some(Tolerance::Threshold(0.99)),
        ("sqnr", _) => Some(Tolerance::Threshold(20.0)),
        ("psnr", _) => Some(Tolerance::Threshold(30.0)),
        _ => None,
    }
}
