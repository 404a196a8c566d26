//! A lane: one wasmtime engine with its pool, and the two tiers of threads that run its guests.
//!
//! Two lanes exist, so that parked call apps never starve routing. Pool limits are hard errors in wasmtime, not queues:
//! a place is taken first (`shares`), and where there is none the failure policy holds at once.

use crate::compiler::{CodeShape, EngineKind};
use crate::tiers::Tiers;
use crate::{HostConfig, HostError};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits,
    StoreLimitsBuilder,
};

/// What a guest may put on its stack.
const WASM_STACK: usize = 512 << 10;
/// What is left of a fiber for host functions. Overflow there ends the process, so it is generous; untouched pages
/// cost nothing.
const HOST_STACK: usize = 512 << 10;
/// Memory mappings one parked instance takes (measured: about six).
const MAPS_PER_INSTANCE: u64 = 6;
/// Mappings left to the rest of the process.
const MAPS_RESERVED: u64 = 8_192;

/// One engine and what it runs on.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) engine: Engine,
    tiers: Tiers,
}

/// What tells the two lanes apart.
#[derive(Clone, Copy)]
pub(crate) struct LaneShape {
    pub(crate) name: &'static str,
    /// Of the front and of the back.
    pub(crate) threads: (usize, usize),
    pub(crate) instances: u32,
    /// What its code must be made for.
    pub(crate) code: CodeShape,
    /// Memory a slot keeps between two instances, in bytes.
    pub(crate) keep_resident: usize,
}

impl Lane {
    pub(crate) fn start(shape: LaneShape, config: &HostConfig) -> Result<Lane, HostError> {
        let engine = Engine::new(&engine_config(shape, config))
            .map_err(|e| HostError::Engine { engine: shape.name, reason: format!("{e:#}") })?;
        let tiers = Tiers::start(shape.name, shape.threads, config.spare_cpu_only).map_err(HostError::Thread)?;
        Ok(Lane { engine, tiers })
    }

    /// The threads.
    pub(crate) fn tiers(&self) -> &Tiers {
        &self.tiers
    }
}

/// Linear memories of one component: Rust and Python ones have one, JavaScript ones three.
const MEMORIES_PER_COMPONENT: u32 = 3;

/// Instances at once that are asked about a configuration, beside all others.
pub(crate) const LIFECYCLES_MAX: u32 = 4;

/// Core instances of one component, at most.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;

/// Tables of one component, at most.
const TABLES_PER_COMPONENT: u32 = 64;

/// What one instance may hold, in memory, tables and parts: what its place in the pool has room for.
pub(crate) fn instance_limits(config: &HostConfig) -> StoreLimits {
    StoreLimitsBuilder::new()
        .memory_size(config.memory_bytes_max)
        .table_elements(config.table_elements_max)
        .instances(CORE_INSTANCES_PER_COMPONENT as usize)
        .tables(TABLES_PER_COMPONENT as usize)
        .memories(MEMORIES_PER_COMPONENT as usize)
        .build()
}

/// More than any guest uses: epochs stop it, not fuel.
pub(crate) const FUEL: u64 = 1 << 60;

/// Fills a store with [`FUEL`] where somebody counts it.
pub(crate) fn fuel<T>(store: &mut Store<T>, config: &HostConfig) {
    if config.fuel.is_some() {
        // An engine that does not count fuel refuses, and then nobody wants to know.
        let _counted = store.set_fuel(FUEL);
    }
}

fn engine_config(shape: LaneShape, config: &HostConfig) -> Config {
    // Those that wait for a question have places of their own, beside those that answer one.
    let n = shape.instances.saturating_add(u32::try_from(config.limits.warm_max).unwrap_or(u32::MAX));
    let n = n.saturating_add(LIFECYCLES_MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(n)
        // A Rust component is three core instances and two tables, a Python one 38 and 2. Core instances are only counted:
        // however many a component is made of, it is never they that are all taken.
        .total_core_instances(n.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .total_memories(n.saturating_mul(MEMORIES_PER_COMPONENT))
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .total_tables(n.saturating_mul(3).max(TABLES_PER_COMPONENT))
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(config.table_elements_max)
        .total_stacks(n)
        .max_memory_size(config.memory_bytes_max)
        .max_component_instance_size(4 << 20);
    if shape.keep_resident > 0 && PoolingAllocationConfig::is_pagemap_scan_available() {
        // A slot's few dirty pages are written back in place instead of being unmapped and faulted in again: page faults
        // and TLB flushes are most of a fresh instance's cost.
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(shape.keep_resident)
            .table_keep_resident(shape.keep_resident);
    }
    let mut engine = compile_config(shape.code);
    engine
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(WASM_STACK + HOST_STACK);
    engine
}

/// All that shows in compiled code, and no pool: whoever only compiles needs no address space for guests.
pub(crate) fn compile_config(shape: CodeShape) -> Config {
    let reservation = match shape.kind {
        // 4 GiB and more makes bounds checks free.
        EngineKind::Hooks => 4 << 30,
        // Ten thousand times four gigabytes of address space is too much; bounds checks cost a parked script nothing.
        EngineKind::Apps => shape.memory_bytes_max,
    };
    let mut engine = Config::new();
    engine
        .memory_init_cow(true)
        .memory_reservation(reservation)
        .epoch_interruption(true)
        .consume_fuel(shape.fuel)
        .concurrency_support(false)
        .native_unwind_info(false);
    engine
}

/// Threads for hooks. Two or more at the front, so that one guest's first slice is not in everybody's way; at the back one
/// less than the cores, because even a thread that gives way at once delays others when every core has one.
pub(crate) fn hook_threads(config: &HostConfig) -> (usize, usize) {
    match config.hook_threads {
        0 => (cores().clamp(2, 4), cores().saturating_sub(1).clamp(1, 4)),
        n => (n, n),
    }
}

/// Threads of each tier for call apps, which are parked nearly always.
pub(crate) fn app_threads(config: &HostConfig) -> (usize, usize) {
    match config.app_threads {
        0 => ((cores() / 4).max(1), (cores() / 4).max(1)),
        n => (n, n),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// So many of the `wanted` call apps as the kernel lets this process map, beside `others` that wait in the same engine;
/// says so when it cuts.
pub(crate) fn apps_the_kernel_carries(wanted: u32, others: u32) -> u32 {
    let Ok(text) = std::fs::read_to_string("/proc/sys/vm/max_map_count") else { return wanted };
    let Ok(maps) = text.trim().parse::<u64>() else { return wanted };
    let carried = (maps.saturating_sub(MAPS_RESERVED) / MAPS_PER_INSTANCE).saturating_sub(u64::from(others));
    let carried = u32::try_from(carried).unwrap_or(u32::MAX).max(16);
    if carried < wanted {
        tracing::warn!(
            wanted,
            carried,
            "vm.max_map_count = {maps} carries {carried} parked call apps, not {wanted}: raise it with sysctl"
        );
    }
    carried.min(wanted)
}
