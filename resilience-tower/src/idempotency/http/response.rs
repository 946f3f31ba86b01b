//! Responses, kept and replayed.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header::LOCATION, response::Parts};
use http_body::Body;
use resilience_core::idempotency::KeptResponse;

use super::{
    Disposition, Http, IdempotentBody,
    collect::{Collected, collect},
    headers::{fields, headers},
};
use crate::idempotency::{Rejection, Worked, WriteAnswer};

impl<B> WriteAnswer<Response<B>> for Http
where
    B: Body + Send + 'static,
    B::Data: From<Bytes> + Send,
{
    type Answer = Response<IdempotentBody<B>>;

    fn pass(response: Response<B>) -> Self::Answer {
        response.map(IdempotentBody::inner)
    }

    async fn keep(&self, response: Response<B>) -> Worked<Self::Answer> {
        let (parts, body) = response.into_parts();
        let whole = match self.disposition(&parts) {
            Disposition::Store => {
                body.size_hint().exact().is_some_and(|len| len <= self.max_stored_response as u64)
            }
            Disposition::Release => return Worked::release(untouched(parts, body)),
            Disposition::Abandon => return Worked::abandon(untouched(parts, body)),
        };
        let mut kept = KeptResponse::new(parts.status.as_u16());
        kept.headers = self.keep.fields(&parts.headers);
        kept.body = None;
        if !whole {
            return Worked::store(untouched(parts, body), kept.encode());
        }
        let Collected::Whole { bytes, trailers } = collect(body, self.max_stored_response).await else {
            // What was read is gone, and it cannot be run again: its caller gets what others would.
            let answer = self.reject_as(&not_retained(&kept));
            return Worked::store(answer, kept.encode());
        };
        kept.trailers = trailers.as_ref().map(fields).unwrap_or_default();
        kept.body = Some(bytes.clone());
        let answer = Response::from_parts(parts, IdempotentBody::whole(bytes, trailers));
        Worked::store(answer, kept.encode())
    }

    fn replay(&self, bytes: Bytes) -> Result<Self::Answer, Rejection> {
        restore(&bytes, &self.replayed_header)
    }

    fn unprotected(&self, answer: Self::Answer) -> Self::Answer {
        mark_unprotected(answer)
    }

    fn reject(&self, rejection: &Rejection) -> Self::Answer {
        self.reject_as(rejection)
    }
}

impl Http {
    fn reject_as<B>(&self, rejection: &Rejection) -> Response<IdempotentBody<B>> {
        self.problem(rejection).map(|text| IdempotentBody::whole(text, None))
    }
}

fn untouched<B>(parts: Parts, body: B) -> Response<IdempotentBody<B>> {
    Response::from_parts(parts, IdempotentBody::inner(body))
}

fn not_retained(kept: &KeptResponse) -> Rejection {
    let location = kept.headers.iter().find(|(name, _)| name == LOCATION.as_str());
    Rejection::NotRetained { status: kept.status, location: location.map(|(_, value)| value.clone()) }
}

/// The response in these bytes.
pub(in crate::idempotency) fn restore<B>(
    bytes: &Bytes,
    replayed: &HeaderName,
) -> Result<Response<IdempotentBody<B>>, Rejection> {
    let kept = KeptResponse::decode(bytes).map_err(|_| Rejection::corrupt())?;
    let Some(body) = kept.body else { return Err(not_retained(&kept)) };
    let trailers = headers(&kept.trailers).ok_or(Rejection::corrupt())?;
    let mut response = Response::new(IdempotentBody::whole(body, Some(trailers)));
    *response.status_mut() = StatusCode::from_u16(kept.status).map_err(|_| Rejection::corrupt())?;
    *response.headers_mut() = headers(&kept.headers).ok_or(Rejection::corrupt())?;
    response.headers_mut().insert(replayed, HeaderValue::from_static("true"));
    Ok(response)
}

/// Says that the answer was given without protection.
pub(in crate::idempotency) fn mark_unprotected<B>(mut answer: Response<B>) -> Response<B> {
    answer.headers_mut().insert("idempotency-status", HeaderValue::from_static("unprotected"));
    answer
}
