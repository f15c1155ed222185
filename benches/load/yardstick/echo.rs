//! The echo: answers at once.

use std::future::{self, Ready};

use prost::Message;

use super::{Gate, Gates};

#[derive(Clone)]
pub(super) struct Echo;

impl Gate for Echo {
    type Passed = Ready<()>;

    fn pass(&self, _: &impl Message) -> Self::Passed {
        future::ready(())
    }
}

impl Gates for Echo {
    type Gate = Self;

    fn opener(&self) -> impl FnOnce() -> Self + Send + 'static {
        || Self
    }
}
