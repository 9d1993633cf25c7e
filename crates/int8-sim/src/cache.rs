//! Activations of earlier runs, the least recently used dropped first, within a budget of bytes.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{Tensor, arena::NodeId};

/// Samples are spread over this many locks, since each is computed by one thread at a time.
const SHARDS: usize = 64;

/// A node's activation for a sample.
type Key = (u64, NodeId);

/// The cache.
pub(crate) struct Cache {
    budget: usize,
    bytes: AtomicUsize,
    clock: AtomicU64,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Key, Entry>,
    /// Every use in order, the oldest first; those that were not the last of their entry are skipped.
    uses: VecDeque<(u64, Key)>,
}

impl Shard {
    fn used(&mut self, now: u64, key: Key) {
        self.uses.push_back((now, key));
        if self.uses.len() > 2 * self.entries.len() + SHARDS {
            let Self { entries, uses } = self;
            uses.retain(|(at, key)| entries.get(key).is_some_and(|entry| entry.used == *at));
        }
    }

    /// Takes out the entry that was not used for longest.
    fn oldest(&mut self) -> Option<Entry> {
        while let Some((at, key)) = self.uses.pop_front() {
            if self.entries.get(&key).is_some_and(|entry| entry.used == at) {
                return self.entries.remove(&key);
            }
        }
        None
    }
}

struct Entry {
    tensor: Arc<Tensor>,
    used: u64,
}

impl Cache {
    /// An empty cache that holds at most `budget` bytes of elements.
    pub(crate) fn new(budget: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { budget, bytes: AtomicUsize::new(0), clock: AtomicU64::new(0), shards }
    }

    /// The activation of a node for a sample.
    pub(crate) fn get(&self, sample: u64, node: NodeId) -> Option<Arc<Tensor>> {
        if self.budget == 0 {
            return None;
        }
        let mut shard = self.shard(sample);
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let entry = shard.entries.get_mut(&(sample, node))?;
        entry.used = now;
        let tensor = entry.tensor.clone();
        shard.used(now, (sample, node));
        Some(tensor)
    }

    /// Keeps an activation, and drops older ones of the same shard while there is too much.
    pub(crate) fn insert(&self, sample: u64, node: NodeId, tensor: &Arc<Tensor>) {
        let size = tensor.bytes();
        if size > self.budget {
            return;
        }
        let mut shard = self.shard(sample);
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        if let Some(old) = shard.entries.insert((sample, node), Entry { tensor: tensor.clone(), used: now }) {
            self.bytes.fetch_sub(old.tensor.bytes(), Ordering::Relaxed);
        }
        shard.used(now, (sample, node));
        self.bytes.fetch_add(size, Ordering::Relaxed);
        while self.bytes.load(Ordering::Relaxed) > self.budget {
            let Some(oldest) = shard.oldest() else { break };
            self.bytes.fetch_sub(oldest.tensor.bytes(), Ordering::Relaxed);
        }
    }

    /// The bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn shard(&self, sample: u64) -> std::sync::MutexGuard<'_, Shard> {
        // A panic while the lock was held leaves at worst an entry without a use, which only stays longer.
        self.shards[sample as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(bytes: usize) -> Arc<Tensor> {
        Arc::new(Tensor::from_codes(vec![bytes], vec![0; bytes]))
    }

    #[test]
    fn the_least_recently_used_activation_goes_first() {
        let cache = Cache::new(100);
        cache.insert(0, 1, &tensor(40));
        cache.insert(0, 2, &tensor(40));
        assert!(cache.get(0, 1).is_some());
        cache.insert(0, 3, &tensor(40));
        assert!(cache.get(0, 2).is_none());
        assert!(cache.get(0, 1).is_some() && cache.get(0, 3).is_some());
        assert_eq!(cache.bytes(), 80);
    }

    #[test]
    fn an_activation_above_the_budget_is_not_kept() {
        let cache = Cache::new(10);
        cache.insert(0, 1, &tensor(11));
        assert!(cache.get(0, 1).is_none());
        assert_eq!(cache.bytes(), 0);
    }
}
