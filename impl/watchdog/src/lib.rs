//! What the watchdog multiplexer and its clients need of the operating system.
//!
//! What this crate must not know: when the device may be pinged, and until when. The machine in
//! `lockstep_model::watchdog` decides that; here is only how it is done. The crate is the only one
//! that may contain `unsafe`; it needs none, because `nix` wraps what it calls.
//!
//! Where to start reading:
//!
//! 1. [`clock`]: CLOCK_BOOTTIME, and a timer on it that a thread waits for,
//! 2. [`kill_timer`]: the kernel timer that ends a multiplexer at D (κ = 1),
//! 3. [`device`]: the device's port, and the client of a stand-in for it,
//! 4. [`wire`]: the messages between the multiplexer and its clients,
//! 5. [`peers`]: which connection is which client.

#![forbid(unsafe_code)]

pub mod clock;
pub mod device;
pub mod kill_timer;
pub mod peers;
pub mod wire;
