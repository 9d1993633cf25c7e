//! The list of metrics. A new metric is a file beside this one and a line in [`FAMILIES`].

mod agreement;
mod average_precision;
mod box_agreement;
mod cosine;
mod max_abs;
mod mean_iou;
mod mse;
mod pixel_accuracy;
mod psnr;
mod sqnr;
mod top_k;

use crate::{AnyMetric, Error};

/// Metrics that share a way of writing their name.
pub struct Family {
    /// The names as shown to users, `K` or `IOU` standing for a number.
    pub pattern: &'static str,
    /// A name for each usual member; the property suite runs over them.
    pub usual: &'static [&'static str],
    /// The member of this name.
    pub parse: fn(&str) -> Option<Box<dyn AnyMetric>>,
}

/// Every metric there is.
pub const FAMILIES: &[Family] = &[
    top_k::FAMILY,
    agreement::FAMILY,
    pixel_accuracy::FAMILY,
    mean_iou::FAMILY,
    average_precision::AGNOSTIC,
    average_precision::PER_CLASS,
    box_agreement::FAMILY,
    cosine::FAMILY,
    sqnr::FAMILY,
    psnr::FAMILY,
    mse::FAMILY,
    max_abs::FAMILY,
];

/// The metric that a user calls `name`, e.g. `top1`, `ap50`, `map50:95`, `miou`, `sqnr`.
///
/// # Errors
/// When there is none; the text lists those that exist.
pub fn metric(name: &str) -> Result<Box<dyn AnyMetric>, Error> {
    FAMILIES.iter().find_map(|family| (family.parse)(name)).ok_or_else(|| Error::UnknownMetric {
        name: name.into(),
        known: FAMILIES.iter().map(|family| family.pattern).collect::<Vec<_>>().join(", "),
    })
}

/// A usual member of every family.
pub fn standard_metrics() -> Vec<Box<dyn AnyMetric>> {
    FAMILIES.iter().flat_map(|family| family.usual.iter().filter_map(|name| (family.parse)(name))).collect()
}

/// A family of one metric without parameters.
macro_rules! single {
    ($name:literal, $metric:expr) => {
        $crate::metrics::Family {
            pattern: $name,
            usual: &[$name],
            parse: |name| (name == $name).then(|| Box::new($metric) as Box<dyn $crate::AnyMetric>),
        }
    };
}
use single;
