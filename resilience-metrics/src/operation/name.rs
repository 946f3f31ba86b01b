//! The label `operation`: bounded by what was declared, whatever requests say.

use std::sync::Arc;

use metrics::SharedString;

use crate::{
    catalogue,
    sink::{Counter, Sink},
};

/// Whatever was not declared.
static OTHER: SharedString = SharedString::const_str("_other");

/// Says which operation a request is: see [`OperationLayer::named`](crate::OperationLayer::named). A closure
/// `Fn(&Req) -> &str` does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name operations by requests of type `{Req}`",
    note = "a closure `|request: &{Req}| -> &str` does; say the type of the request in it"
)]
pub trait NameOperation<Req> {
    /// The name of the operation; `None` if there is nothing to go by.
    fn name<'a>(&self, request: &'a Req) -> Option<&'a str>;
}

/// Gives operations no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unnamed;

impl<Req> NameOperation<Req> for Unnamed {
    #[inline]
    fn name<'a>(&self, _request: &'a Req) -> Option<&'a str> {
        None
    }
}

impl<Req, F> NameOperation<Req> for F
where
    F: Fn(&Req) -> &str,
{
    #[inline]
    fn name<'a>(&self, request: &'a Req) -> Option<&'a str> {
        Some(self(request))
    }
}

/// The names that were declared. Without any there is no label.
#[derive(Clone)]
pub(super) struct Names(Option<Arc<Declared>>);

struct Declared {
    /// Sorted.
    names: Vec<SharedString>,
    overflow: Counter,
}

impl Names {
    pub(super) fn new(sink: &Sink) -> Self {
        let names = sink.options.operations.clone();
        let declared = || Declared { names, overflow: sink.counter(&catalogue::OVERFLOW, &[]) };
        Self((!sink.options.operations.is_empty()).then(|| Arc::new(declared())))
    }

    /// The values of the label, in the order of their places.
    pub(super) fn labels(&self) -> Vec<Option<&SharedString>> {
        match &self.0 {
            Some(declared) => [&OTHER].into_iter().chain(&declared.names).map(Some).collect(),
            None => vec![None],
        }
    }

    /// Where the series of this name are; whatever was not declared is counted.
    #[inline]
    pub(super) fn place(&self, name: Option<&str>) -> usize {
        match (&self.0, name) {
            (Some(declared), Some(name)) => declared.place(name),
            _ => 0,
        }
    }
}

impl Declared {
    fn place(&self, name: &str) -> usize {
        match self.names.binary_search_by(|declared| (**declared).cmp(name)) {
            Ok(place) => place + 1,
            Err(_) => {
                self.overflow.increment(1);
                0
            }
        }
    }
}
