//! Jobs that a queue delivers at least once, each done once.
//!
//! Four consumers take jobs from one queue: letters to be sent. It delivers a job again until it is acknowledged. Acknowledgements get
//! lost, consumers die in the middle, jobs fail, and some take longer than the queue waits, so that two consumers have the same one
//! at once. All of them run their jobs through one guard.
//!
//! ```sh
//! cargo run -p examples --bin queue_consumer
//! ```
//!
//! It fails if a letter was sent twice, or not at all.

use std::{
    fmt,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use resilience_core::idempotency::{
    Fingerprint, IdempotencyKey, MemoryStore, RecordKey, Scope, memory::Config,
};
use resilience_tower::idempotency::{Guard, IdempotencyContext, Refused, RunError, memory_store};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const JOBS: u32 = 24;
const CONSUMERS: u32 = 4;
/// What a job takes.
const WORK: Duration = Duration::from_millis(40);
/// What is not acknowledged in this time is delivered again.
const PATIENCE: Duration = Duration::from_millis(120);

/// What goes wrong at the first delivery of a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Well,
    AcknowledgementLost,
    ConsumerDies,
    Fails,
    Slow,
}

fn fate(job: u32) -> Fate {
    match job % 6 {
        1 => Fate::AcknowledgementLost,
        2 => Fate::ConsumerDies,
        3 => Fate::Fails,
        4 => Fate::Slow,
        _ => Fate::Well,
    }
}

/// A job on its way.
#[derive(Clone, Copy)]
struct Message {
    job: u32,
    deliveries: u32,
    next: Instant,
}

/// Delivers at least once.
struct Queue(Mutex<Vec<Message>>);

impl Queue {
    fn with_all_jobs() -> Self {
        let next = now();
        Self(Mutex::new((1..=JOBS).map(|job| Message { job, deliveries: 0, next }).collect()))
    }

    /// The first one that nobody has, as far as the queue knows.
    fn deliver(&self) -> Option<Message> {
        let mut messages = self.0.lock();
        let now = now();
        let message = messages.iter_mut().find(|message| message.next <= now)?;
        message.deliveries += 1;
        message.next = now + PATIENCE;
        Some(*message)
    }

    fn acknowledge(&self, job: u32) {
        self.0.lock().retain(|message| message.job != job);
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// What the outside world gets: a letter that is sent is sent.
#[derive(Default)]
struct Post(Mutex<Vec<u32>>);

#[derive(Debug)]
struct NoPaper;

/// The work. It knows nothing of deliveries.
async fn send_letter(post: Arc<Post>, job: u32, run: IdempotencyContext) -> Result<Bytes, NoPaper> {
    sleep(if fate(job) == Fate::Slow { 5 * WORK } else { WORK }).await;
    if fate(job) == Fate::Fails && run.attempt() == 1 {
        return Err(NoPaper);
    }
    post.0.lock().push(job);
    Ok(Bytes::from("sent"))
}

/// What became of a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done,
    DoneBefore,
    AcknowledgementLost,
    ConsumerDied,
    Failed,
    InFlight,
}

impl Ending {
    const ALL: [Self; 6] = [
        Self::Done,
        Self::DoneBefore,
        Self::AcknowledgementLost,
        Self::ConsumerDied,
        Self::Failed,
        Self::InFlight,
    ];
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::DoneBefore => "had been done: only acknowledged",
            Self::AcknowledgementLost => "done, and the acknowledgement was lost",
            Self::ConsumerDied => "the consumer died in the middle",
            Self::Failed => "failed: nothing was sent",
            Self::InFlight => "another consumer is at it",
        })
    }
}

type Endings = Vec<(Message, Ending)>;

/// What all consumers share.
#[derive(Clone)]
struct Consumer {
    queue: Arc<Queue>,
    post: Arc<Post>,
    guard: Guard<MemoryStore>,
}

impl Consumer {
    async fn consume(self) -> Endings {
        let mut endings = Vec::new();
        while !self.queue.is_empty() {
            match self.queue.deliver() {
                Some(message) => endings.push((message, self.handle(message).await)),
                None => sleep(Duration::from_millis(5)).await,
            }
        }
        endings
    }

    async fn handle(&self, Message { job, deliveries, .. }: Message) -> Ending {
        // The name of the job, which all its deliveries have in common: not of the delivery.
        let Ok(name) = IdempotencyKey::new(format!("letter-{job}")) else { return Ending::Failed };
        let key = RecordKey::new("letters", &Scope::single_tenant(), &name);
        let asked = Fingerprint::of_parts().part(format!("send letter {job}")).finish();
        let post = Arc::clone(&self.post);
        let running = self.guard.run(key, asked, move |run| send_letter(post, job, run));

        let is_first = deliveries == 1;
        let patience = if is_first && fate(job) == Fate::ConsumerDies { WORK / 2 } else { Duration::MAX };
        let Ok(ran) = timeout(patience, running).await else { return Ending::ConsumerDied };
        match ran {
            Ok(_) if is_first && fate(job) == Fate::AcknowledgementLost => Ending::AcknowledgementLost,
            Ok(done) => {
                self.queue.acknowledge(job);
                if done.replayed { Ending::DoneBefore } else { Ending::Done }
            }
            // Not acknowledged, so it comes again.
            Err(RunError::Refused(Refused::InFlight { .. })) => Ending::InFlight,
            Err(_) => Ending::Failed,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let consumer = Consumer {
        queue: Arc::new(Queue::with_all_jobs()),
        post: Arc::default(),
        guard: Guard::new(memory_store(Config::new())),
    };
    let mut consumers = JoinSet::new();
    for _ in 0..CONSUMERS {
        consumers.spawn(consumer.clone().consume());
    }
    let endings = consumers.join_all().await.concat();
    // A job goes on without the consumer that began it.
    let left = consumer.guard.drain(Duration::from_secs(5)).await.left;

    println!("{JOBS} letters to send, {} deliveries", endings.len());
    for ending in Ending::ALL {
        println!("{:>6}  {ending}", endings.iter().filter(|(_, is)| *is == ending).count());
    }
    let is_as_it_should = report(&endings, &consumer.post.0.lock()) && left == 0;
    println!("{}", if is_as_it_should { "each letter was sent once" } else { "not as it should be" });
    if is_as_it_should { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says of each job how often it was delivered and sent, and whether that was once.
fn report(endings: &Endings, sent: &[u32]) -> bool {
    println!("\n{:>6} {:>10} {:>5}", "letter", "deliveries", "sent");
    let mut is_right = true;
    for job in 1..=JOBS {
        let deliveries = endings.iter().filter(|(message, _)| message.job == job).count();
        let times = sent.iter().filter(|letter| **letter == job).count();
        println!("{job:>6} {deliveries:>10} {times:>5}");
        is_right &= times == 1;
    }
    is_right
}

#[expect(clippy::disallowed_methods, reason = "a queue looks at its own clock")]
fn now() -> Instant {
    Instant::now()
}
