//! A simulated world for the real protocol, the local stack, and what the suites share.

#[cfg(feature = "stack")]
pub mod stack;
#[cfg(feature = "stack")]
pub mod deployment;
#[cfg(feature = "stack")]
pub mod demo;
#[cfg(feature = "worlds")]
pub mod world;
#[cfg(feature = "worlds")]
pub mod simulation;
#[cfg(feature = "worlds")]
pub mod protocol;
#[cfg(feature = "worlds")]
pub mod large_pool;
#[cfg(feature = "services")]
pub mod bench;
#[cfg(feature = "services")]
pub mod contract;
#[cfg(feature = "services")]
pub mod payloads;
#[cfg(feature = "services")]
pub mod unusual_accounts;

#[cfg(feature = "worlds")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
