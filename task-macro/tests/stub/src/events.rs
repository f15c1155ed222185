//! Events with nothing but a name; registrations that can be read back.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::tasks::Location;

pub type SubscriberError = Box<dyn std::error::Error + Send + Sync>;

pub type Handling<'a> = Pin<Box<dyn Future<Output = Result<(), SubscriberError>> + Send + 'a>>;

pub struct Announced(pub &'static str);

impl Announced {
    pub fn name(&self) -> &str {
        self.0
    }
}

#[derive(Debug, PartialEq)]
pub struct EventFilter(pub Vec<String>);

pub fn filter_of(events: &[&str]) -> EventFilter {
    EventFilter(events.iter().map(|event| event.to_string()).collect())
}

pub fn routes_to(event: &str, route: &str) -> bool {
    event.replace(['.', '-'], "_") == route
}

#[async_trait]
pub trait Subscriber: Send + Sync + 'static {
    fn name(&self) -> &str;
    fn filter(&self) -> EventFilter;
    fn routes(&self) -> &'static [&'static str] {
        &[]
    }
    async fn handle(&self, event: &Announced) -> Result<(), SubscriberError>;
}

pub trait IntoHandled {
    fn into_handled(self) -> Result<(), SubscriberError>;
}

impl IntoHandled for () {
    fn into_handled(self) -> Result<(), SubscriberError> {
        Ok(())
    }
}

impl<E: Display> IntoHandled for Result<(), E> {
    fn into_handled(self) -> Result<(), SubscriberError> {
        self.map_err(|error| error.to_string().into())
    }
}

pub struct Registration {
    pub make: fn() -> Arc<dyn Subscriber>,
    pub replace: bool,
    pub declared_at: Location,
}

static COLLECTED: Mutex<Vec<Registration>> = Mutex::new(Vec::new());

pub fn collect(registration: Registration) {
    COLLECTED.lock().expect("nobody panics while holding it").push(registration);
}

/// Everything collected so far, moved out.
pub fn collected() -> Vec<Registration> {
    std::mem::take(&mut COLLECTED.lock().expect("nobody panics while holding it"))
}
