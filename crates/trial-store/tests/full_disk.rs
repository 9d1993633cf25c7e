//! A disk that runs full or turns read-only ends in a clear error, and costs no finished trial.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{answered, asked, asked_again, clock, manifest};
use trial_store::{Cache, CacheKey, Identity, RunDir, StoreError, Verdict, read_run};

/// A file system of 64 kB, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, after the skip was said, where this user may not mount.
    fn mount(test: &str, at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        test_kit::require_program(test, "mount")?;
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=64k", "tmpfs", at.to_str().unwrap()]);
        if !mounted.status.success() {
            test_kit::skip(test, &format!("mount: {}", String::from_utf8_lossy(&mounted.stderr).trim()));
            return None;
        }
        Some(Self(at.to_owned()))
    }

    fn remount(&self, options: &str) {
        let remounted = run("mount", &["-o", &format!("remount,{options}"), self.0.to_str().unwrap()]);
        assert!(remounted.status.success(), "{remounted:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

/// Answers trials until the disk is full; returns how many have their answer on disk, and the error.
fn fill(run: &RunDir) -> (u32, StoreError) {
    for trial in 1.. {
        let on_disk = run.append(asked(trial, [trial])).and_then(|_| run.append(answered(trial, Verdict::Fail, 0.5)));
        if let Err(error) = on_disk {
            return (trial - 1, error);
        }
    }
    unreachable!("the disk never ran full")
}

fn answers(path: &Path) -> u32 {
    read_run(path).unwrap().history.trials.values().filter(|trial| trial.answer.is_some()).count() as u32
}

#[test]
fn a_full_disk_is_said_and_the_same_process_goes_on_once_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount("full disk", &dir.path().join("disk")) else { return };
    let path = disk.0.join("run");
    let run = RunDir::create(&path, manifest(), clock()).unwrap();
    let (finished, error) = fill(&run);
    assert!(error.is_full(), "{error}");
    assert!(error.to_string().contains("make space, then resume"), "{error}");
    assert_eq!(answers(&path), finished);
    assert!(run.write("result.json", &[b' '; 8000]).unwrap_err().is_full());

    disk.remount("size=1m");
    // The trial that failed to be asked or answered is simply asked again.
    run.append(asked_again(finished + 1, 2, [finished + 1])).unwrap();
    run.append(answered(finished + 1, Verdict::Pass, 1.0)).unwrap();
    assert_eq!(answers(&path), finished + 1);
    let lines = fs::read_to_string(path.join("trials.jsonl")).unwrap();
    assert_eq!(lines.lines().count() as u32, finished + 1, "the derived file is whole again");
}

#[test]
fn a_run_that_filled_its_disk_is_resumed_after_space_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount("full disk", &dir.path().join("disk")) else { return };
    let path = disk.0.join("run");
    let (finished, _) = fill(&RunDir::create(&path, manifest(), clock()).unwrap());
    // Whatever little the lock and the journal could still take, the next page is not to be had.
    fs::write(disk.0.join("rest"), vec![0; 65536]).unwrap_err();
    let Err(error) = RunDir::open_existing(&path, clock()) else { panic!("resumed on a full disk") };
    assert!(error.is_full(), "{error}");

    fs::remove_file(disk.0.join("rest")).unwrap();
    disk.remount("size=1m");
    let (run, recovered) = RunDir::open_existing(&path, clock()).unwrap();
    assert_eq!(recovered.history.oddities, []);
    assert_eq!(answers(run.path()), finished);
}

#[test]
fn a_read_only_disk_is_said_and_the_run_can_still_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount("read-only disk", &dir.path().join("disk")) else { return };
    let path = disk.0.join("run");
    RunDir::create(&path, manifest(), clock()).unwrap().append(asked(1, [1])).unwrap();
    disk.remount("ro");
    for result in [
        RunDir::open_existing(&path, clock()).map(|(run, _)| run),
        RunDir::create(&disk.0.join("new"), manifest(), clock()),
    ] {
        let Err(error) = result else { panic!("written to a read-only disk") };
        assert!(error.to_string().contains("make the directory writable"), "{error}");
    }
    assert_eq!(read_run(&path).unwrap().history.trials.len(), 1);
}

#[test]
fn a_file_size_limit_ends_the_writer_with_a_clear_error_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    // 8 kB a file; the signal that would end the process without a word is ignored, as a long-running tool does.
    let script = "ulimit -f 16; trap '' XFSZ; exec \"$0\" \"$1\" 300";
    let limited = run("sh", &["-c", script, env!("CARGO_BIN_EXE_journal-writer"), path.to_str().unwrap()]);
    assert!(!limited.status.success());
    let said = String::from_utf8_lossy(&limited.stdout);
    let last: u64 = said.lines().last().unwrap().parse().unwrap();
    assert!(String::from_utf8_lossy(&limited.stderr).contains("FileTooLarge"), "{limited:?}");

    let snapshot = read_run(&path).unwrap();
    assert_eq!((snapshot.entries.len() as u64, snapshot.lost_tail), (last + 1, None));
    let free = run(env!("CARGO_BIN_EXE_journal-writer"), &[path.to_str().unwrap(), "300"]);
    assert!(free.status.success(), "{free:?}");
    assert_eq!(answers(&path), 300);
}

#[test]
fn a_cache_on_a_full_disk_says_so_and_keeps_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount("full disk", &dir.path().join("disk")) else { return };
    let path = disk.0.join("trials.redb");
    let (cache, _) = Cache::open(&path).unwrap();
    let key = |number: u32| CacheKey::from(Identity::of_bytes(&number.to_le_bytes()));
    let mut kept = 0;
    let error = loop {
        match cache.put(key(kept), &vec![0.5_f32; 1000]) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(kept > 0 && error.is_full(), "{kept} were put, then {error}");
    drop(cache);
    disk.remount("size=8m");
    let (cache, set_aside) = Cache::open(&path).unwrap();
    assert_eq!(set_aside, None);
    assert!((0..kept).all(|number| cache.get::<Vec<f32>>(key(number)).unwrap().is_some()), "{kept} were put");
}
