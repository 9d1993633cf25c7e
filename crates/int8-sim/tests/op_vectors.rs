//! The kernels against single ops recorded on VeriSilicon's software NPU (spec/numerics.md).

use int8_sim::fidelity::{OpVector, VectorReport};

fn reports() -> Vec<VectorReport> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/real/ops");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let vector = |path| OpVector::from_json(&std::fs::read(path).unwrap()).unwrap();
    files.into_iter().map(|path| vector(path).compare().unwrap()).collect()
}

/// Sums the reports whose op begins with one of the names: elements, exact, within one code, largest distance.
fn total<'a>(reports: impl Iterator<Item = &'a VectorReport>) -> (usize, usize, usize, u32) {
    reports.fold((0, 0, 0, 0), |(elements, exact, within_one, max_off), report| {
        let max_off = max_off.max(report.max_off);
        (elements + report.elements, exact + report.exact, within_one + report.within_one, max_off)
    })
}

#[test]
fn every_recorded_op_is_reproduced_code_by_code() {
    let reports = reports();
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
}
