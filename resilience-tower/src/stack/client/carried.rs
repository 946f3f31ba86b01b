//! The policies of a call's destination, which travel with its request from the top of the stack.

use std::time::Instant;

use resilience_core::{Call, CarryContext, Context, RetryPolicy, retry::RetryBudget, striped::Lease};

use crate::{
    per_key::{Bundle, Find},
    retry::{Budgets, Replay, Safety},
};

/// A request with its context and the policies of its destination: what the parts of a [stack](crate::stack) pass on.
#[derive(Debug)]
pub struct Routed<R> {
    pub(super) call: Call<R>,
    pub(super) to: Lease<Bundle>,
}

impl<R> Routed<R> {
    /// The request and its context.
    #[must_use]
    pub const fn call(&self) -> &Call<R> {
        &self.call
    }

    /// The request and its context, to change them.
    #[must_use]
    pub const fn call_mut(&mut self) -> &mut Call<R> {
        &mut self.call
    }
}

impl<R> CarryContext for Routed<R> {
    #[inline]
    fn context(&self) -> Option<&Context> {
        Some(self.call.context())
    }

    #[inline]
    fn context_mut(&mut self) -> Option<&mut Context> {
        Some(self.call.context_mut())
    }
}

impl<R: Replay> Replay for Routed<R> {
    #[inline]
    fn try_clone(&self) -> Option<Self> {
        Some(Self { call: self.call.try_clone()?, to: self.to.clone() })
    }

    #[inline]
    fn is_complete(&self) -> bool {
        self.call.is_complete()
    }

    #[inline]
    fn safety(&self) -> Safety {
        self.call.safety()
    }
}

/// Where the layers of a stack find the policies: with the request.
#[derive(Clone, Copy, Debug)]
pub struct Carried;

impl crate::per_key::sealed::Sealed for Carried {}

impl<R> Find<Routed<R>> for Carried {
    type Request = Call<R>;

    #[inline]
    fn find(&mut self, request: Routed<R>, _: Instant) -> (Lease<Bundle>, Call<R>) {
        (request.to, request.call)
    }
}

impl crate::retry::budgets::sealed::Sealed for Carried {}

impl<R> Budgets<Routed<R>> for Carried {
    type Held = Lease<Bundle>;

    #[inline]
    fn is_here(&self) -> bool {
        false
    }

    #[inline]
    fn hold(&self, request: &Routed<R>) -> Lease<Bundle> {
        request.to.clone()
    }

    #[inline]
    fn budget<'a>(_: Option<&'a Self>, held: &'a Lease<Bundle>) -> Option<&'a RetryBudget> {
        held.retry_budget.as_ref()
    }

    #[inline]
    fn policy<'a>(&'a self, held: &'a Lease<Bundle>) -> Option<&'a RetryPolicy> {
        held.operation.retry.as_ref()
    }
}
