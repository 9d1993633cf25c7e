//! The cross-run cache: where it is, and on which contents a measurement depends.

use std::{
    env,
    path::{Path, PathBuf},
};

use pipeline::{Evaluator, Memory};
use trial_store::{Cache, CacheScope, Identity, IdentityBuilder, Manifest};

use crate::{
    settings::{BackendKind, Settings},
    start::EVALUATOR_ROLE,
};

/// The cache for this search, if it is to use one. Trouble with it is said and never ends a search.
pub(crate) fn open(settings: &Settings, manifest: &Manifest, evaluator: &dyn Evaluator) -> Option<Memory> {
    // What a board measures depends on its chip, driver and libraries, which none of the contents below tells.
    if settings.backend == Some(BackendKind::Board) {
        return None;
    }
    // What a user's program measures depends on more than can be seen from here.
    let wanted = settings.cache.unwrap_or(settings.backend == Some(BackendKind::Simulated));
    let path = path().filter(|_| wanted)?;
    let scope = scope(settings, manifest, evaluator)
        .inspect_err(|error| eprintln!("searching without the cache: {error:#}"))
        .ok()?;
    match Cache::open(&path) {
        Ok((cache, set_aside)) => {
            if let Some(aside) = set_aside {
                eprintln!("the cache was damaged ({}) and is now {}", aside.reason, aside.moved_to.display());
            }
            Some(Memory::new(cache, scope))
        }
        Err(error) => {
            eprintln!("searching without the cache: failed to {error}");
            None
        }
    }
}

/// `npu-bisect/trials.redb` in the user's cache directory (XDG Base Directory Specification: relative paths do not count).
fn path() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("npu-bisect").join("trials.redb"))
}

fn scope(settings: &Settings, manifest: &Manifest, evaluator: &dyn Evaluator) -> anyhow::Result<CacheScope> {
    let content = |domain: &str, roles: &[&str]| {
        let found = roles.iter().filter_map(|role| Some((*role, manifest.identities.get(*role)?)));
        found.fold(Identity::builder(domain), |builder, (role, identity)| builder.field(role, identity.as_bytes()))
    };
    let metric = [settings.metric.as_deref(), evaluator.metric()];
    let metric = metric
        .iter()
        .fold(Identity::builder("metric"), |builder, name| builder.field("name", name.unwrap_or_default().as_bytes()));
    Ok(CacheScope {
        model: content("model", &["model", "log"]).finish(),
        inputs: content("inputs", &["data"]).field("samples", &evaluator.samples().to_le_bytes()).finish(),
        metric: metric.finish(),
        device: device(settings, content("device", &[EVALUATOR_ROLE]))?.finish(),
    })
}

/// The simulator is this very program, down to the last byte of its executable. A user's program is its command line, the folder it
/// is started in, and the files that the line names.
fn device(settings: &Settings, device: IdentityBuilder) -> anyhow::Result<IdentityBuilder> {
    let mut configuration = serde_json::to_value(settings)?;
    if let Some(settings) = configuration.as_object_mut() {
        settings.retain(|name, _| {
            ["backend", "cpu", "lever", "lite-host", "all-supported", "command", "evaluator", "block"]
                .contains(&name.as_str())
        });
    }
    let device = device.field("settings", configuration.to_string().as_bytes());
    if settings.backend == Some(BackendKind::Simulated) {
        return Ok(device.field("program", Identity::of_file(&env::current_exe()?)?.as_bytes()));
    }
    let judges_itself = settings.threshold.is_none() && settings.max_drop.is_none();
    let folder: &Path = &env::current_dir()?;
    Ok(device.field("folder", folder.as_os_str().as_encoded_bytes()).field("judges_itself", &[u8::from(judges_itself)]))
}
