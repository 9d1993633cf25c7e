//! The kernels against single ops recorded on VeriSilicon's software NPU (spec/numerics.md).

use int8_sim::vectors::{OpVector, VectorReport};

type Failure = Box<dyn std::error::Error>;

fn reports() -> Result<Vec<VectorReport>, Failure> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/real/ops");
    let files: Result<Vec<_>, _> = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = files?;
    files.sort();
    let report = |path| -> Result<VectorReport, Failure> { Ok(OpVector::from_json(&std::fs::read(path)?)?.compare()?) };
    files.into_iter().map(report).collect()
}

/// Sums the reports whose op begins with one of the names: elements, exact, within one code, largest distance.
fn total<'a>(reports: impl Iterator<Item = &'a VectorReport>) -> (usize, usize, usize, u32) {
    reports.fold((0, 0, 0, 0), |(elements, exact, within_one, max_off), report| {
        let max_off = max_off.max(report.max_off);
        (elements + report.elements, exact + report.exact, within_one + report.within_one, max_off)
    })
}

#[test]
fn every_recorded_op_is_reproduced_code_by_code() -> Result<(), Failure> {
    let reports = reports()?;
    assert!(reports.len() > 140);
    let curved = ["sigmoid", "softmax", "resize", "tanh", "exp", "mish", "swish", "hard_"];
    let is_curved = |report: &&VectorReport| curved.iter().any(|name| report.op.contains(name));
    for report in &reports {
        if report.exact < report.elements {
            println!("{report:?}");
        }
    }
    let (elements, exact, _, max_off) = total(reports.iter().filter(|report| !is_curved(report)));
    assert!(exact as f64 >= 0.999 * elements as f64 && max_off <= 1, "{exact} of {elements}, off by {max_off}");
    let (elements, _, within_one, _) = total(reports.iter().filter(is_curved));
    assert!(within_one as f64 >= 0.99 * elements as f64, "{within_one} of {elements}");
    Ok(())
}
