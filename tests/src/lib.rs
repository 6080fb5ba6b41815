//! A simulated world for the real protocol, the local stack, and what the suites share.

#[cfg(feature = "services")]
pub mod stack;
#[cfg(feature = "services")]
pub mod deployment;
#[cfg(feature = "services")]
pub mod demo;
#[cfg(feature = "services")]
pub mod bench;
pub mod world;
pub mod simulation;
#[cfg(feature = "services")]
pub mod contract;
pub mod protocol;
pub mod large_pool;
#[cfg(feature = "services")]
pub mod payloads;
pub mod unusual_accounts;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
