//! Pools of a million people. Each account is generated as it is listed and stored nowhere, so all
//! memory that a sweep uses is its own.

pub mod listing;
pub mod ports;
pub mod people;
pub mod run;

pub use listing::WrongListing;
pub use people::{People, UnreportedChange};
pub use ports::LargePool;
pub use run::{PassSettings, run};
