//! The core's report on its capacity and on what stops it as a whole.

/// The slots that handlers run in, and how many are in use. Inline handlers need none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    /// How many async handlers may run at the same time.
    pub async_slots: usize,
    /// How many do. Exceeds `async_slots` for a while after handlers resume that waited for
    /// children.
    pub async_active: usize,
    /// How many sync handlers may run at the same time.
    pub sync_slots: usize,
    /// How many do.
    pub sync_active: usize,
    /// Handlers that the engine abandoned and that have not returned.
    pub stuck: usize,
}

/// What stops the engine as a whole from starting tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// The engine drains: it accepts and starts nothing.
    pub draining: bool,
    /// The store has just failed, and the engine waits a moment before it uses the store again.
    pub store: bool,
}
