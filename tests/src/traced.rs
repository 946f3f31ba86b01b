//! What a subscriber was told: spans and events, with all of their fields as text.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use tracing::{
    Event, Id, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// A subscriber for the present thread, until it is dropped.
#[derive(Debug)]
pub struct Traced {
    seen: Seen,
    _installed: DefaultGuard,
}

/// Fields by name, values as text.
pub type Fields = BTreeMap<String, String>;

/// A span, from its beginning on.
#[derive(Clone, Debug)]
pub struct SpanSeen {
    /// Its name.
    pub name: &'static str,
    /// Its target.
    pub target: String,
    /// Its level.
    pub level: Level,
    /// What has been recorded.
    pub fields: Fields,
    /// The place of the span around it.
    pub parent: Option<usize>,
    /// The places of those it follows from.
    pub follows: Vec<usize>,
    /// How often somebody went into it.
    pub entered: usize,
    /// Whether it is over; if so, how many were over before.
    pub closed: Option<usize>,
}

/// A line of a log.
#[derive(Clone, Debug)]
pub struct EventSeen {
    /// Its target.
    pub target: String,
    /// Its level.
    pub level: Level,
    /// Its fields, the message among them.
    pub fields: Fields,
    /// The place of the span that it is in.
    pub span: Option<usize>,
}

/// The place of a span among those seen.
struct Place(usize);

#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<All>>);

#[derive(Debug, Default)]
struct All {
    spans: Vec<SpanSeen>,
    events: Vec<EventSeen>,
    closed: usize,
}

impl Traced {
    /// Takes what this thread says up to `level` from now on.
    #[must_use]
    pub fn start(level: LevelFilter) -> Self {
        let seen = Seen::default();
        let subscriber = tracing_subscriber::registry().with(seen.clone().with_filter(level));
        Self { seen, _installed: tracing::subscriber::set_default(subscriber) }
    }

    /// All spans, in the order of their beginnings.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanSeen> {
        self.seen.all().spans.clone()
    }

    /// All spans of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<SpanSeen> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// All events, in order.
    #[must_use]
    pub fn events(&self) -> Vec<EventSeen> {
        self.seen.all().events.clone()
    }

    /// The message of each event since the last time, and the names of the spans around it, innermost first.
    #[must_use]
    pub fn take_events(&self) -> Vec<(String, Vec<&'static str>)> {
        let mut all = self.seen.all();
        let events = std::mem::take(&mut all.events);
        let around = |event: &EventSeen| {
            let spans = std::iter::successors(event.span, |&place| all.spans[place].parent);
            spans.map(|place| all.spans[place].name).collect()
        };
        events.iter().map(|event| (event.message().to_owned(), around(event))).collect()
    }
}

impl SpanSeen {
    /// What has been recorded under this name, nothing if nothing has.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl EventSeen {
    /// The text of the line.
    #[must_use]
    pub fn message(&self) -> &str {
        self.field("message")
    }

    /// What the line has under this name, nothing if it does not.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Seen {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().expect("no test panics while it holds the lock")
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).expect("a new span");
        let place_of = |span: tracing_subscriber::registry::SpanRef<'_, S>| {
            span.extensions().get::<Place>().map(|place| place.0)
        };
        let parent = span.parent().and_then(place_of);
        let mut fields = Text::default();
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        let mut all = self.all();
        span.extensions_mut().insert(Place(all.spans.len()));
        all.spans.push(SpanSeen {
            name: metadata.name(),
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            fields: fields.0,
            parent,
            follows: Vec::new(),
            entered: 0,
            closed: None,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(place) = place(id, &context) else { return };
        let mut fields = Text::default();
        values.record(&mut fields);
        self.all().spans[place].fields.extend(fields.0);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        if let (Some(from), Some(to)) = (place(id, &context), place(follows, &context)) {
            self.all().spans[from].follows.push(to);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Text::default();
        event.record(&mut fields);
        let span = context.event_span(event).and_then(|span| place(&span.id(), &context));
        self.all().events.push(EventSeen {
            target: event.metadata().target().to_owned(),
            level: *event.metadata().level(),
            fields: fields.0,
            span,
        });
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(place) = place(id, &context) {
            self.all().spans[place].entered += 1;
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(place) = place(&id, &context) else { return };
        let mut all = self.all();
        all.spans[place].closed = Some(all.closed);
        all.closed += 1;
    }
}

fn place<S: Subscriber + for<'a> LookupSpan<'a>>(id: &Id, context: &Context<'_, S>) -> Option<usize> {
    context.span(id)?.extensions().get::<Place>().map(|place| place.0)
}

#[derive(Default)]
struct Text(Fields);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
