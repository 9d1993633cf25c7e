//! Every target holds on its seeds and on every input that ever broke it.

#[test]
fn every_target_holds_on_its_seeds_and_on_every_input_that_broke_it() {
    for target in fuzz::TARGETS {
        let inputs = target.inputs(&test_kit::fixtures());
        assert!(!inputs.is_empty(), "{} has nothing to begin with", target.name);
        for path in inputs {
            eprintln!("{}: {}", target.name, path.display()); // shown where the next line panics
            (target.run)(&std::fs::read(&path).expect("a fixture can be read"));
        }
        (target.run)(b"");
    }
}
