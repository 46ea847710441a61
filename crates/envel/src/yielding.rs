//! Lets other tasks run, on any executor.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Returns to the executor once.
pub(crate) fn yield_now() -> impl Future<Output = ()> {
    Yield { has_yielded: false }
}

struct Yield {
    has_yielded: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_yielded {
            return Poll::Ready(());
        }
        self.has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
