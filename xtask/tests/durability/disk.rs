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

    /// Kilobytes that are taken.
    fn used(&self) -> u32 {
        let said = Command::new("df").args(["-k", "--output=used"]).arg(&self.0).output().unwrap();
        String::from_utf8_lossy(&said.stdout).lines().last().unwrap().trim().parse().unwrap()
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

/// A search that begins with space, and then there is none.
fn check_full(test: &str, search: &Search) {
    let Some(disk) = SmallDisk::mount(test, &search.path("disk"), "8m") else { return };
    let undisturbed = search.undisturbed();
    let run = disk.0.join("run");
    ends_with(3, search.fresh(&run).args(["--max-trials", "5"]));
    let kept = finished(&history(&run));
    assert!(!kept.is_empty());

    disk.remount(&format!("size={}k", disk.used() + 4));
    let on = ["--max-trials", "1000"];
    // As often as it is tried: the trial in flight is not taken for one that crashes the tool.
    for _ in 0..3 {
        let said = ends_with(74, &mut search.resume(&run, &on));
        assert!(said.contains("make space, then resume"), "{said}");
    }
    ends_with(74, &mut search.fresh(&disk.0.join("another")));

    disk.remount("size=8m");
    ends_with(0, &mut search.resume(&run, &on));
    let finished = finished(&history(&run));
    assert!(kept.iter().all(|trial| finished.contains(trial)), "a finished trial was repeated");
    assert_eq!(answer(&run), undisturbed);
}

#[test]
fn a_simulated_search_that_fills_its_disk_goes_on_after_space_is_made() {
    check_full("full disk, simulated", &Search::simulated());
}

#[test]
fn a_search_whose_trials_fill_the_disk_goes_on_after_space_is_made() {
    check_full("full disk, exec", &Search::exec("").and(&["--jobs", "4"]));
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
