//! One record of the store that is tried out, and the words that cases are written in.

use std::{fmt, panic::Location, time::Duration};

use bytes::Bytes;

use super::Subject;
use crate::idempotency::{
    Begin, Claim, Fingerprint, Finish, Held, OnLostOwner, Owner, RecordKey, Release, Released, Renew, Store,
    StoreError,
};

/// What a case says: nothing, or what is wrong.
pub(super) type Checked<T = ()> = Result<T, String>;

/// A record under a key that nobody has used.
pub(super) struct Trial<'a, S> {
    subject: &'a S,
    pub(super) key: RecordKey,
}

impl<'a, S: Subject> Trial<'a, S> {
    pub(super) fn new(subject: &'a S) -> Self {
        let half = || *Owner::random().as_bytes();
        let mut key = [0; 32];
        key[..16].copy_from_slice(&half());
        key[16..].copy_from_slice(&half());
        Self { subject, key: RecordKey::from_bytes(key) }
    }

    /// The same store, under another key.
    pub(super) fn under(&self, key: RecordKey) -> Self {
        Self { subject: self.subject, key }
    }

    /// So many units of time.
    pub(super) fn units(&self, n: u32) -> Duration {
        n * self.subject.unit()
    }

    pub(super) async fn pass(&self, units: u32) {
        self.subject.pass(self.units(units)).await;
    }

    /// A claim of a new owner, with a lease of two units, kept for hundreds.
    pub(super) fn claim(&self) -> Claim {
        let mut claim = Claim::new(Fingerprint::from_bytes([1; 32]), Owner::random());
        (claim.lease, claim.retain) = (self.units(2), self.units(1000));
        claim
    }

    /// A claim of a new owner that does not take over.
    pub(super) fn refusing(&self) -> Claim {
        let mut claim = self.claim();
        claim.on_lost_owner = OnLostOwner::Refuse;
        claim
    }

    pub(super) async fn begin(&self, claim: &Claim) -> Checked<Begin> {
        self.subject.store().begin(&self.key, claim).await.map_err(failed)
    }

    /// Begins and must get it.
    #[track_caller]
    pub(super) fn acquire<'c>(&'c self, claim: &'c Claim) -> impl Future<Output = Checked<Held>> + Send + 'c {
        let at = Location::caller();
        async move {
            match self.begin(claim).await? {
                Begin::Acquired(held) => Ok(held),
                other => Err(format!("{other:?} instead of Acquired (line {} of {})", at.line(), at.file())),
            }
        }
    }

    pub(super) async fn renew(&self, claim: &Claim, held: Held) -> Checked<Renew> {
        self.subject.store().renew(&self.key, claim, held).await.map_err(failed)
    }

    pub(super) async fn finish(&self, claim: &Claim, held: Held, response: &'static str) -> Checked<Finish> {
        self.finish_with(claim, held, Bytes::from_static(response.as_bytes())).await
    }

    pub(super) async fn finish_with(&self, claim: &Claim, held: Held, response: Bytes) -> Checked<Finish> {
        self.subject.store().finish(&self.key, claim, held, response).await.map_err(failed)
    }

    pub(super) async fn release(&self, claim: &Claim, how: Release) -> Checked<Released> {
        self.subject.store().release(&self.key, claim.owner, how).await.map_err(failed)
    }

    /// A record that a new owner has claimed, and that owner.
    pub(super) async fn held(&self) -> Checked<(Claim, Held)> {
        let claim = self.claim();
        let held = self.acquire(&claim).await?;
        Ok((claim, held))
    }

    /// A record that is done with this response, and whose it is.
    pub(super) async fn finished(&self, response: &'static str) -> Checked<(Claim, Held)> {
        let (claim, held) = self.held().await?;
        same(self.finish(&claim, held, response).await?, Finish::Ok)?;
        Ok((claim, held))
    }

    /// Someone else finds the record pending, with a live lease.
    #[track_caller]
    pub(super) fn is_busy(&self, attempt: u32) -> impl Future<Output = Checked> + Send + '_ {
        let at = Location::caller();
        async move {
            match self.begin(&self.claim()).await? {
                Begin::Busy { attempt: told, .. } if told == attempt => Ok(()),
                other => Err(wrong(at, &other, &format_args!("Busy with attempt {attempt}"))),
            }
        }
    }

    /// Someone else gets this response.
    #[track_caller]
    pub(super) fn is_done(&self, response: &'static str) -> impl Future<Output = Checked> + Send + '_ {
        let at = Location::caller();
        async move {
            let wanted = Begin::Done(Bytes::from_static(response.as_bytes()));
            let got = self.begin(&self.claim()).await?;
            if got == wanted { Ok(()) } else { Err(wrong(at, &got, &format_args!("{wanted:?}"))) }
        }
    }
}

pub(super) fn lost(winner: Option<&'static str>) -> Finish {
    Finish::Lost { winner: winner.map(|response| Bytes::from_static(response.as_bytes())) }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "read like a comparison of two values")]
pub(super) fn same<T: PartialEq + fmt::Debug>(got: T, wanted: T) -> Checked {
    if got == wanted { Ok(()) } else { Err(wrong(Location::caller(), &got, &format_args!("{wanted:?}"))) }
}

#[track_caller]
pub(super) fn holds(what: bool, wanted: &str) -> Checked {
    if what { Ok(()) } else { Err(format!("{wanted} (line {})", Location::caller().line())) }
}

fn wrong(at: &Location<'_>, got: &dyn fmt::Debug, wanted: &fmt::Arguments<'_>) -> String {
    format!("{got:?} instead of {wanted} (line {} of {})", at.line(), at.file())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: StoreError) -> String {
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
