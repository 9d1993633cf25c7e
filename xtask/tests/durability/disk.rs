//! A full disk and a read-only one end with a clear error, and the run goes on once there is space.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::searches::{Search, answer, ends_with, finished, history};

/// A file system in memory, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, after the skip was said, where this user may not mount.
    fn mount(test: &str, at: &Path, size: &str) -> Option<Self> {
        fs::create_dir(at).unwrap();
        test_kit::require_program(test, "mount")?;
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).output().unwrap();
        if !mounted.status.success() {
            test_kit::skip(test, &format!("mount: {}", String::from_utf8_lossy(&mounted.stderr).trim()));
            return None;
        }
        Some(Self(at.to_owned()))
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        assert!(mount.arg("-o").arg(format!("remount,{options}")).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At worst a file system of some kilobytes stays until the next restart.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn check_full(test: &str, search: &Search, size: &str) {
    let Some(disk) = SmallDisk::mount(test, &search.path("disk"), size) else { return };
    let undisturbed = search.undisturbed();
    let run = disk.0.join("run");
    let said = ends_with(74, &mut search.fresh(&run));
    assert!(said.contains("make space, then resume"), "{said}");
    assert!(said.contains("search --resume"), "{said}");
    let kept = finished(&history(&run));
    assert!(!kept.is_empty(), "the disk was full before the first trial");

    // As often as it is tried: the trial in flight is not taken for one that crashes the tool.
    for _ in 0..3 {
        ends_with(74, &mut search.resume(&run, &[]));
    }
    disk.remount("size=8m");
    ends_with(0, &mut search.resume(&run, &[]));
    let finished = finished(&history(&run));
    assert!(kept.iter().all(|trial| finished.contains(trial)), "a finished trial was repeated");
    assert_eq!(answer(&run), undisturbed);
}

#[test]
fn a_simulated_search_that_fills_its_disk_goes_on_after_space_is_made() {
    check_full("full disk, simulated", &Search::simulated(), "32k");
}

#[test]
fn a_search_whose_trials_fill_the_disk_goes_on_after_space_is_made() {
    check_full("full disk, exec", &Search::exec("").and(&["--jobs", "4"]), "120k");
}

#[test]
fn a_read_only_run_directory_is_said_and_can_still_be_looked_at() {
    let search = Search::exec("");
    let Some(disk) = SmallDisk::mount("read-only disk", &search.path("disk"), "8m") else { return };
    let run = disk.0.join("run");
    ends_with(0, &mut search.fresh(&run));
    disk.remount("ro");
    for command in [&mut search.fresh(&disk.0.join("new")), &mut search.resume(&run, &[])] {
        let said = ends_with(74, command);
        assert!(said.contains("make the directory writable for you, or name another one"), "{said}");
    }
    assert!(ends_with(0, &mut search.other("log", &run)).contains("pass 1 backend=exec"));
}
