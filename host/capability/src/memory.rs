//! The memory of one call into a component: all of its linear memories and tables together.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::MEMORY_LIMIT;
use super::operations::MemoryBudget;

/// What an element of a table is counted with, in bytes: no kind of reference takes more.
const ELEMENT: usize = 16;
/// The most core instances, memories and tables of one component: a component from another language is a few modules.
const INSTANCES: usize = 64;
const MEMORIES: usize = 16;
const TABLES: usize = 64;

/// Counts what a store's memories and tables have together, and refuses what goes beyond [`MEMORY_LIMIT`].
///
/// A refusal is what a full memory is to the guest: `memory.grow` and `table.grow` return -1. An instance that begins with more is not
/// made.
#[derive(Debug, Default)]
pub(crate) struct MemoryLimiter {
    used: usize,
    /// Granted last, in case that the allocation itself fails.
    last: usize,
    /// What it shares with other calls, if it does.
    shared: Option<Arc<MemoryBudget>>,
}

impl MemoryLimiter {
    /// As the default, within what many calls may have together.
    pub(crate) fn sharing(budget: Arc<MemoryBudget>) -> Self {
        Self {
            used: 0,
            last: 0,
            shared: Some(budget),
        }
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current);
        match self.used.checked_add(more) {
            Some(used) if used <= MEMORY_LIMIT => {
                if self
                    .shared
                    .as_ref()
                    .is_some_and(|budget| !budget.take(more))
                {
                    return false;
                }
                (self.used, self.last) = (used, more);
                true
            }
            _ => false,
        }
    }

    fn give_back(&mut self) {
        let last = std::mem::take(&mut self.last);
        self.used = self.used.saturating_sub(last);
        if let Some(budget) = &self.shared {
            budget.give_back(last);
        }
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        if let Some(budget) = &self.shared {
            budget.give_back(self.used);
        }
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(ELEMENT);
        Ok(self.grow(bytes(current), bytes(desired)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_are_counted_together() {
        let mut limiter = MemoryLimiter::default();
        assert!(
            limiter
                .memory_growing(0, MEMORY_LIMIT / 2, None)
                .expect("an answer")
        );
        assert!(
            !limiter
                .memory_growing(0, MEMORY_LIMIT, None)
                .expect("an answer")
        );
        let half = MEMORY_LIMIT / 2 / ELEMENT;
        assert!(limiter.table_growing(0, half, None).expect("an answer"));
        assert!(
            !limiter
                .table_growing(half, half + 1, None)
                .expect("an answer")
        );
        assert!(
            !limiter
                .table_growing(0, usize::MAX, None)
                .expect("an answer")
        );
    }

    #[test]
    fn calls_that_share_a_budget_have_no_more_than_it_together() {
        let budget = Arc::new(MemoryBudget::default());
        let limiters = || (0..10).map(|_| MemoryLimiter::sharing(Arc::clone(&budget)));
        for _ in 0..3 {
            // Each has all that a call may have; what it had is free when it has ended.
            let mut limiters: Vec<_> = limiters().collect();
            let granted = limiters.iter_mut().filter_map(|limiter| {
                let grown = limiter.memory_growing(0, MEMORY_LIMIT, None);
                grown.expect("an answer").then_some(())
            });
            assert_eq!(granted.count(), 4);
        }
    }

    #[test]
    fn what_could_not_be_allocated_is_not_counted() {
        let mut limiter = MemoryLimiter::default();
        assert!(
            limiter
                .memory_growing(0, MEMORY_LIMIT, None)
                .expect("an answer")
        );
        let failed = wasmtime::Error::msg("no memory");
        limiter.memory_grow_failed(failed).expect("an answer");
        assert!(
            limiter
                .memory_growing(0, MEMORY_LIMIT, None)
                .expect("an answer")
        );
    }

    /// Returns whether an instance with these memories, in pages, and tables, in elements, can be made.
    fn instantiates(memories: &[u64], tables: &[u64]) -> bool {
        use wasm_encoder::{MemorySection, MemoryType, Module, RefType, TableSection, TableType};
        let mut module = Module::new();
        let mut section = TableSection::new();
        for &minimum in tables {
            section.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum,
                maximum: None,
                shared: false,
            });
        }
        module.section(&section);
        let mut section = MemorySection::new();
        for &minimum in memories {
            section.memory(MemoryType {
                minimum,
                maximum: None,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        module.section(&section);
        let engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&engine, module.finish()).expect("a module");
        let mut store = wasmtime::Store::new(&engine, MemoryLimiter::default());
        store.limiter(|limiter| limiter);
        wasmtime::Instance::new(&mut store, &module, &[]).is_ok()
    }

    #[test]
    fn an_instance_of_large_tables_or_many_memories_is_not_made() {
        const PAGES: u64 = MEMORY_LIMIT as u64 >> 16;
        assert!(instantiates(&[1, 1], &[100, 100]));
        assert!(!instantiates(&[], &[10_000_000; 8]), "tables");
        assert!(!instantiates(&[PAGES; 15], &[]), "memories");
        assert!(!instantiates(&[PAGES / 2], &[10_000_000]), "both");
    }
}
