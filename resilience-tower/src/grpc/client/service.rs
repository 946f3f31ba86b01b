use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use resilience_core::{Call, Deadline, Error};
use tonic::{Status, body::Body};
use tower_layer::{Identity, Layer, Stack};
use tower_service::Service;

use super::{
    ClassifyChannel, Methods, Wire,
    request::{Answer, RequestBody},
};
use crate::{
    call::inherited,
    grpc::{IntoStatus, StatusFuture, StatusLayer},
    http::deadline::{DeadlineHeader, WriteDeadlineLayer},
    stack::{self, Calls, ClientHandle, ClientLayer, ClientSettings, Destination, IntoCall, Invalid, Parts},
    time,
};

/// A channel under the client's stack with the default settings, named after what it calls; see [`Client`].
///
/// ```
/// use resilience_tower::grpc;
/// use tonic::transport::Endpoint;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tonic::transport::Error> {
/// # mod greeter {
/// #     pub struct GreeterClient<T>(pub T);
/// #     impl<T: tonic::client::GrpcService<tonic::body::Body>> GreeterClient<T> {
/// #         pub fn new(channel: T) -> Self { Self(channel) }
/// #     }
/// # }
/// # use greeter::GreeterClient;
/// let channel = Endpoint::from_static("http://127.0.0.1:50051").connect_lazy();
/// let client = GreeterClient::new(grpc::client("greeter", channel));
/// # let _ = client.0;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn client<T>(name: &str, channel: T) -> Guarded<T> {
    guarded(stack::client(name), channel)
}

/// A channel under the client's stack with these settings, named after what it calls.
///
/// ```
/// use resilience_tower::{grpc, stack::ClientSettings};
/// use std::time::Duration;
/// use tonic::transport::Endpoint;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_tower::stack::Invalid> {
/// let settings = ClientSettings::new().attempt_timeout(Duration::from_millis(300)).throttle(None);
/// let channel = Endpoint::from_static("http://127.0.0.1:50051").connect_lazy();
/// let channel = grpc::client_with("greeter", &settings, channel)?;
/// assert_eq!(channel.handle().name(), "greeter");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// If the settings [do not fit together](ClientSettings::check).
pub fn client_with<T>(name: &str, settings: &ClientSettings, channel: T) -> Result<Guarded<T>, Invalid> {
    Ok(guarded(ClientLayer::new(name, settings)?, channel))
}

/// A [`Client`] that is made of settings alone, around a channel `T`.
pub type Guarded<T> =
    Client<stack::Client<Parts<Wire<T>, ClassifyChannel, (), Identity, Written>, String, Destination>>;
type Written = Stack<WriteDeadlineLayer, Identity>;

fn guarded<T>(layer: ClientLayer, channel: T) -> Guarded<T> {
    Client::with_layer(layer.per(Destination).classify(ClassifyChannel), channel)
}

/// A `tonic` channel under the [client's stack](crate::stack), for a generated client to go around: see the [module](crate::grpc).
///
/// `S` is the stack. With settings alone the type is [`Guarded<Channel>`](Guarded).
///
/// # Clone
///
/// A clone shares all state and the connection.
pub struct Client<S, K = String> {
    stack: IntoStatus<S>,
    methods: Arc<PerMethod>,
    handle: ClientHandle<K>,
}

/// What is known of the methods.
#[derive(Clone, Debug, Default)]
struct PerMethod {
    idempotent: Methods,
    unary: Methods,
    streaming: Methods,
}

impl<S, K> Client<S, K> {
    /// A client under a stack of one's own: another key, another classifier, an observer, layers in the slots.
    ///
    /// `grpc-timeout` is written inside of the slot for the attempt.
    ///
    /// ```
    /// use resilience_core::{Event, Observer};
    /// use resilience_tower::{grpc::{Client, ClassifyChannel}, stack::{self, Destination}};
    /// use tonic::transport::Endpoint;
    ///
    /// #[derive(Clone)]
    /// struct Log;
    ///
    /// impl Observer for Log {
    ///     fn observe(&self, event: &Event) {
    ///         println!("{event:?}");
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let layer = stack::client("greeter").per(Destination).classify(ClassifyChannel).with_observer(Log);
    /// let channel = Client::with_layer(layer, Endpoint::from_static("http://127.0.0.1:50051").connect_lazy());
    /// # fn is_a_channel<T: tonic::client::GrpcService<tonic::body::Body>>(_: &T) {}
    /// # is_a_channel(&channel);
    /// # }
    /// ```
    #[must_use]
    pub fn with_layer<T, Q, C, O, Op, At, W>(layer: ClientLayer<K, Q, C, O, Op, At, W>, channel: T) -> Self
    where
        Calls<ClientLayer<K, Q, C, O, Op, At, Stack<WriteDeadlineLayer, W>>>: Layer<Wire<T>, Service = S>,
    {
        let handle = layer.handle().clone();
        let written = layer.inside_attempt(WriteDeadlineLayer::new().header(DeadlineHeader::grpc())).calls();
        let stack = StatusLayer::new().layer(written.layer(Wire::new(channel)));
        Self { stack, methods: Arc::default(), handle }
    }

    /// Makes calls of these methods again where that may help. By default that is done only if nothing was sent: every gRPC call
    /// is a `POST`, and what it does only its author knows.
    ///
    /// This is for what a `.proto` file calls `idempotency_level`, which generated code does not say. A single call is marked by
    /// [`Context::assume_idempotent`](resilience_core::Context::assume_idempotent) in its extensions, all of them by
    /// [`RetryPolicy::assume_idempotent`](resilience_core::RetryPolicy::assume_idempotent).
    ///
    /// # Panics
    ///
    /// If one is [no name of a method](Methods).
    #[must_use]
    #[track_caller]
    pub fn idempotent(mut self, methods: impl Into<Methods>) -> Self {
        Arc::make_mut(&mut self.methods).idempotent = methods.into();
        self
    }

    /// Reads the answers of these methods up to their status before they count as answers: none by default.
    ///
    /// They answer with one message. So a status that comes after the message is seen by all policies, a connection that breaks
    /// before it is a failed attempt, and the limits on time hold up to it. Answers are held in memory meanwhile, up to the 4 MiB
    /// that `tonic` accepts by default; a longer one is passed on as it comes.
    ///
    /// It must not be said of a method whose answer is a stream: of that nothing would arrive before its end.
    /// [`streaming`](Self::streaming) takes precedence, so that it can be said of [all](Methods::all) others.
    ///
    /// # Panics
    ///
    /// If one is [no name of a method](Methods).
    #[must_use]
    #[track_caller]
    pub fn unary(mut self, methods: impl Into<Methods>) -> Self {
        Arc::make_mut(&mut self.methods).unary = methods.into();
        self
    }

    /// Lets the answers of these methods last: none by default.
    ///
    /// Servers of other languages hold `grpc-timeout` against the whole of an answer, and the limits of the stack are for its
    /// beginning. So a call of these methods has no `grpc-timeout`, unless it brings a deadline of its own. A call whose request is a
    /// stream is seen to be one, and needs not be listed.
    ///
    /// # Panics
    ///
    /// If one is [no name of a method](Methods).
    #[must_use]
    #[track_caller]
    pub fn streaming(mut self, methods: impl Into<Methods>) -> Self {
        Arc::make_mut(&mut self.methods).streaming = methods.into();
        self
    }

    /// The handle of the stack: to look at its policies, and to change its settings while it runs.
    ///
    /// Those of the channel are `handle().policies("")`, unless the generated client was given an origin: then they have the name of
    /// its host and port.
    #[must_use]
    pub const fn handle(&self) -> &ClientHandle<K> {
        &self.handle
    }
}

impl PerMethod {
    /// The call with all that is known of it.
    fn call(&self, request: Request<Body>) -> Call<Request<RequestBody>> {
        let (mut request, mut context) = request.map(RequestBody::new).into_call().into_parts();
        // As `Request::set_timeout` writes it; what is left of it is written anew for each attempt.
        if let Some(left) = DeadlineHeader::grpc().read(request.headers()) {
            context.tighten(Deadline::after(time::now(), left));
        }
        let path = request.uri().path();
        if self.idempotent.contains(path) {
            context = context.assume_idempotent();
        }
        request.body_mut().answer = if request.body().is_stream() || self.streaming.contains(path) {
            if let Some(deadline) = inherited() {
                context.tighten(deadline);
            }
            Answer::Stream(context.deadline())
        } else if self.unary.contains(path) {
            Answer::Message
        } else {
            Answer::Unknown
        };
        Call::with_context(request, context)
    }
}

impl<S, K> Service<Request<Body>> for Client<S, K>
where
    S: Service<Call<Request<RequestBody>>, Response = Response<Body>, Error = Error<Status>>,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = StatusFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.stack.call(self.methods.call(request))
    }
}

impl<S: Clone, K> Clone for Client<S, K> {
    fn clone(&self) -> Self {
        let Self { stack, methods, handle } = self;
        Self { stack: stack.clone(), methods: Arc::clone(methods), handle: handle.clone() }
    }
}

impl<S, K> fmt::Debug for Client<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("handle", &self.handle)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}
