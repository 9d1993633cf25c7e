//! Trials on boards, good and bad: this machine, and a real sshd.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::{fs, path::Path, sync::Arc, time::Duration};

use board::{
    cancel::Cancel,
    remote::RemotePath,
    transport::{Local, Transport},
    trial::{Artifact, ArtifactError, Attempt, ManifestError, Site, Trial, TrialError},
};
use common::{LONG, Sshd, remote};

fn trial(dir: &Path, id: &str, behaviour: &[&str]) -> Trial {
    Trial {
        id: id.into(),
        config: Some(b"relu:x:y\n".into()),
        artifacts: vec![Artifact::file("bin/runner", &common::runner(dir)).unwrap()],
        config_copies: vec!["model/subgraph.txt".into()],
        argv: std::iter::once("./bin/runner").chain(behaviour.iter().copied()).map(String::from).collect(),
        env: Vec::new(),
        deadline: LONG,
        wants_manifest: true,
    }
}

fn local_site(work: &Path) -> Site {
    let transport: Arc<dyn Transport> = Arc::new(Local::new(&Cancel::new()));
    Site::open(&transport, &remote(work), "run").unwrap()
}

/// One attempt at a behaviour of the runner on this machine.
fn attempt(behaviour: &[&str]) -> Result<Attempt, TrialError> {
    let dir = tempfile::tempdir().unwrap();
    let site = local_site(&dir.path().join("work"));
    let trial = trial(dir.path(), "t", behaviour);
    site.ensure(&trial.artifacts).unwrap();
    let into = tempfile::tempdir().unwrap();
    site.attempt(&trial, 1, into.path())
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_good_trial_brings_its_tensors_and_its_log_home_over_every_transport() {
    let check = |transport: Arc<dyn Transport>, work: RemotePath| {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::open(&transport, &work, "run").unwrap();
        let trial = trial(dir.path(), "t", &["good"]);
        assert_eq!(site.ensure(&trial.artifacts).unwrap(), 1);
        assert_eq!(site.ensure(&trial.artifacts).unwrap(), 0, "contents are pushed once");
        for number in 1..3 {
            let into = tempfile::tempdir().unwrap();
            let Attempt::Ran(ran) = site.attempt(&trial, number, into.path()).unwrap() else { panic!() };
            let manifest = ran.manifest.as_ref().unwrap();
            assert_eq!(manifest.tensors[0].shape, [1, 2]);
            assert_eq!(manifest.timings.run_ms, [1.5]);
            let values = manifest.tensors[0].read(ran.tensors.path()).unwrap();
            assert_eq!(values, b"\0\0\x80\x3f\0\0\0\x3f");
            assert_eq!(fs::read(&ran.evidence.stdout).unwrap(), b"subgraph operators: \n");
            assert_eq!(fs::read(&ran.evidence.stderr).unwrap(), b"to stderr\n");
            drop(ran);
            assert_eq!(
                names_in(into.path()),
                ["result.json", "stderr", "stdout"],
                "tensors go with the last to use them"
            );
        }
        site.close().unwrap();
        assert!(!work.to_local().unwrap().join("run").exists());
        assert!(site.free_kb().unwrap() > 0);
    };
    let dir = tempfile::tempdir().unwrap();
    check(Arc::new(Local::new(&Cancel::new())), remote(&dir.path().join("it's a folder")));
    if let Some(sshd) = Sshd::start("a_good_trial_brings_its_tensors_and_its_log_home_over_every_transport") {
        check(Arc::new(common::ssh(&sshd)), common::work(&sshd));
    }
}

#[test]
fn scores_come_home_and_one_that_is_no_number_is_reported_as_such() {
    let score = |behaviour| match attempt(&[behaviour]).unwrap() {
        Attempt::Ran(ran) => ran.manifest.unwrap().score.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(score("score"), 0.25);
    assert!(score("nan").is_nan());
}

#[test]
fn what_the_candidate_does_is_told_apart_by_exit_code_and_signal() {
    assert!(matches!(attempt(&["exit", "1"]), Ok(Attempt::Failed { code: 1, .. })));
    assert!(matches!(attempt(&["exit", "255"]), Ok(Attempt::Failed { code: 255, .. })));
    assert!(matches!(attempt(&["exit", "125"]), Ok(Attempt::Untestable(_))));
    assert!(matches!(attempt(&["signal", "ABRT"]), Ok(Attempt::Crashed { signal: 6, .. })));
    assert!(matches!(attempt(&["signal", "SEGV"]), Ok(Attempt::Crashed { signal: 11, .. })));
}

#[test]
fn trouble_with_the_board_is_never_a_verdict() {
    for behaviour in [&["exit", "75"][..], &["exit", "127"], &["signal", "KILL"], &["signal", "TERM"], &["silent"]] {
        assert!(attempt(behaviour).is_err(), "{behaviour:?}");
    }
}

#[test]
fn trouble_that_the_program_sees_is_told_in_its_last_words() {
    let error = attempt(&["exit", "75"]).unwrap_err().to_string();
    assert!(error.contains("the last word"), "{error}");
}

#[test]
fn a_failure_that_is_reported_must_be_this_trials() {
    let (nobody, stale) = ("", "00000000000000000000000000000000");
    assert!(matches!(attempt(&["failed"]), Ok(Attempt::Failed { code: 1, .. })));
    assert!(matches!(attempt(&["failed", nobody, "0"]), Ok(Attempt::Failed { code: 1, .. })));
    assert!(matches!(attempt(&["failed", stale]), Err(TrialError::Manifest(ManifestError::Stale))));
}

#[test]
fn results_that_cannot_be_this_trials_are_not_believed() {
    assert!(matches!(attempt(&["stale"]), Err(TrialError::Manifest(ManifestError::Stale))));
    assert!(matches!(attempt(&["ignores-config"]), Err(TrialError::Manifest(ManifestError::OtherConfig { .. }))));
    assert!(matches!(attempt(&["garbage"]), Err(TrialError::Manifest(ManifestError::Json(_)))));
    assert!(matches!(attempt(&["truncated"]), Err(TrialError::Manifest(ManifestError::Json(_)))));
    assert!(matches!(attempt(&["short-tensor"]), Err(TrialError::Manifest(ManifestError::Nonsense(_)))));
    assert!(matches!(attempt(&["escape"]), Err(TrialError::Manifest(ManifestError::Nonsense(_)))));
    assert!(matches!(attempt(&["link"]), Err(TrialError::Trouble(_))));
}

#[test]
fn a_hung_candidate_is_timed_out_by_the_board() {
    let dir = tempfile::tempdir().unwrap();
    let site = local_site(&dir.path().join("work"));
    let mut hang = trial(dir.path(), "t", &["hang"]);
    hang.deadline = Duration::from_secs(1);
    site.ensure(&hang.artifacts).unwrap();
    let into = tempfile::tempdir().unwrap();
    assert!(matches!(site.attempt(&hang, 1, into.path()), Ok(Attempt::TimedOut(_))));
}

#[test]
fn without_a_config_there_is_no_config_file_and_the_manifest_must_agree() {
    let dir = tempfile::tempdir().unwrap();
    let site = local_site(&dir.path().join("work"));
    let mut free = trial(dir.path(), "t", &["ignores-config"]);
    free.config = None;
    site.ensure(&free.artifacts).unwrap();
    let into = tempfile::tempdir().unwrap();
    assert!(matches!(site.attempt(&free, 1, into.path()), Ok(Attempt::Ran(_))));
}

#[test]
fn damaged_contents_are_pushed_again_and_missing_ones_are_trouble() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    let site = local_site(&work);
    let trial = trial(dir.path(), "t", &["score"]);
    let into = tempfile::tempdir().unwrap();
    assert!(matches!(site.attempt(&trial, 1, into.path()), Err(TrialError::Infrastructure { .. })));
    site.ensure(&trial.artifacts).unwrap();
    let stored = work.join("store").join(trial.artifacts[0].sha256.to_string());
    let mut contents = fs::read(&stored).unwrap();
    contents[40] ^= 1;
    fs::write(&stored, contents).unwrap();
    assert_eq!(site.ensure(&trial.artifacts).unwrap(), 1);
    assert!(matches!(site.attempt(&trial, 2, into.path()), Ok(Attempt::Ran(_))));
}

#[test]
fn the_trials_folder_and_nonce_are_filled_in() {
    let dir = tempfile::tempdir().unwrap();
    let site = local_site(&dir.path().join("work"));
    let mut echo = trial(dir.path(), "t", &[]);
    echo.argv = [
        "/bin/sh",
        "-c",
        "[ \"$1\" = \"$PWD/x\" ] && [ \"$2\" = \"$(cat nonce)\" ] && cmp subgraph.txt model/subgraph.txt",
        "sh",
        "{trial}/x",
        "{nonce}",
    ]
    .map(String::from)
    .into();
    echo.wants_manifest = false;
    site.ensure(&echo.artifacts).unwrap();
    let into = tempfile::tempdir().unwrap();
    assert!(matches!(site.attempt(&echo, 1, into.path()), Ok(Attempt::Ran(_))));
}

#[test]
fn names_that_leave_the_trials_folder_are_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in ["", "/abs", "../up", "a/../b", "a//b", "./a", "result.json", "subgraph.txt", "nul\0"] {
        assert!(matches!(Artifact::file(path, file.path()), Err(ArtifactError::BadPath { .. })), "{path:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let site = local_site(&dir.path().join("work"));
    for id in ["", "../x", "a b", "-rf", "a/b"] {
        let mut bad = trial(dir.path(), "t", &["score"]);
        bad.id = id.into();
        assert!(site.attempt(&bad, 1, dir.path()).unwrap_err().is_permanent(), "{id:?}");
    }
}

#[test]
fn a_failure_on_a_full_disk_is_trouble_and_no_verdict() {
    let Some(sshd) = Sshd::start("a_failure_on_a_full_disk_is_trouble_and_no_verdict") else { return };
    let dir = tempfile::tempdir().unwrap();
    let transport: Arc<dyn Transport> = Arc::new(common::ssh(&sshd));
    let site = Site::open(&transport, &common::work(&sshd), "run").unwrap();
    let trial = trial(dir.path(), "t", &["exit", "1"]);
    site.ensure(&trial.artifacts).unwrap();
    let into = tempfile::tempdir().unwrap();
    assert!(matches!(site.attempt(&trial, 1, into.path()), Ok(Attempt::Failed { code: 1, .. })));

    // From now on no file there grows beyond 4 kB (or 2, as shells count): to a program that is what a full disk looks like.
    let key = fs::read_to_string(sshd.dir.path().join("user.pub")).unwrap();
    let forced = format!(r#"command="trap '' XFSZ; ulimit -f 4; eval \"$SSH_ORIGINAL_COMMAND\"" {key}"#);
    fs::write(sshd.dir.path().join("authorized"), forced).unwrap();
    transport.reconnect();
    match site.attempt(&trial, 2, into.path()).unwrap_err() {
        TrialError::Infrastructure { reason, .. } => assert!(reason.contains("disk is full"), "{reason}"),
        other => panic!("{other}"),
    }
}

#[test]
fn two_searches_take_turns_on_one_board() {
    let dir = tempfile::tempdir().unwrap();
    let (work, diary) = (dir.path().join("work"), dir.path().join("diary"));
    let transport: Arc<dyn Transport> = Arc::new(Local::new(&Cancel::new()));
    let script = format!("echo start >>{0}; sleep 0.3; echo end >>{0}", diary.display());
    std::thread::scope(|scope| {
        for run in ["first", "second"] {
            let site = Site::open(&transport, &remote(&work), run).unwrap();
            let mut trial = trial(dir.path(), "t", &[]);
            (trial.wants_manifest, trial.argv) = (false, ["/bin/sh", "-c", &script].map(String::from).into());
            scope.spawn(move || {
                let into = tempfile::tempdir().unwrap();
                site.ensure(&trial.artifacts).unwrap();
                assert!(matches!(site.attempt(&trial, 1, into.path()), Ok(Attempt::Ran(_))));
            });
        }
    });
    assert_eq!(fs::read_to_string(diary).unwrap(), "start\nend\nstart\nend\n");
}
