//! Loopback ports that no other stack takes between the choice and a program's bind.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;

/// Below the range from which kernels assign ports to outgoing connections, so that no connection
/// gets one of these by chance.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// A stack needs one port for each program and proxy: nine with four pools, each behind a proxy.
const BLOCK: u16 = 16;

/// A block of ports. The stack holds the first one open while it runs, which keeps other stacks
/// off the whole block. The kernel releases it, however the process ends.
pub(super) struct PortBlock {
    _claim: TcpListener,
    next: u16,
    end: u16,
}

impl PortBlock {
    pub(super) fn claim() -> anyhow::Result<Self> {
        let blocks = (LAST - FIRST) / BLOCK;
        // Stacks that start at the same time begin their search at different places.
        let offset = u16::try_from(std::process::id() % u32::from(blocks))?;
        (0..blocks)
            .map(|step| FIRST + (offset + step) % blocks * BLOCK)
            .find_map(|first| {
                let claim = listen(first)?;
                Some(Self { _claim: claim, next: first + 1, end: first + BLOCK })
            })
            .context("no free block of loopback ports between 20000 and 32000")
    }

    /// The next port of the block on which no program listens now.
    pub(super) fn take(&mut self) -> anyhow::Result<u16> {
        let port = (self.next..self.end)
            .find(|port| listen(*port).is_some())
            .context("the stack's block of ports is used up")?;
        self.next = port + 1;
        Ok(port)
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}
